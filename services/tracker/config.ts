import { list, serviceFields, storeFields } from "shared/config/fields.ts";

/** The tracker's environment. */
export const trackerFields = {
  ...serviceFields(8082),
  ...storeFields,
  CORS_ORIGINS: list({
    fallback: "http://127.0.0.1:8080",
    description: "origins whose pages may open tracks and channels from a browser",
  }),
};
