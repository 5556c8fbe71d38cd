import type { CompiledSelect, Context } from "./compile.ts";
import type { Database } from "./database.ts";
import type { LockMode } from "./ast.ts";
import { MustWait, type Row } from "./table.ts";
import type { Transaction } from "./transaction.ts";
import type { Tuple } from "./values.ts";

/** A compiled select, run inside a statement. */
export interface SelectPlan extends CompiledSelect {
  run(attempt: Attempt): unknown[][];
}

/** One try to run a statement: what it sees, and what it has to take back when it must wait. */
export class Attempt implements Context {
  readonly database: Database;
  readonly transaction: Transaction;
  readonly parameters: readonly unknown[];
  /** The number of the last commit that it sees. */
  readonly snapshot: number;
  readonly slots: Tuple[] = [];
  /** What the parts of a WITH have answered. */
  readonly parts = new Map<string, readonly Tuple[]>();
  readonly #written: Row[] = [];

  constructor(
    database: Database,
    transaction: Transaction,
    parameters: readonly unknown[],
    snapshot: number,
  ) {
    this.database = database;
    this.transaction = transaction;
    this.parameters = parameters;
    this.snapshot = snapshot;
  }

  nowMs(): number {
    return this.transaction.startedAtMs;
  }

  clockMs(): number {
    return this.database.clockMs();
  }

  select(compiled: CompiledSelect): unknown[][] {
    // Every compiled select of this database is a plan; the compiler cannot know that.
    return this.database.planOf(compiled).run(this);
  }

  visible(row: Row): Tuple | undefined {
    return row.visible(this.snapshot, this.transaction);
  }

  /**
   * Locks a row and answers its newest tuple, which may differ from what the snapshot shows
   * (manual, 13.2.1); undefined when it was deleted.
   *
   * @throws MustWait while another transaction holds the lock.
   */
  lock(row: Row, mode: LockMode): Tuple | undefined {
    const holders = row.lock(this.transaction, mode);
    if (holders.size > 0) throw new MustWait(holders);
    return row.newest(this.transaction);
  }

  /** The same, but false instead of waiting. */
  tryLock(row: Row, mode: LockMode): boolean {
    return row.lock(this.transaction, mode).size === 0;
  }

  write(row: Row, tuple: Tuple | undefined): void {
    row.write(this.transaction, tuple);
    this.#written.push(row);
  }

  insert(tuple: Tuple, table: { insert(writer: Transaction, tuple: Tuple): Row }): void {
    this.#written.push(table.insert(this.transaction, tuple));
  }

  /** Takes all writes back. Locks stay, as on the server. */
  undo(): void {
    for (const row of this.#written.reverse()) row.unwrite();
    this.#written.length = 0;
  }
}
