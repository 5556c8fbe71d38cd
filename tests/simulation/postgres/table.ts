/**
 * A table with row versions, as Postgres keeps them (manual, 13.2.1 Read Committed).
 *
 * Contract: a row is a list of versions, the newest last. A version belongs to a transaction; it
 * is visible to others from that transaction's commit on. At most one transaction has uncommitted
 * versions of a row, because writing needs the row's lock.
 */
import type { LockMode } from "./ast.ts";
import type { TableSchema, UniqueRule } from "./schema.ts";
import { serverFault } from "./sql_error.ts";
import type { Transaction } from "./transaction.ts";
import type { Tuple } from "./values.ts";

interface Version {
  /** Undefined: deleted. */
  readonly tuple: Tuple | undefined;
  readonly writer: Transaction;
  /** Place of its commit among all commits; undefined until then. */
  commit: number | undefined;
}

/** Thrown by a statement that has to wait for the end of other transactions; it then runs anew. */
export class MustWait {
  readonly holders: ReadonlySet<Transaction>;

  constructor(holders: Iterable<Transaction>) {
    this.holders = new Set(holders);
  }
}

export class Row {
  readonly table: Table;
  readonly #locks = new Map<Transaction, LockMode>();
  #versions: Version[] = [];

  constructor(table: Table) {
    this.table = table;
  }

  /** What a statement with this snapshot sees. */
  visible(snapshot: number, reader: Transaction): Tuple | undefined {
    for (let at = this.#versions.length - 1; at >= 0; at--) {
      const version = this.#versions[at];
      if (version === undefined) return undefined;
      const isSeen = version.writer === reader ||
        version.commit !== undefined && version.commit <= snapshot;
      if (isSeen) return version.tuple;
    }
    return undefined;
  }

  /** The newest version that is committed or the reader's own. */
  newest(reader?: Transaction): Tuple | undefined {
    return this.#versions.findLast(({ writer, commit }) =>
      writer === reader || commit !== undefined
    )
      ?.tuple;
  }

  /** Whoever has changed the row and not committed. */
  get writer(): Transaction | undefined {
    const last = this.#versions.at(-1);
    return last === undefined || last.commit !== undefined ? undefined : last.writer;
  }

  /** Every tuple that is or may become the row's newest. */
  possible(): Tuple[] {
    const writer = this.writer;
    return [this.newest(), writer === undefined ? undefined : this.newest(writer)]
      .filter((tuple) => tuple !== undefined);
  }

  /** Takes the row's lock; the answer are those who hold it against that. */
  lock(owner: Transaction, mode: LockMode): ReadonlySet<Transaction> {
    const holders = new Set<Transaction>();
    for (const [holder, held] of this.#locks) {
      if (holder !== owner && (mode === "update" || held === "update")) holders.add(holder);
    }
    if (holders.size > 0) return holders;
    if (this.#locks.get(owner) !== "update") this.#locks.set(owner, mode);
    owner.locked.add(this);
    return holders;
  }

  unlock(owner: Transaction): void {
    this.#locks.delete(owner);
  }

  /** Appends a version; the caller holds the lock. */
  write(writer: Transaction, tuple: Tuple | undefined): void {
    this.#versions.push({ tuple, writer, commit: undefined });
    writer.written.add(this);
    if (tuple !== undefined) this.table.index(this, tuple);
  }

  /** Takes the newest version back, when its statement did not come to its end. */
  unwrite(): void {
    this.#versions.pop();
  }

  commit(writer: Transaction, commit: number): void {
    for (const version of this.#versions) {
      if (version.writer === writer && version.commit === undefined) version.commit = commit;
    }
  }

  rollBack(writer: Transaction): void {
    this.#versions = this.#versions.filter((version) =>
      version.writer !== writer || version.commit !== undefined
    );
    if (this.#versions.length === 0) this.table.forget(this);
  }

  /** Forgets versions that no statement under way can see. */
  vacuum(oldestSnapshot: number): void {
    const keepFrom = this.#versions.findLastIndex(({ commit }) =>
      commit !== undefined && commit <= oldestSnapshot
    );
    if (keepFrom > 0) this.#versions.splice(0, keepFrom);
    const [only] = this.#versions;
    const isGone = this.#versions.length === 1 && only !== undefined && only.tuple === undefined &&
      only.commit !== undefined && only.commit <= oldestSnapshot;
    if (isGone) this.table.forget(this);
  }
}

export class Table {
  readonly schema: TableSchema;
  readonly #rows = new Set<Row>();
  /** Per unique rule, rows that have or had a key. */
  readonly #keys: Map<string, Set<Row>>[];
  #identity = 0;

  constructor(schema: TableSchema) {
    this.schema = schema;
    this.#keys = schema.uniques.map(() => new Map());
  }

  rows(): Iterable<Row> {
    return this.#rows;
  }

  /** Sequences do not wait for commits and are not rolled back: gaps, and ids out of order. */
  nextIdentity(): number {
    return ++this.#identity;
  }

  insert(writer: Transaction, tuple: Tuple): Row {
    const row = new Row(this);
    this.#rows.add(row);
    row.lock(writer, "update");
    row.write(writer, tuple);
    return row;
  }

  /** Rows that may have this value in a column that alone makes them unique. */
  byKey(column: string, value: unknown): Iterable<Row> | undefined {
    const at = this.schema.uniques.findIndex(({ columns, where }) =>
      columns.length === 1 && columns[0] === column && where === undefined
    );
    return at === -1 ? undefined : this.#keys[at]?.get(String(value)) ?? [];
  }

  index(row: Row, tuple: Tuple): void {
    this.schema.uniques.forEach((rule, at) => {
      const key = keyOf(rule, tuple);
      const keys = this.#keys[at];
      if (key === undefined || keys === undefined) return;
      const rows = keys.get(key);
      if (rows === undefined) keys.set(key, new Set([row]));
      else rows.add(row);
    });
  }

  forget(row: Row): void {
    this.#rows.delete(row);
    for (const keys of this.#keys) {
      for (const rows of keys.values()) rows.delete(row);
    }
  }

  /**
   * A row that stands against the tuple.
   *
   * @throws MustWait while it depends on a transaction that has not ended.
   */
  findConflict(
    tuple: Tuple,
    writer: Transaction,
    options: { readonly except?: Row; readonly columns?: readonly string[] } = {},
  ): { readonly rule: UniqueRule; readonly row: Row } | undefined {
    for (const [at, rule] of this.schema.uniques.entries()) {
      if (options.columns !== undefined && !sameColumns(rule, options.columns)) continue;
      const key = keyOf(rule, tuple);
      if (key === undefined) continue;
      for (const row of this.#keys[at]?.get(key) ?? []) {
        if (row === options.except) continue;
        const other = row.writer;
        if (other !== undefined && other !== writer) {
          if (row.possible().some((each) => keyOf(rule, each) === key)) throw new MustWait([other]);
          continue;
        }
        const newest = row.newest(writer);
        if (newest !== undefined && keyOf(rule, newest) === key) return { rule, row };
      }
    }
    return undefined;
  }

  /** @throws DatabaseError 23505 */
  requireUnique(tuple: Tuple, writer: Transaction, except: Row): void {
    const conflict = this.findConflict(tuple, writer, { except });
    if (conflict === undefined) return;
    const columns = conflict.rule.columns.join(", ");
    throw serverFault(
      "23505",
      `duplicate key value violates unique constraint on ${this.schema.name} (${columns})`,
      this.schema.name,
    );
  }
}

function sameColumns(rule: UniqueRule, columns: readonly string[]): boolean {
  return rule.columns.length === columns.length &&
    columns.every((name) => rule.columns.includes(name));
}

/** Undefined where the rule does not apply: a null in it, or its condition is not met. */
function keyOf(rule: UniqueRule, tuple: Tuple): string | undefined {
  if (rule.where !== undefined && !rule.where(tuple)) return undefined;
  const values = rule.columns.map((column) => tuple[column]);
  if (values.some((value) => value === null || value === undefined)) return undefined;
  return values.length === 1 ? String(values[0]) : JSON.stringify(values);
}
