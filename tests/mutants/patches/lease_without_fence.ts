import type { Mutant } from "../mutant.ts";

export const mutant: Mutant = {
  name: "lease without fence",
  breaks: "a write does not ask whether the lease is still held",
  edits: [
    {
      file: "shared/lease/lease.ts",
      find: "  if (rows.length === 0) throw new FencedError(",
      replace: "  if (rows.length < 0) throw new FencedError(",
    },
  ],
  detector: { phase: "chaos", file: "tests/chaos/two_matchers_test.ts" },
  says: /I3 .*made offer .* while .* owned the region/,
};
