import type { Mutant } from "../mutant.ts";

export const mutant: Mutant = {
  name: "processed_events ignored",
  breaks: "an effect runs although its event was processed",
  edits: [
    {
      file: "shared/streams/event_consumer.ts",
      find: `    if (inserted.length === 0) return false;
`,
      replace: "",
    },
  ],
  detector: {
    phase: "integration",
    file: "tests/integration/consumer_test.ts",
    filter: "processOnce() runs an effect once",
  },
  says: /AssertionError/,
};
