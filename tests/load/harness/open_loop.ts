/**
 * An open loop: requests come when they come, whether or not earlier ones were answered. Latency
 * counts from the moment a request was meant to be sent, so that a server that stands still is
 * blamed for all who waited meanwhile (Tene, "How NOT to Measure Latency").
 */
import { pause } from "shared/clock/timeout.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";

export interface LoopPlan {
  readonly ratePerS: number;
  readonly seconds: number;
  /** Of these, the first are not counted. */
  readonly warmUpS: number;
  readonly seed: number;
  /** Requests under way or waiting; one that comes on top is shed and counted as such. */
  readonly maxOutstanding: number;
}

export interface LoopOutcome {
  readonly sent: number;
  readonly shed: number;
  /** Answered inside the counted time, per second. */
  readonly completedPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** How late the generator itself was, p99. */
  readonly lagP99Ms: number;
}

/** Runs `send` at Poisson-distributed moments; it answers when its request is done. */
export async function runOpenLoop(
  plan: LoopPlan,
  send: (n: number) => Promise<void>,
  onWarm: () => void,
): Promise<LoopOutcome> {
  const random = createSeededRandom(plan.seed);
  const startMs = performance.now();
  const countFromMs = startMs + plan.warmUpS * 1_000;
  const endMs = startMs + plan.seconds * 1_000;
  const latenciesMs: number[] = [];
  const lagsMs: number[] = [];
  const underWay = new Set<Promise<void>>();
  const totals = { sent: 0, shed: 0, completed: 0 };
  let isWarm = false;
  let dueMs = startMs;
  while (dueMs < endMs) {
    const waitMs = dueMs - performance.now();
    if (waitMs > 0.5) await pause(waitMs);
    const nowMs = performance.now();
    if (!isWarm && nowMs >= countFromMs) {
      isWarm = true;
      onWarm();
    }
    // All that is due by now: timers are no finer than a millisecond.
    for (; dueMs <= nowMs && dueMs < endMs; dueMs += gapMs(plan.ratePerS, random)) {
      if (underWay.size >= plan.maxOutstanding) {
        totals.shed++;
        continue;
      }
      const meantMs = dueMs;
      if (meantMs >= countFromMs) lagsMs.push(nowMs - meantMs);
      const request = send(totals.sent++).then(() => {
        underWay.delete(request);
        const doneMs = performance.now();
        if (doneMs >= countFromMs && doneMs < endMs) totals.completed++;
        if (meantMs >= countFromMs) latenciesMs.push(doneMs - meantMs);
      });
      underWay.add(request);
    }
  }
  await Promise.all(underWay);
  return {
    sent: totals.sent,
    shed: totals.shed,
    completedPerS: totals.completed / (plan.seconds - plan.warmUpS),
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    maxMs: quantile(latenciesMs, 1),
    lagP99Ms: quantile(lagsMs, 0.99),
  };
}

function gapMs(ratePerS: number, random: () => number): number {
  return -Math.log(1 - random()) * 1_000 / ratePerS;
}

/** The smallest value that at least this share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}
