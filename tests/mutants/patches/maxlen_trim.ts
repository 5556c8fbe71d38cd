import { type Mutant, QUIET } from "../mutant.ts";

export const mutant: Mutant = {
  name: "MAXLEN trim",
  breaks: "the relay lets Redis push old entries out, read or not",
  edits: [
    {
      file: "shared/outbox/relay.ts",
      find: "redis.call('XADD', KEYS[1], '*',",
      replace: "redis.call('XADD', KEYS[1], 'MAXLEN', '=', '40', '*',",
    },
  ],
  detector: QUIET,
  says: /I6 .*marked as published and not in the stream/,
};
