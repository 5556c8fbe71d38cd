/** Couriers, merchants and customers of a demo city, who know nothing but the public API. */
import { loadCity } from "shared/city/load_city.ts";
import { speedOnlyInDemo } from "shared/config/fields.ts";
import { createEmbeddedRouter } from "shared/routing/embedded_router.ts";
import { runService } from "shared/service/run_service.ts";
import { startSimulator } from "./app.ts";
import { simulatorFields } from "./config.ts";

await runService({
  name: "simulator",
  fields: simulatorFields,
  rules: [speedOnlyInDemo],
  start: async ({ config, log, metrics, health, onStop }) => {
    const city = await loadCity(config.CITY);
    const router = createEmbeddedRouter(city.network, { warmUp: city.fleet.vehicles });
    const simulator = startSimulator({
      apiUrl: config.API_URL,
      ingestUrl: config.INGEST_URL,
      trackerUrl: config.TRACKER_URL,
      password: config.SIMULATED_PASSWORD,
      customersEnabled: config.CUSTOMERS_ENABLED,
      orderIntervalS: config.ORDER_INTERVAL_S,
      courierLimit: config.COURIER_LIMIT,
      speed: config.SPEED,
      seed: config.SEED,
    }, { city, router, log, registry: metrics.registry });
    health.add("api-reached", () => simulator.reachability.apiAnsweredOnce(), { required: true });
    health.add("api", () => simulator.reachability.apiAnswersNow(), { required: false });
    onStop("agents", () => simulator.stop());
    return {};
  },
});
