import { type Mutant, REPEATED } from "../mutant.ts";

export const mutant: Mutant = {
  name: "old status applied",
  breaks: "ingest applies a status although it knows a newer one",
  edits: [
    {
      file: "shared/availability/scripts.ts",
      find: `if row[2] and tonumber(row[2]) > tonumber(version) then return false end
`,
      replace: "",
    },
  ],
  detector: REPEATED,
  says: /I7 .*ingest's effect|I4 .*\): courier/,
};
