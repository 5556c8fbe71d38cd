import { type Mutant, REPEATED } from "../mutant.ts";

export const mutant: Mutant = {
  name: "old status applied",
  breaks: "ingest applies a status although it knows a newer one",
  edits: [
    {
      file: "shared/availability/scripts.ts",
      find: `    if state[1] and tonumber(state[1]) > tonumber(ARGV[3]) then return 'old' end
`,
      replace: "",
    },
  ],
  detector: REPEATED,
  says: /I7 .*ingest's effect|I4 .*\): courier/,
};
