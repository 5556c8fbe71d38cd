import { pause } from "shared/clock/timeout.ts";
import type { Wake } from "shared/clock/wake.ts";

/** Time as agents see it. Everything an agent waits for goes through it, so a test can hurry it. */
export interface WorldClock {
  /** Unix milliseconds. */
  nowMs(): number;
  /** Waits, or until the signal aborts; resolves in both cases. */
  pause(durationMs: number, signal?: AbortSignal): Promise<void>;
  /** Waits until woken, at most `timeoutMs`, or until the signal aborts. */
  wait(wake: Wake, timeoutMs: number, signal?: AbortSignal): Promise<void>;
}

/** Longer waits would overflow the 31 bits of a timer and fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A clock that starts at the present and runs `factor` times as fast as the real one. */
export function createWorldClock(factor = 1): WorldClock {
  const originMs = Date.now();
  const realMs = (durationMs: number) =>
    Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(durationMs / factor)));
  return {
    nowMs: () => originMs + (Date.now() - originMs) * factor,
    pause: (durationMs, signal) => pause(realMs(durationMs), signal),
    wait: (wake, timeoutMs, signal) => wake.wait(realMs(timeoutMs), signal),
  };
}
