import {
  origins,
  serviceFields,
  storeFields,
  tokenIssuer,
  trustedProxies,
} from "shared/config/fields.ts";

/** The tracker's environment. */
export const trackerFields = {
  ...serviceFields(8082),
  ...storeFields,
  CORS_ORIGINS: origins({
    fallback: "http://127.0.0.1:8080",
    description: "origins whose pages may open tracks and channels from a browser",
  }),
  TRUSTED_PROXIES: trustedProxies,
  TOKEN_ISSUER: tokenIssuer,
};
