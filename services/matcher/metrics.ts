import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** What the matcher counts. */
export function createMatcherMetrics(registry: Registry) {
  const registers = [registry];
  return {
    offers: new Counter({
      name: "dispatch_offers_total",
      help: "Offers by what came of them",
      labelNames: ["result"],
      registers,
    }),
    conflicts: new Counter({
      name: "dispatch_assignment_conflicts_total",
      help: "Decisions the database refused because the world had moved on",
      labelNames: ["conflict"],
      registers,
    }),
    openOrders: new Gauge({
      name: "dispatch_unassigned_orders",
      help: "Orders that wait for a courier",
      registers,
    }),
    idleCouriers: new Gauge({
      name: "dispatch_idle_couriers",
      help: "Couriers that could be asked",
      registers,
    }),
    degraded: new Gauge({
      name: "dispatch_degraded",
      help: "1 while orders and places are read from Postgres because Redis is away",
      labelNames: ["region", "shard"],
      registers,
    }),
    tickDuration: new Histogram({
      name: "match_duration_seconds",
      help: "One decision over all open orders and idle couriers, without its writes",
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
      registers,
    }),
  };
}
export type MatcherMetrics = ReturnType<typeof createMatcherMetrics>;
