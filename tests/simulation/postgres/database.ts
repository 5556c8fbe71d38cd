/**
 * A Postgres for simulations: tables with row versions, row locks, transactions at READ COMMITTED.
 *
 * Contract (the suite in ../contract runs on this and on the real server)
 * - A statement sees what was committed when it began; a write meets what is committed now.
 * - Who needs a lock that another transaction holds waits until that one ends, and then looks at
 *   the row again. A circle of waits fails the statement that closes it (40P01).
 * - Identity columns do not wait for commits and leave gaps.
 * - Nothing here takes time or waits by itself: the caller runs a statement anew when those it
 *   waits for have ended. That is what makes every interleaving a choice of the scheduler.
 */
import type { CompiledQuery, QueryResult } from "shared/sql/template.ts";
import type { SqlStatement, With } from "./ast.ts";
import { Attempt, type SelectPlan } from "./attempt.ts";
import { type CompiledSelect, Scope } from "./compile.ts";
import { parseStatement } from "./parse_statement.ts";
import { type OutputColumn, planSelect } from "./plan_select.ts";
import { planChange, planInsert, type WritePlan } from "./plan_write.ts";
import type { Schema } from "./schema.ts";
import { serverFault } from "./sql_error.ts";
import { MustWait, Table } from "./table.ts";
import { Transaction } from "./transaction.ts";
import { toDriver, type Tuple } from "./values.ts";

/** One row that a commit changed. */
export interface Change {
  readonly table: string;
  readonly before: Tuple | undefined;
  readonly after: Tuple | undefined;
}

/** A statement under way; it keeps its snapshot while it waits. */
export interface Pending {
  readonly query: CompiledQuery;
  readonly transaction: Transaction;
  snapshot?: number;
}

export type StepResult =
  | { readonly isDone: true; readonly result: QueryResult }
  | { readonly isDone: false };

const MICROSECOND_MS = 0.001;

/** Compiled statements by text; they depend on the schema alone. */
const plans = new WeakMap<Schema, Map<string, WritePlan>>();

export class Database {
  readonly #schema: Schema;
  readonly #now: () => number;
  readonly #tables = new Map<string, Table>();
  readonly #pending = new Set<Pending>();
  readonly #open = new Set<Transaction>();
  readonly #onCommit: ((changes: readonly Change[]) => void)[] = [];
  #commits = 0;
  #transactions = 0;
  #lastMs = 0;
  /** Deadlocks so far; the product's lock order promises that there are none. */
  deadlocks = 0;

  /** @param now the clock of the server, milliseconds since 1970 */
  constructor(schema: Schema, now: () => number) {
    this.#schema = schema;
    this.#now = now;
    for (const table of schema.tables.values()) this.#tables.set(table.name, new Table(table));
    for (const text of schema.inserts) {
      const transaction = this.begin();
      this.step({ query: { text, values: [], name: undefined }, transaction });
      this.commit(transaction);
    }
  }

  /** Calls back after each commit that changed something, before anybody else acts. */
  onCommit(listen: (changes: readonly Change[]) => void): void {
    this.#onCommit.push(listen);
  }

  /** `clock_timestamp()`: never the same twice. */
  clockMs(): number {
    this.#lastMs = Math.max(this.#now(), this.#lastMs + MICROSECOND_MS);
    return this.#lastMs;
  }

  table(name: string): Table {
    const table = this.#tables.get(name);
    if (table === undefined) throw new Error(`the simulated Postgres has no table ${name}`);
    return table;
  }

  /** What is committed now. */
  committed(name: string): Tuple[] {
    const tuples: Tuple[] = [];
    for (const row of this.table(name).rows()) {
      const tuple = row.newest();
      if (tuple !== undefined) tuples.push(tuple);
    }
    return tuples;
  }

  planOf(compiled: CompiledSelect): SelectPlan {
    if (isPlan(compiled)) return compiled;
    throw new TypeError("a select that was not planned");
  }

  begin(): Transaction {
    const transaction = new Transaction(++this.#transactions, this.clockMs());
    this.#open.add(transaction);
    return transaction;
  }

  /** Transactions that have not ended. */
  open(): ReadonlySet<Transaction> {
    return this.#open;
  }

  /**
   * Runs a statement, or as much of it as can be run: not done means that it waits for
   * `transaction.waitsFor` and is to be stepped again when one of those has ended.
   *
   * @throws DatabaseError as the server would answer; the transaction has failed then.
   */
  step(pending: Pending): StepResult {
    const { transaction, query } = pending;
    transaction.waitsFor = new Set();
    if (transaction.state === "failed") {
      throw serverFault("25P02", "current transaction is aborted");
    }
    pending.snapshot ??= this.#commits;
    const attempt = new Attempt(this, transaction, query.values, pending.snapshot);
    try {
      const plan = this.#plan(query.text);
      const { rows, count } = plan.run(attempt);
      this.#pending.delete(pending);
      return { isDone: true, result: { rows: toObjects(rows, plan.columns), count } };
    } catch (error) {
      attempt.undo();
      if (error instanceof MustWait && this.#waits(transaction, error.holders)) {
        this.#pending.add(pending);
        return { isDone: false };
      }
      this.#pending.delete(pending);
      transaction.state = "failed";
      throw error instanceof MustWait ? serverFault("40P01", "deadlock detected") : error;
    }
  }

  /** False when waiting would close a circle. */
  #waits(transaction: Transaction, holders: ReadonlySet<Transaction>): boolean {
    transaction.waitsFor = holders;
    for (const holder of holders) {
      if (holder === transaction || holder.depends(transaction)) {
        transaction.waitsFor = new Set();
        this.deadlocks++;
        return false;
      }
    }
    return true;
  }

  /** Commits; false when a statement had failed in it and it was rolled back instead. */
  commit(transaction: Transaction): boolean {
    if (transaction.state !== "open") {
      this.rollBack(transaction);
      return false;
    }
    const changes: Change[] = [];
    for (const row of transaction.written) {
      const before = row.newest();
      const after = row.newest(transaction);
      if (before !== after) changes.push({ table: row.table.schema.name, before, after });
    }
    const commit = ++this.#commits;
    for (const row of transaction.written) row.commit(transaction, commit);
    transaction.state = "committed";
    this.#end(transaction);
    const oldest = Math.min(commit, ...[...this.#pending].map(({ snapshot = commit }) => snapshot));
    for (const row of transaction.written) row.vacuum(oldest);
    if (changes.length > 0) this.#onCommit.forEach((listen) => listen(changes));
    return true;
  }

  rollBack(transaction: Transaction): void {
    if (transaction.isOver) return;
    for (const row of transaction.written) row.rollBack(transaction);
    transaction.state = "rolled_back";
    this.#end(transaction);
  }

  #end(transaction: Transaction): void {
    for (const row of transaction.locked) row.unlock(transaction);
    transaction.waitsFor = new Set();
    this.#open.delete(transaction);
    for (const pending of this.#pending) {
      if (pending.transaction === transaction) this.#pending.delete(pending);
    }
  }

  #plan(text: string): WritePlan {
    const known = plans.get(this.#schema) ?? new Map<string, WritePlan>();
    plans.set(this.#schema, known);
    let plan = known.get(text);
    if (plan === undefined) {
      plan = planStatement(text, this.#schema);
      known.set(text, plan);
    }
    return plan;
  }
}

function planStatement(text: string, schema: Schema): WritePlan {
  const scope: Scope = new Scope(text, (select, inner) => planSelect(select, inner, schema));
  return planParsed(parseStatement(text), scope, schema);
}

/** All parts of a WITH see the same snapshot, and those that write always run (manual, 7.8.4). */
function planWith({ parts, main }: With, scope: Scope, schema: Schema): WritePlan {
  const planned = parts.map(({ name, statement }) => {
    const plan = planParsed(statement, scope, schema);
    scope.parts.set(name, new Map(plan.columns.map((column) => [column.name, column.type])));
    return { name, plan };
  });
  const last = planParsed(main, scope, schema);
  return {
    columns: last.columns,
    run: (attempt) => {
      for (const { name, plan } of planned) {
        const tuples = plan.run(attempt).rows.map((cells) =>
          Object.fromEntries(plan.columns.map((column, at) => [column.name, cells[at]]))
        );
        attempt.parts.set(name, tuples);
      }
      return last.run(attempt);
    },
  };
}

function planParsed(statement: SqlStatement, scope: Scope, schema: Schema): WritePlan {
  switch (statement.kind) {
    case "with":
      return planWith(statement, scope, schema);
    case "select": {
      const { columns, run } = planSelect(statement, scope, schema);
      return {
        columns,
        run: (attempt) => {
          const rows = run(attempt);
          return { rows, count: rows.length };
        },
      };
    }
    case "insert":
      return planInsert(statement, scope, schema);
    default:
      return planChange(statement, scope, schema);
  }
}

function isPlan(compiled: CompiledSelect): compiled is SelectPlan {
  return "run" in compiled;
}

function toObjects(rows: readonly unknown[][], columns: readonly OutputColumn[]): object[] {
  const names = columns.map(({ name }) =>
    name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  );
  return rows.map((cells) => {
    const object: Tuple = {};
    columns.forEach(({ type }, at) => object[names[at] ?? ""] = toDriver(cells[at], type));
    return object;
  });
}
