/** The environment of each service of a chaos world. */
import type { ServiceName } from "./world.ts";

const HOST = "127.0.0.1";
export const CITY_FOLDER = "data/gridtown";
export const PASSWORD = "chaos-password-1";
export const SECRET_KEY = "of-the-chaos-tests-and-nothing-else";
/** Kitchens and couriers this much faster; offers, heartbeats and leases keep real time. */
const SPEED = 100;

/** Where a process finds what it needs. */
export interface Surroundings {
  readonly process: string;
  readonly port: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Where clients find the gateway. */
  readonly apiUrl: string;
  /** Where other processes, and clients but for the gateway, find a service. */
  urlOf(service: ServiceName): string;
  readonly seed: number;
}

/** What the process is started with. */
export function processEnv(service: ServiceName, around: Surroundings): Record<string, string> {
  const common = {
    HOST,
    PORT: around.port,
    LOG_FORMAT: "json",
    LOG_LEVEL: "info",
    HEXMILE_DEMO: "true",
    SPEED: String(SPEED),
    INSTANCE_ID: around.process,
  };
  if (service === "simulator") {
    return {
      ...common,
      API_URL: around.urlOf("gateway"),
      INGEST_URL: around.urlOf("ingest"),
      TRACKER_URL: around.urlOf("tracker"),
      CITY: CITY_FOLDER,
      SIMULATED_PASSWORD: PASSWORD,
      CUSTOMERS_ENABLED: "false",
      SEED: String(around.seed),
    };
  }
  const stores = { DATABASE_URL: around.databaseUrl, REDIS_URL: around.redisUrl };
  if (service !== "gateway") return { ...common, ...stores };
  return {
    ...common,
    ...stores,
    PUBLIC_URL: around.apiUrl,
    TRACKER_URL: around.urlOf("tracker"),
    CITIES: CITY_FOLDER,
    SECRET_KEY,
  };
}
