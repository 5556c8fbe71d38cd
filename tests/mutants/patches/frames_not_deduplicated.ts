import { type Mutant, REPEATED } from "../mutant.ts";

export const mutant: Mutant = {
  name: "frames not deduplicated",
  breaks: "the tracker appends an event again when it comes again",
  edits: [
    {
      file: "services/tracker/track_log.ts",
      find: `    if last and tonumber(last) >= tonumber(ARGV[2]) then return 0 end
`,
      replace: "",
    },
  ],
  detector: REPEATED,
  says: /I5 .*comes after|I7 .*frames of the track/,
};
