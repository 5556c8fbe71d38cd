import type { Mutant } from "../mutant.ts";

export const mutant: Mutant = {
  name: "timer without effect",
  breaks: "a timer is deleted and its handler not called",
  edits: [
    {
      file: "services/keeper/fire_timers.ts",
      find: `      await handlers[timer.kind](tx, timer);
`,
      replace: "",
    },
  ],
  detector: { phase: "chaos", file: "tests/chaos/frozen_phones_test.ts" },
  says: /I9 .*is still pending/,
};
