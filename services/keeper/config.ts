import { integer, serviceFields, storeFields, text } from "shared/config/fields.ts";

/** Keeper's environment. */
export const keeperFields = {
  ...serviceFields(8084),
  ...storeFields,
  DATABASE_DIRECT_URL: text({
    fallback: "-",
    secret: true,
    description: "Postgres past a transaction pooler, for LISTEN; - means DATABASE_URL",
  }),
  HISTORY_CARRYING_DAYS: integer({
    fallback: "30",
    min: 1,
    max: 3_650,
    description: "days for which positions of couriers with an order are kept",
  }),
  HISTORY_FREE_DAYS: integer({
    fallback: "7",
    min: 1,
    max: 3_650,
    description: "days for which positions of couriers without an order are kept",
  }),
};
