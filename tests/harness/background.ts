/**
 * Loops of the product that run during a test. Leaving the scope aborts them and waits for their
 * end, so that a loop which ignores its signal fails the test instead of leaking into the next.
 */
import { withTimeout } from "shared/clock/timeout.ts";

const STOP_BOUND_MS = 10_000;

/** `await using background = new Background()`, then `background.run((signal) => loop(signal))`. */
export class Background implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #running: Promise<void>[] = [];

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts a loop; its error is thrown when the background is stopped. */
  run(loop: (signal: AbortSignal) => Promise<void>): void {
    const running = loop(this.signal);
    // Awaited in stop(); until then a rejection must not look unhandled.
    running.catch(() => {});
    this.#running.push(running);
  }

  /** Aborts, and waits for every loop. Safe to call more than once. */
  async stop(): Promise<void> {
    this.#controller.abort();
    await withTimeout("stop of the background", STOP_BOUND_MS, Promise.all(this.#running));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
