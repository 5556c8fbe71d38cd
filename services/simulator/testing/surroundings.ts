import { Registry } from "prom-client";
import { silentLog } from "shared/log/log.ts";
import type { Surroundings } from "../agent.ts";
import { ApiClient } from "../api_client.ts";
import { type AgentRole, createSimulatorMetrics } from "../metrics.ts";
import { createRandom } from "../random.ts";
import { createWorldClock, type WorldClock } from "../world_clock.ts";

/** The surroundings of one agent whose three services are at `url`; `end` stops its world. */
export function surroundingsAt(
  url: string,
  { role = "courier", clock = createWorldClock() }: { role?: AgentRole; clock?: WorldClock } = {},
): { around: Surroundings; registry: Registry; end: () => void } {
  const stopping = new AbortController();
  const registry = new Registry();
  const around: Surroundings = {
    api: new ApiClient({ apiUrl: url, ingestUrl: url, trackerUrl: url, stop: stopping.signal }),
    clock,
    metrics: createSimulatorMetrics(registry),
    log: silentLog,
    stop: stopping.signal,
    speed: 1,
    seed: 1,
    role,
    random: createRandom(1, role),
  };
  return { around, registry, end: () => stopping.abort() };
}
