import {
  list,
  origins,
  secretKey,
  serviceFields,
  storeFields,
  text,
  tokenIssuer,
  trustedProxies,
  url,
} from "shared/config/fields.ts";
import { limitFields } from "./limit_config.ts";

/** The gateway's environment. */
export const gatewayFields = {
  ...serviceFields(8080),
  ...storeFields,
  PUBLIC_URL: url(["http", "https"], {
    fallback: "http://127.0.0.1:8080",
    description: "where clients reach the gateway; tracking links begin with it",
  }),
  TRACKER_URL: url(["http", "https"], {
    fallback: "http://127.0.0.1:8082",
    description: "where clients reach the tracker",
  }),
  CITIES: list({
    fallback: "data/gothenburg",
    description: "city folders whose streets this gateway can route on, separated by commas",
  }),
  CORS_ORIGINS: origins({
    fallback: "",
    description: "origins of other sites that may call the API from a browser",
  }),
  TRUSTED_PROXIES: trustedProxies,
  TOKEN_ISSUER: tokenIssuer,
  SECRET_KEY: secretKey({
    description:
      "random text, the same for every gateway: encrypts signing keys, makes tracking secrets",
  }),
  ...limitFields,
  DEMO_PASSWORD: text({
    fallback: "none",
    secret: true,
    description:
      "password of the demo accounts, offered by the demo page when HEXMILE_DEMO is true",
  }),
};
