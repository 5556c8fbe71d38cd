import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** Seconds; from a cache hit to a slow dependency. */
const DURATION_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** The metrics every service has. Services add their own to `registry` in their `metrics.ts`. */
export interface Metrics {
  readonly registry: Registry;
  /** Run before counts of requests are read: for what counts by itself (see `Tally`). */
  readonly beforeRead: Set<() => void>;
  /** Finished HTTP requests, by route template (never by path: labels are bounded). */
  readonly httpRequests: Counter<"method" | "route" | "status">;
  readonly httpDuration: Histogram<"method" | "route">;
  /** Refusals of who asks, by problem code and by the form of the credential (both bounded). */
  readonly authFailures: Counter<"code" | "credential">;
  /** Errors nobody awaited. Each is a bug; the process goes on. */
  readonly unhandledErrors: Counter;
}

/** Creates the registry of a process, with `service` on every series. */
export function createMetrics(service: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  measureMemory(registry);
  const beforeRead = new Set<() => void>();
  return {
    registry,
    beforeRead,
    httpRequests: new Counter({
      name: "http_requests_total",
      help: "Finished HTTP requests",
      labelNames: ["method", "route", "status"],
      registers: [registry],
      collect() {
        for (const move of beforeRead) move();
      },
    }),
    httpDuration: new Histogram({
      name: "http_request_duration_seconds",
      help: "Time from request to response headers",
      labelNames: ["method", "route"],
      buckets: DURATION_BUCKETS_S,
      registers: [registry],
    }),
    authFailures: new Counter({
      name: "auth_failures_total",
      help: "Requests refused for who asks, by problem code and kind of credential",
      labelNames: ["code", "credential"],
      registers: [registry],
    }),
    unhandledErrors: new Counter({
      name: "unhandled_errors_total",
      help: "Errors and rejections nobody handled",
      registers: [registry],
    }),
  };
}

/** The library reads /proc, which services may not; Deno answers without a permission. */
function measureMemory(registry: Registry): void {
  const name = "process_resident_memory_bytes";
  registry.removeSingleMetric(name);
  registry.registerMetric(
    new Gauge({
      name,
      help: "Resident memory size in bytes",
      registers: [],
      collect() {
        this.set(Deno.memoryUsage().rss);
      },
    }),
  );
}
