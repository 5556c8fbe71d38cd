import { Counter, Gauge, type Registry } from "prom-client";

/** What the tracker counts. */
export function createTrackerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    connections: new Gauge({
      name: "ws_connections",
      help: "Open live connections",
      labelNames: ["kind"],
      registers,
    }),
    resumes: new Counter({
      name: "ws_resume_total",
      help: "Connections by how they began",
      labelNames: ["result"],
      registers,
    }),
    frames: new Counter({
      name: "track_frames_total",
      help: "Frames appended to tracks",
      labelNames: ["kind"],
      registers,
    }),
    slowClosed: new Counter({
      name: "ws_dropped_total",
      help: "Connections closed because they did not read",
      registers,
    }),
  };
}
export type TrackerMetrics = ReturnType<typeof createTrackerMetrics>;
