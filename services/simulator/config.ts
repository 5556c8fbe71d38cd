import type { ConfigFields } from "shared/config/config.ts";
import { decimal, flag, integer, serviceFields, text, url } from "shared/config/fields.ts";

const HTTP = ["http", "https"];

/** Everything the simulator reads from its environment. */
export const simulatorFields = {
  ...serviceFields(8085),
  API_URL: url(HTTP, { fallback: "http://127.0.0.1:8080", description: "gateway, without a path" }),
  INGEST_URL: url(HTTP, {
    fallback: "http://127.0.0.1:8081",
    description: "where couriers send their positions, without a path",
  }),
  TRACKER_URL: url(HTTP, {
    fallback: "http://127.0.0.1:8082",
    description: "where couriers open their channel, without a path",
  }),
  CITY: text({ fallback: "data/gothenburg", description: "folder of the city to live in" }),
  SIMULATED_PASSWORD: text({
    secret: true,
    description: "password of all seeded demo accounts",
  }),
  CUSTOMERS_ENABLED: flag({
    fallback: "true",
    description: "false leaves ordering to people; couriers and merchants still work",
  }),
  ORDER_INTERVAL_S: decimal({
    fallback: "20",
    min: 0.1,
    max: 86_400,
    description: "mean seconds between two orders, over all simulated customers",
  }),
  SEED: integer({
    fallback: "1",
    min: 0,
    max: 4_294_967_295,
    description: "start of every agent's random numbers",
  }),
  COURIER_LIMIT: integer({
    fallback: "1000",
    min: 0,
    max: 1000,
    description: "at most this many of the city's couriers are simulated",
  }),
} satisfies ConfigFields;
