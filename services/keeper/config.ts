import { serviceFields, storeFields, text } from "shared/config/fields.ts";

/** Keeper's environment. */
export const keeperFields = {
  ...serviceFields(8084),
  ...storeFields,
  DATABASE_DIRECT_URL: text({
    fallback: "-",
    secret: true,
    description: "Postgres past a transaction pooler, for LISTEN; - means DATABASE_URL",
  }),
};
