import { type Mutant, QUIET } from "../mutant.ts";

export const mutant: Mutant = {
  name: "idempotency key ignored",
  breaks: "a repeated request is a new one",
  edits: [
    {
      file: "services/gateway/idempotency.ts",
      find: "  return new Map(rows.map((row) => [spelledKey(row), row]));",
      replace: "  return new Map(rows.slice(0, 0).map((row) => [spelledKey(row), row]));",
    },
  ],
  detector: QUIET,
  says: /I1 .*was told orders .* and /,
};
