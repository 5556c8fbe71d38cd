import { FIX_BURST, FIX_INTERVAL_MS } from "shared/availability/cleaning.ts";

/** Couriers remembered; beyond it all begin anew, which lets each send one burst more. */
const MAX_REMEMBERED = 100_000;

/** The limit of fixes while Redis is away: the same rule, in this process's memory. */
export class LocalLimiter {
  readonly #now: () => number;
  /** Theoretical arrival time of each courier's next fix (GCRA). */
  readonly #nextAtMs = new Map<string, number>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes one fix; 0, or how long to wait for the next one. */
  take(courierId: string): number {
    const nowMs = this.#now();
    const nextAtMs = Math.max(this.#nextAtMs.get(courierId) ?? nowMs, nowMs) + FIX_INTERVAL_MS;
    const waitMs = nextAtMs - nowMs - FIX_BURST * FIX_INTERVAL_MS;
    if (waitMs > 0) return waitMs;
    if (this.#nextAtMs.size >= MAX_REMEMBERED) this.#nextAtMs.clear();
    this.#nextAtMs.set(courierId, nextAtMs);
    return 0;
  }
}
