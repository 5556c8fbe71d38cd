import { type Mutant, QUIET } from "../mutant.ts";

export const mutant: Mutant = {
  name: "idempotency key ignored",
  breaks: "a repeated request is a new one",
  edits: [
    {
      file: "services/gateway/idempotency.ts",
      find: "  if (requests.length === 0) return undefined;",
      replace: "  if (requests.length >= 0) return undefined;",
    },
  ],
  detector: QUIET,
  says: /I1 .*was told orders .* and /,
};
