import type { Counter } from "prom-client";

/**
 * Counts by one label for what happens ten thousand times a second: plain numbers, which the
 * counter takes over when metrics are read (call `moveTo` in its `collect`). The counter itself
 * would look at the names of the labels and make a key of them each time.
 */
export class Tally<Value extends string> {
  readonly #cells = new Map<Value, { count: number }>();

  /** Counts; the values must be bounded, as all labels must. */
  add(value: Value, count = 1): void {
    const cell = this.#cells.get(value);
    if (cell === undefined) this.#cells.set(value, { count });
    else cell.count += count;
  }

  /** Gives the counter what was counted since the last time. */
  moveTo<Label extends string>(
    counter: Counter<Label>,
    labelsOf: (value: Value) => Record<Label, string>,
  ): void {
    for (const [value, cell] of this.#cells) {
      if (cell.count > 0) counter.inc(labelsOf(value), cell.count);
      cell.count = 0;
    }
  }
}
