import { Counter, Gauge, type Registry } from "prom-client";

/** What keeper counts. */
export function createKeeperMetrics(registry: Registry) {
  const registers = [registry];
  return {
    published: new Counter({
      name: "outbox_published_total",
      help: "Events moved from the outbox to a stream",
      registers,
    }),
    oldestUnpublished: new Gauge({
      name: "outbox_oldest_seconds",
      help: "Age of the oldest event that is not on its stream yet",
      registers,
    }),
    timersFired: new Counter({
      name: "timers_fired_total",
      help: "Timers fired",
      labelNames: ["kind"],
      registers,
    }),
    timersFailed: new Counter({
      name: "timers_failed_total",
      help: "Timers whose handler failed; each is tried again",
      labelNames: ["kind"],
      registers,
    }),
    silentCouriers: new Counter({
      name: "couriers_silent_total",
      help: "Couriers taken offline because nothing was heard of them",
      registers,
    }),
    trimmed: new Counter({
      name: "stream_trimmed_total",
      help: "Entries removed from streams after every group had handled them",
      registers,
    }),
    rebuilds: new Counter({
      name: "redis_rebuilds_total",
      help: "Rebuilds of Redis from Postgres after a loss",
      registers,
    }),
    historyFixes: new Counter({
      name: "history_fixes_total",
      help: "Fixes that reached the position history",
      registers,
    }),
    historyRows: new Counter({
      name: "history_rows_total",
      help: "Rows that those fixes became",
      registers,
    }),
    historyLag: new Gauge({
      name: "history_lag_seconds",
      help: "How long the oldest entry of the last batch had waited when it was written",
      registers,
    }),
    positionDays: new Counter({
      name: "position_partitions_dropped_total",
      help: "Days of the position history that were dropped after their time",
      labelNames: ["class"],
      registers,
    }),
    swept: new Counter({
      name: "rows_swept_total",
      help: "Rows removed after their time",
      labelNames: ["table"],
      registers,
    }),
  };
}
export type KeeperMetrics = ReturnType<typeof createKeeperMetrics>;
