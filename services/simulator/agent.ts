/**
 * What every agent is made of: its surroundings, and loops that nothing ends but the stop signal.
 *
 * Contract: an error inside a step is counted and logged with the agent's id, then the loop waits a
 * little (`backoffMs`) and goes on. An API that does not answer is expected, not a bug: it is logged
 * at debug here, once for the process at warn (`reachability.ts`), and waited out without limit.
 */
import type { Log } from "shared/log/log.ts";
import { ApiError } from "./api_client.ts";
import type { ApiClient } from "./api_client.ts";
import { backoffMs } from "./backoff.ts";
import type { AgentRole, SimulatorMetrics } from "./metrics.ts";
import type { Random } from "./random.ts";
import type { WorldClock } from "./world_clock.ts";

/** What all agents of the process share. */
export interface World {
  readonly api: ApiClient;
  readonly clock: WorldClock;
  readonly metrics: SimulatorMetrics;
  readonly log: Log;
  /** Aborts once, when the process stops. */
  readonly stop: AbortSignal;
  /** The demo's factor on movement and kitchens. */
  readonly speed: number;
  readonly seed: number;
}

/** One agent's share of the world. */
export interface Surroundings extends World {
  readonly role: AgentRole;
  readonly random: Random;
}

/** Repeats `step` until the process stops. A step waits by itself; it must not return at once. */
export async function keepGoing(around: Surroundings, step: () => Promise<void>): Promise<void> {
  const { clock, stop, random } = around;
  let failures = 0;
  while (!stop.aborted) {
    try {
      await step();
      failures = 0;
    } catch (error) {
      if (stop.aborted) return;
      failures++;
      noteFailure(around, error);
      const atLeastMs = error instanceof ApiError ? error.retryAfterMs ?? 0 : 0;
      await clock.pause(Math.max(atLeastMs, backoffMs(failures, random)), stop);
    }
  }
}

/** Repeats `attempt` with back-off until it succeeds; false when the process stopped before. */
export async function tryUntilDone(
  around: Surroundings,
  attempt: () => Promise<void>,
): Promise<boolean> {
  const done = new AbortController();
  const stop = AbortSignal.any([around.stop, done.signal]);
  await keepGoing({ ...around, stop }, async () => {
    await attempt();
    done.abort();
  });
  return done.signal.aborted;
}

/** Counts and logs why a step did not come to its end. */
export function noteFailure(around: Surroundings, error: unknown): void {
  const { metrics, log, role: agent, stop } = around;
  if (stop.aborted) return;
  if (error instanceof ApiError && error.transient) {
    metrics.requestFailures.inc({ agent, kind: "unavailable" });
    log.debug("no answer", { call: error.message, status: error.status });
  } else if (error instanceof ApiError && error.code !== "client.unreadable") {
    metrics.requestFailures.inc({ agent, kind: "refused" });
    log.warn("refused", { call: error.message, status: error.status });
  } else {
    metrics.agentErrors.inc({ agent });
    log.error("agent step failed", { error });
  }
}
