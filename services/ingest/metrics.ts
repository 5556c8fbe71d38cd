import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** What ingest counts. */
export function createIngestMetrics(registry: Registry) {
  const registers = [registry];
  return {
    fixes: new Counter({
      name: "location_updates_total",
      help: "Fixes by outcome",
      labelNames: ["result"],
      registers,
    }),
    batchSize: new Histogram({
      name: "location_batch_fixes",
      help: "Fixes per script call",
      buckets: [1, 2, 5, 10, 20, 50, 100, 200],
      registers,
    }),
    queued: new Gauge({
      name: "location_queue_fixes",
      help: "Fixes waiting for their script call",
      registers,
    }),
  };
}
export type IngestMetrics = ReturnType<typeof createIngestMetrics>;
