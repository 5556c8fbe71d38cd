import type { Mutant } from "../mutant.ts";

export const mutant: Mutant = {
  name: "relay without fence",
  breaks: "an owner that was replaced can append",
  edits: [
    {
      file: "shared/outbox/relay.ts",
      find: `    local fence = redis.call('HGET', KEYS[2], 'fence')
    if fence and tonumber(fence) > tonumber(ARGV[1]) then return 'fenced' end
`,
      replace: "",
    },
  ],
  detector: {
    phase: "integration",
    file: "tests/integration/relay_test.ts",
    filter: "of an owner that was replaced",
  },
  says: /'moved' !== 'fenced'/,
};
