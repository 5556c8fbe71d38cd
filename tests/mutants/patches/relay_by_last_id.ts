import { type Mutant, SCHEDULES } from "../mutant.ts";

export const mutant: Mutant = {
  name: "relay by last id",
  breaks: "the relay goes on after the highest id it has published",
  edits: [
    {
      file: "shared/outbox/relay.ts",
      find: `    if (rows.length === 0) return "idle";
`,
      replace: `    if (rows.length === 0) return "idle";
    this.#lastId = rows.at(-1)?.id ?? this.#lastId;
`,
    },
    {
      file: "shared/outbox/relay.ts",
      find: `  #batches = 0;
`,
      replace: `  #batches = 0;
  #lastId = "0";
`,
    },
    {
      file: "shared/outbox/relay.ts",
      find: `        and region = \${region} and shard = \${shard} and published_at is null
      order by id limit`,
      replace:
        `        and region = \${region} and shard = \${shard} and id > \${this.#lastId}::bigint
      order by id limit`,
    },
  ],
  detector: SCHEDULES,
  says: /(?:at the end|before T3|seed \d+): order [-0-9a-f]{36}/,
};
