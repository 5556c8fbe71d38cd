import { type Mutant, SCHEDULES } from "../mutant.ts";

export const mutant: Mutant = {
  name: "relay by transaction horizon",
  breaks: "the relay reads by transaction id, up to the oldest that still runs",
  edits: [
    {
      file: "shared/outbox/relay.ts",
      find: `published_at is null
      order by id limit`,
      replace: `published_at is null
        and xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
      order by xmin::text::bigint, id limit`,
    },
  ],
  detector: SCHEDULES,
  says: /(?:at the end|before T3|seed \d+): order [-0-9a-f]{36}/,
};
