import { Counter, Histogram, type Registry } from "prom-client";

/** What the gateway counts. */
export function createGatewayMetrics(registry: Registry) {
  const registers = [registry];
  return {
    limits: new Counter({
      name: "limit_verdicts_total",
      help: "Verdicts of limits; local ones were made while Redis did not answer",
      labelNames: ["limit", "verdict", "source"],
      registers,
    }),
    cacheReads: new Counter({
      name: "cache_reads_total",
      help: "Reads through the cache by what came of them",
      labelNames: ["cache", "result"],
      registers,
    }),
    placementGroups: new Histogram({
      name: "placement_group_size",
      help: "Placements of orders that were written in one transaction",
      buckets: [1, 2, 4, 8, 16, 32, 64],
      registers,
    }),
    nearestAnswers: new Counter({
      name: "nearest_answers_total",
      help: "Searches for couriers near a place by who answered",
      labelNames: ["source"],
      registers,
    }),
  };
}
export type GatewayMetrics = ReturnType<typeof createGatewayMetrics>;
