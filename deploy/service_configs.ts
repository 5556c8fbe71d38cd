/**
 * Every service's declaration of its environment, for what is made from all of them: .env.example,
 * the permissions in deno.json, the docs. A test compares this list with the folders.
 */
import { gatewayFields } from "../services/gateway/config.ts";
import { ingestFields } from "../services/ingest/config.ts";
import { keeperFields } from "../services/keeper/config.ts";
import { matcherFields } from "../services/matcher/config.ts";
import { simulatorFields } from "../services/simulator/config.ts";
import { trackerFields } from "../services/tracker/config.ts";
import type { ConfigFields } from "shared/config/config.ts";

/** A service and the variables it reads. */
export interface ServiceConfig {
  readonly service: string;
  readonly fields: ConfigFields;
}

/** In the order of the demo's ports. */
export const SERVICE_CONFIGS: readonly ServiceConfig[] = [
  { service: "gateway", fields: gatewayFields },
  { service: "ingest", fields: ingestFields },
  { service: "tracker", fields: trackerFields },
  { service: "matcher", fields: matcherFields },
  { service: "keeper", fields: keeperFields },
  { service: "simulator", fields: simulatorFields },
];
