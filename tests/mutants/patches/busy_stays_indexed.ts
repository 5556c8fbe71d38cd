import { type Mutant, QUIET } from "../mutant.ts";

export const mutant: Mutant = {
  name: "busy courier stays in the index",
  breaks: "the index keeps a courier that became busy",
  edits: [
    {
      file: "shared/availability/scripts.ts",
      find: `  else
    hidden[#hidden + 1] = id
  end
  if status == OFFLINE then`,
      replace: `  elseif status ~= byte('b') then
    hidden[#hidden + 1] = id
  end
  if status == OFFLINE then`,
    },
  ],
  detector: QUIET,
  says: /I4 .*was in the index while its hash said busy/,
};
