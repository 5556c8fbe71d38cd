import { SharedPatience } from "shared/clock/patience.ts";

export interface PatienceOptions {
  /** Longest wait for one answer. */
  readonly timeoutMs: number;
  /** On a monotonic clock, in ms. */
  readonly now?: (() => number) | undefined;
}

/** How long Redis is left alone after it did not answer. */
const RETRY_AFTER_MS = 500;

/**
 * Asks Redis for what can be done without: an outage costs one short wait and not one for each
 * request, because after a failure it is left alone for a moment.
 */
export class Patience {
  readonly #waits: SharedPatience;
  readonly #now: () => number;
  #retryAtMs = -Infinity;

  constructor({ timeoutMs, now }: PatienceOptions) {
    this.#waits = new SharedPatience("Redis", timeoutMs);
    this.#now = now ?? (() => performance.now());
  }

  /** The answer; undefined where there is none in time, or was none a moment ago. Never throws. */
  async ask<T>(command: () => Promise<T>): Promise<T | undefined> {
    if (this.#now() < this.#retryAtMs) return undefined;
    const asked = command();
    try {
      return await this.#waits.wait(asked);
    } catch {
      // An answer that fails after its time has nobody who waits for it.
      asked.catch(() => {});
      this.#retryAtMs = this.#now() + RETRY_AFTER_MS;
      return undefined;
    }
  }
}
