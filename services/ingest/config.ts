import { list, serviceFields, storeFields } from "shared/config/fields.ts";

/** The ingest service's environment. */
export const ingestFields = {
  ...serviceFields(8081),
  ...storeFields,
  CORS_ORIGINS: list({
    fallback: "",
    description: "origins of courier apps that send positions from a browser",
  }),
};
