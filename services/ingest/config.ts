import {
  origins,
  serviceFields,
  storeFields,
  tokenIssuer,
  trustedProxies,
} from "shared/config/fields.ts";

/** The ingest service's environment. */
export const ingestFields = {
  ...serviceFields(8081),
  ...storeFields,
  CORS_ORIGINS: origins({
    fallback: "",
    description: "origins of courier apps that send positions from a browser",
  }),
  TRUSTED_PROXIES: trustedProxies,
  TOKEN_ISSUER: tokenIssuer,
};
