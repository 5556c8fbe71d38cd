/**
 * A wake-up that is never lost: `notify()` before `wait()` makes the next `wait()` return at once.
 * Loops that poll use it to react at once where something tells them, with the poll as the floor.
 */
export class Wake {
  #pending = false;
  #resolve: (() => void) | undefined;

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
          clearTimeout(timer);
          signal?.removeEventListener("abort", finish);
          this.#resolve = undefined;
          resolve();
        };
        const timer = setTimeout(finish, timeoutMs);
        signal?.addEventListener("abort", finish, { once: true });
        this.#resolve = finish;
      });
    }
    this.#pending = false;
  }
}
