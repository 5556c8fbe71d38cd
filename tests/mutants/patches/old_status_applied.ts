import { type Mutant, REPEATED } from "../mutant.ts";

export const mutant: Mutant = {
  name: "old status applied",
  breaks: "ingest applies a status although it knows a newer one",
  edits: [
    {
      file: "shared/availability/scripts.ts",
      find: `if tonumber(known) > tonumber(version) then return end
`,
      replace: "",
    },
  ],
  detector: REPEATED,
  says: /I7 .*ingest's effect|I4 .*\): courier/,
};
