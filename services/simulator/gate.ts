/**
 * A bound on work done at once.
 *
 * Contract: at most `limit` pieces of work run; the others wait in the order they came, and a wait
 * ends early when the signal aborts. A piece that throws still gives its place on.
 */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  /** Runs the work when there is room; undefined when the signal aborted before that. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    if (!await this.#enter(signal)) return undefined;
    try {
      return await work();
    } finally {
      this.#free++;
      this.#waiting.shift()?.();
    }
  }

  async #enter(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    return await new Promise<boolean>((resolve) => {
      const admit = () => {
        signal.removeEventListener("abort", leave);
        this.#free--;
        resolve(true);
      };
      const leave = () => {
        const index = this.#waiting.indexOf(admit);
        if (index >= 0) this.#waiting.splice(index, 1);
        resolve(false);
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(admit);
    });
  }
}
