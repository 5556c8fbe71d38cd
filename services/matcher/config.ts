import { integer, serviceFields, storeFields } from "shared/config/fields.ts";

/** The matcher's environment. Policies are data of the region, not of the process. */
export const matcherFields = {
  ...serviceFields(8083),
  ...storeFields,
  TICK_MS: integer({
    fallback: "500",
    min: 50,
    max: 60_000,
    description: "longest time between two matching decisions; events bring the next one forward",
  }),
};
