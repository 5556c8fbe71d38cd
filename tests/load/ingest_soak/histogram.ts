/** Delays in whole milliseconds, counted: a list of millions would be the generator's own load. */

/** Longer ones count as this long. */
const MAX_MS = 120_000;

export class Histogram {
  readonly #counts = new Uint32Array(MAX_MS + 1);
  #total = 0;
  #maxMs = 0;

  add(ms: number): void {
    const whole = Math.min(MAX_MS, Math.max(0, Math.round(ms)));
    this.#counts[whole] = (this.#counts[whole] ?? 0) + 1;
    this.#total++;
    if (whole > this.#maxMs) this.#maxMs = whole;
  }

  get total(): number {
    return this.#total;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** The smallest value that at least this share of the values does not exceed; NaN without any. */
  quantile(share: number): number {
    const wanted = Math.ceil(this.#total * share);
    let seen = 0;
    for (let ms = 0; ms <= this.#maxMs; ms++) {
      seen += this.#counts[ms] ?? 0;
      if (seen >= wanted && seen > 0) return ms;
    }
    return NaN;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
    this.#maxMs = 0;
  }
}
