import { Counter, Gauge, type Registry } from "prom-client";

/** What a courier is doing, as counted. `starting` ends when it is signed in and knows its work. */
export const COURIER_PHASES = [
  "starting",
  "idle",
  "to_pickup",
  "at_pickup",
  "to_dropoff",
  "at_dropoff",
] as const;
export type CourierPhaseName = typeof COURIER_PHASES[number];

export type AgentRole = "courier" | "merchant" | "customer";

/** Creates the simulator's own series on the registry of the process. */
export function createSimulatorMetrics(registry: Registry) {
  const registers = [registry];
  const metrics = {
    fixesSent: new Counter({
      name: "simulator_fixes_sent_total",
      help: "Positions sent: accepted, stale, refused, or failed without an answer",
      labelNames: ["result"],
      registers,
    }),
    offers: new Counter({
      name: "simulator_offers_total",
      help: "Offers seen and what became of them; lost = accepted too late",
      labelNames: ["via", "decision"],
      registers,
    }),
    ordersPlaced: new Counter({
      name: "simulator_orders_placed_total",
      help: "Orders of simulated customers that were answered 201",
      registers,
    }),
    ordersNotPlaced: new Counter({
      name: "simulator_orders_not_placed_total",
      help: "Orders that came to nothing: refused, gave_up after retries, or crowded out",
      labelNames: ["reason"],
      registers,
    }),
    merchantSteps: new Counter({
      name: "simulator_merchant_steps_total",
      help: "Orders that simulated merchants confirmed, began to prepare, or readied",
      labelNames: ["step"],
      registers,
    }),
    deliveries: new Counter({
      name: "simulator_deliveries_total",
      help: "Orders that simulated couriers delivered",
      registers,
    }),
    couriers: new Gauge({
      name: "simulator_couriers",
      help: "Simulated couriers by what they are doing",
      labelNames: ["phase"],
      registers,
    }),
    channelsOpen: new Gauge({
      name: "simulator_channels_open",
      help: "Courier channels now open",
      registers,
    }),
    channelAttempts: new Counter({
      name: "simulator_channel_attempts_total",
      help: "Courier channels tried: opened or failed",
      labelNames: ["result"],
      registers,
    }),
    badFrames: new Counter({
      name: "simulator_bad_frames_total",
      help: "Channel frames that could not be read, or whose handling failed",
      registers,
    }),
    requestFailures: new Counter({
      name: "simulator_request_failures_total",
      help: "Requests that ended an agent's step: unavailable (network, 429, 5xx) or refused",
      labelNames: ["agent", "kind"],
      registers,
    }),
    agentErrors: new Counter({
      name: "simulator_agent_errors_total",
      help: "Unexpected errors of agents. Each is a bug; the agent went on",
      labelNames: ["agent"],
      registers,
    }),
    signIns: new Counter({
      name: "simulator_sign_ins_total",
      help: "Sign-ins by outcome",
      labelNames: ["agent", "result"],
      registers,
    }),
  };
  for (const phase of COURIER_PHASES) metrics.couriers.set({ phase }, 0);
  return metrics;
}

export type SimulatorMetrics = ReturnType<typeof createSimulatorMetrics>;
