import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/**
 * A wake-up that is never lost: `notify()` before `wait()` makes the next `wait()` return at once.
 * Loops that poll use it to react at once where something tells them, with the poll as the floor.
 */
export class Wake {
  readonly #clock: Clock;
  #pending = false;
  #resolve: (() => void) | undefined;

  constructor(clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock;
  }

  /** Ends the current or the next wait. */
  notify(): void {
    this.#pending = true;
    this.#resolve?.();
  }

  /** Waits for a notification, at most `timeoutMs`, or until the signal aborts. */
  async wait(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (!this.#pending && signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        const finish = () => {
          cancel();
          signal?.removeEventListener("abort", finish);
          this.#resolve = undefined;
          resolve();
        };
        const cancel = this.#clock.startTimer(timeoutMs, finish);
        signal?.addEventListener("abort", finish, { once: true });
        this.#resolve = finish;
      });
    }
    this.#pending = false;
  }
}
