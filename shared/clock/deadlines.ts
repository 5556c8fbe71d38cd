/**
 * A bound for waits that may all be equally long: one timer for all of them, because a timer of its
 * own for each statement took a tenth of what a process does that only talks to Postgres.
 *
 * Contract: waits end in the order in which they began, so only the oldest is watched. Without waits
 * there is no timer.
 */
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

interface Wait {
  readonly endsAtMs: number;
  onLate(): void;
}

export class Deadlines {
  readonly #waitMs: number;
  readonly #lateError: () => Error;
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #waits = new Set<Wait>();
  #cancel: (() => void) | undefined;

  /** @param lateError what a wait that took too long ends with. */
  constructor(waitMs: number, lateError: () => Error, clock: Clock = SYSTEM_CLOCK) {
    this.#waitMs = waitMs;
    this.#lateError = lateError;
    this.#clock = clock;
  }

  /** Resolves as the work does, or rejects when it takes too long; the work itself goes on. */
  bound<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait: Wait = {
        endsAtMs: this.#clock.nowMs() + this.#waitMs,
        onLate: () => reject(this.#lateError()),
      };
      this.#waits.add(wait);
      this.#cancel ??= this.#watch(this.#waitMs);
      work.then(
        (result) => {
          this.#end(wait);
          resolve(result);
        },
        (error: unknown) => {
          this.#end(wait);
          reject(error);
        },
      );
    });
  }

  #end(wait: Wait): void {
    this.#waits.delete(wait);
    if (this.#waits.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #watch(delayMs: number): () => void {
    return this.#clock.startTimer(delayMs, () => {
      this.#cancel = undefined;
      for (const wait of this.#waits) {
        const leftMs = wait.endsAtMs - this.#clock.nowMs();
        if (leftMs > 0) {
          this.#cancel = this.#watch(leftMs);
          return;
        }
        this.#waits.delete(wait);
        wait.onLate();
      }
    });
  }
}
