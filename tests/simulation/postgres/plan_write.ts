/** Inserts, updates and deletes as functions of an attempt. */
import type { Assignment, Delete, Expression, Insert, Update } from "./ast.ts";
import type { Attempt } from "./attempt.ts";
import { compile, type Compiled, type Scope } from "./compile.ts";
import {
  type OutputColumn,
  planOutputs,
  planScan,
  planSelect,
  tableOf,
  typesOf,
} from "./plan_select.ts";
import type { Schema, TableSchema } from "./schema.ts";
import { serverFault, UnknownSqlError } from "./sql_error.ts";
import type { Row } from "./table.ts";
import { coerce, type Tuple } from "./values.ts";

export interface WritePlan {
  readonly columns: readonly OutputColumn[];
  /** The rows of RETURNING, and how many rows were written. */
  run(attempt: Attempt): { rows: unknown[][]; count: number };
}

type Setter = (attempt: Attempt) => Tuple;

function planSets(sets: readonly Assignment[], table: TableSchema, scope: Scope): Setter {
  const compiled = sets.map(({ column, value }) => {
    const type = table.columns.get(column)?.type;
    if (type === undefined) throw new UnknownSqlError(`column ${column}`, scope.text);
    return { column, type, value: compile(value, scope) };
  });
  return (attempt) =>
    Object.fromEntries(
      compiled.map(({ column, type, value }) => [column, coerce(value.run(attempt), type)]),
    );
}

/** @throws DatabaseError for a null or a value that the table does not take. */
function requireValid(table: TableSchema, tuple: Tuple): void {
  for (const { name, isNullable } of table.columns.values()) {
    if (!isNullable && (tuple[name] ?? null) === null) {
      throw serverFault("23502", `null value in column ${name} of relation ${table.name}`);
    }
  }
  for (const check of table.checks) {
    if (!check.holds(tuple)) {
      throw serverFault("23514", `row of ${table.name} violates ${check.name}`);
    }
  }
}

export function planChange(
  statement: Update | Delete,
  outer: Scope,
  schema: Schema,
): WritePlan {
  const table = tableOf(schema, statement.table, outer.text);
  const { scope, slot } = outer.with(statement.alias, typesOf(table));
  const where = statement.where === undefined ? undefined : compile(statement.where, scope);
  const scan = planScan(table, { alias: statement.alias, where: statement.where, outer });
  const setter = statement.kind === "update" ? planSets(statement.sets, table, scope) : undefined;
  const outputs = planOutputs(statement.returning, scope);
  return {
    columns: outputs,
    run: (attempt) => {
      // All rows are chosen and locked before one is written: a wait starts the statement anew.
      const targets = chosen(attempt, [...scan(attempt)], slot, where);
      const rows = targets.map(({ row, tuple }) => {
        attempt.slots[slot] = tuple;
        const changed = setter === undefined ? undefined : { ...tuple, ...setter(attempt) };
        if (changed !== undefined) {
          requireValid(table, changed);
          row.table.requireUnique(changed, attempt.transaction, row);
        }
        attempt.write(row, changed);
        attempt.slots[slot] = changed ?? tuple;
        return outputs.map((output) => output.run(attempt));
      });
      return { rows: outputs.length === 0 ? [] : rows, count: targets.length };
    },
  };
}

function chosen(
  attempt: Attempt,
  rows: readonly Row[],
  slot: number,
  where: Compiled | undefined,
): { row: Row; tuple: Tuple }[] {
  const isMet = (tuple: Tuple) => {
    attempt.slots[slot] = tuple;
    return where === undefined || where.run(attempt) === true;
  };
  return rows.flatMap((row) => {
    const seen = attempt.visible(row);
    if (seen === undefined || !isMet(seen)) return [];
    const tuple = attempt.lock(row, "update");
    if (tuple === undefined || tuple !== seen && !isMet(tuple)) return [];
    return [{ row, tuple }];
  });
}

export function planInsert(statement: Insert, outer: Scope, schema: Schema): WritePlan {
  const table = tableOf(schema, statement.table, outer.text);
  const rowsOf = planRows(statement, outer, schema);
  const { scope, slot } = outer.with(statement.table, typesOf(table));
  const outputs = planOutputs(statement.returning, scope);
  const onConflict = planOnConflict(statement, table, { outer, scope, slot });
  const complete = planDefaults(table, statement.columns, outer);
  return {
    columns: outputs,
    run: (attempt) => {
      const returned: unknown[][] = [];
      for (const cells of rowsOf(attempt)) {
        const tuple = complete(attempt, cells);
        const written = onConflict(attempt, tuple);
        if (written === undefined) continue;
        attempt.slots[slot] = written;
        returned.push(outputs.map((output) => output.run(attempt)));
      }
      return { rows: outputs.length === 0 ? [] : returned, count: returned.length };
    },
  };
}

function planRows(
  { select, values = [] }: Insert,
  outer: Scope,
  schema: Schema,
): (attempt: Attempt) => unknown[][] {
  if (select !== undefined) {
    const plan = planSelect(select, outer, schema);
    return (attempt) => plan.run(attempt);
  }
  const rows = values.map((row) => row.map((value: Expression) => compile(value, outer)));
  return (attempt) => rows.map((row) => row.map((value) => value.run(attempt)));
}

function planDefaults(
  table: TableSchema,
  names: readonly string[],
  outer: Scope,
): (attempt: Attempt, cells: readonly unknown[]) => Tuple {
  const unknown = names.find((name) => !table.columns.has(name));
  if (unknown !== undefined) throw new UnknownSqlError(`column ${unknown}`, outer.text);
  const columns = [...table.columns.values()].map((column) => ({
    ...column,
    at: names.indexOf(column.name),
    value: column.defaultTo === undefined ? undefined : compile(column.defaultTo, outer),
  }));
  return (attempt, cells) => {
    const tuple: Tuple = {};
    for (const { name, type, at, value, isIdentity } of columns) {
      if (at !== -1) tuple[name] = coerce(cells[at], type);
      else if (isIdentity) tuple[name] = attempt.database.table(table.name).nextIdentity();
      else tuple[name] = coerce(value?.run(attempt), type);
    }
    requireValid(table, tuple);
    return tuple;
  };
}

/** Inserts the tuple or does what ON CONFLICT says; undefined when nothing was written. */
function planOnConflict(
  { onConflict }: Insert,
  table: TableSchema,
  { outer, scope, slot }: { outer: Scope; scope: Scope; slot: number },
): (attempt: Attempt, tuple: Tuple) => Tuple | undefined {
  const insert = (attempt: Attempt, tuple: Tuple) => {
    const stored = attempt.database.table(table.name);
    const conflict = stored.findConflict(tuple, attempt.transaction);
    if (conflict !== undefined) {
      const columns = conflict.rule.columns.join(", ");
      const rule = `unique constraint of ${table.name} (${columns})`;
      throw serverFault("23505", `duplicate key value violates ${rule}`, table.name);
    }
    attempt.insert(tuple, stored);
    return tuple;
  };
  if (onConflict === undefined) return insert;
  const { columns, update } = onConflict;
  const excluded = scope.with("excluded", typesOf(table));
  const setter = update === undefined ? undefined : planSets(update.sets, table, excluded.scope);
  const where = update?.where === undefined ? undefined : compile(update.where, excluded.scope);
  if (setter !== undefined && columns === undefined) {
    throw new UnknownSqlError("on conflict do update without columns", outer.text);
  }
  return (attempt, tuple) => {
    const stored = attempt.database.table(table.name);
    const options = columns === undefined ? {} : { columns };
    const conflict = stored.findConflict(tuple, attempt.transaction, options);
    if (conflict === undefined) return insert(attempt, tuple);
    if (setter === undefined) return undefined;
    // ON CONFLICT DO UPDATE works on the newest row, whatever the snapshot shows.
    const present = attempt.lock(conflict.row, "update");
    if (present === undefined) return insert(attempt, tuple);
    attempt.slots[slot] = present;
    attempt.slots[excluded.slot] = tuple;
    if (where !== undefined && where.run(attempt) !== true) return undefined;
    const changed = { ...present, ...setter(attempt) };
    requireValid(table, changed);
    attempt.write(conflict.row, changed);
    return changed;
  };
}
