import type { Row } from "./table.ts";

/** A transaction on the double. `open` until it has ended one way or the other. */
export class Transaction {
  readonly number: number;
  /** Begin: what `now()` answers. */
  readonly startedAtMs: number;
  readonly locked = new Set<Row>();
  readonly written = new Set<Row>();
  state: "open" | "failed" | "committed" | "rolled_back" = "open";
  /** Those whose end its present statement waits for. */
  waitsFor: ReadonlySet<Transaction> = new Set();

  constructor(number: number, startedAtMs: number) {
    this.number = number;
    this.startedAtMs = startedAtMs;
  }

  get isOver(): boolean {
    return this.state === "committed" || this.state === "rolled_back";
  }

  /** Whether it waits, through others, for the other one. */
  depends(other: Transaction, seen = new Set<Transaction>()): boolean {
    for (const holder of this.waitsFor) {
      if (holder === other) return true;
      if (seen.has(holder)) continue;
      seen.add(holder);
      if (holder.depends(other, seen)) return true;
    }
    return false;
  }
}
