import { type Mutant, QUIET } from "../mutant.ts";

export const mutant: Mutant = {
  name: "no unique index",
  breaks: "the database takes two active assignments of an order",
  edits: [
    {
      file: "migrations/002_dispatch.sql",
      find: "create unique index assignments_one_active_per_order",
      replace: "create index assignments_one_active_per_order",
    },
  ],
  detector: QUIET,
  says: /I3 .*would take two active assignments/,
};
