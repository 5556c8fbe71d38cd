import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { FixCode } from "shared/availability/fix.ts";
import { Tally } from "shared/metrics/tally.ts";

/** What came of a frame; `socket_error` is of no frame. */
type FrameKind = "fix" | "batch" | "heartbeat" | "bad" | "too_large" | "socket_error";

/** What ingest counts. */
export function createIngestMetrics(registry: Registry) {
  const registers = [registry];
  const queues = new Set<() => number>();
  const fixTally = new Tally<FixCode>();
  const heartbeatTally = new Tally<FixCode>();
  const frameTally = new Tally<FrameKind>();
  return {
    /** What happens at each fix is counted here, and moves to its counter when that is read. */
    fixTally,
    heartbeatTally,
    frameTally,
    /** What each queue has waiting; asked when metrics are read, not at each fix. */
    queues,
    fixes: new Counter({
      name: "location_updates_total",
      help: "Fixes by what became of them",
      labelNames: ["result"],
      registers,
      collect() {
        fixTally.moveTo(this, (result) => ({ result }));
      },
    }),
    parcelFixes: new Counter({
      name: "parcel_positions_total",
      help: "Fixes of devices that travel with an order, by what became of them",
      labelNames: ["result"],
      registers,
    }),
    clamped: new Counter({
      name: "location_clamped_total",
      help: "Fixes whose time was in the future and counted as now",
      registers,
    }),
    heartbeats: new Counter({
      name: "location_heartbeats_total",
      help: "Heartbeats by what became of them",
      labelNames: ["result"],
      registers,
      collect() {
        heartbeatTally.moveTo(this, (result) => ({ result }));
      },
    }),
    batchSize: new Histogram({
      name: "location_batch_fixes",
      help: "Fixes per script call",
      buckets: [1, 2, 5, 10, 20, 50, 100, 200],
      registers,
    }),
    commitDuration: new Histogram({
      name: "location_commit_duration_seconds",
      help: "Time of a script call, as seen by ingest",
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2],
      registers,
    }),
    queued: new Gauge({
      name: "location_queue_fixes",
      help: "Fixes waiting for their script call",
      registers,
      collect() {
        let waiting = 0;
        for (const queue of queues) waiting += queue();
        this.set(waiting);
      },
    }),
    degraded: new Gauge({
      name: "location_degraded",
      help: "1 while fixes go to Postgres because Redis is away",
      registers,
    }),
    replayed: new Counter({
      name: "location_replayed_total",
      help: "Fixes brought to Redis after it came back, by what became of them",
      labelNames: ["result"],
      registers,
    }),
    sockets: new Gauge({
      name: "location_sockets",
      help: "WebSockets of couriers that are open",
      registers,
    }),
    socketsClosing: new Gauge({
      name: "location_sockets_closing",
      help: "WebSockets that ingest closed whose phone has not answered that yet",
      registers,
    }),
    frames: new Counter({
      name: "location_frames_total",
      help: "Frames of couriers' WebSockets by kind; bad ones by their fault",
      labelNames: ["kind"],
      registers,
      collect() {
        frameTally.moveTo(this, (kind) => ({ kind }));
      },
    }),
    socketsClosed: new Counter({
      name: "location_sockets_closed_total",
      help: "WebSockets that ingest closed, by reason",
      labelNames: ["reason"],
      registers,
    }),
  };
}
export type IngestMetrics = ReturnType<typeof createIngestMetrics>;
