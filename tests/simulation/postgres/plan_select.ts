/** Selects as functions of an attempt. */
import type { Expression, FromItem, Select, SelectItem } from "./ast.ts";
import type { Attempt, SelectPlan } from "./attempt.ts";
import { compile, type Compiled, Scope } from "./compile.ts";
import { AGGREGATES } from "./functions.ts";
import type { Schema, TableSchema } from "./schema.ts";
import { UnknownSqlError } from "./sql_error.ts";
import type { Row, Table } from "./table.ts";
import { coerce, compareNullsLast, type Tuple } from "./values.ts";

/** A select with the names and types of its columns. */
export interface OutputPlan extends SelectPlan {
  readonly columns: readonly OutputColumn[];
}

export interface OutputColumn {
  readonly name: string;
  readonly type: string | undefined;
}

/** A row that matched; `row` where it is one of a table. */
interface Match {
  readonly tuple: Tuple;
  readonly row?: Row;
}

interface Source {
  readonly slot: number;
  scan(attempt: Attempt): Iterable<Match>;
}

export function planSelect(given: Select, outer: Scope, schema: Schema): OutputPlan {
  const select = withUnnestInFrom(given);
  const from = select.from === undefined
    ? { scope: outer, source: undefined }
    : planFrom(select.from, outer, schema, select.where);
  const { scope, source } = from;
  const where = select.where === undefined ? undefined : compile(select.where, scope);
  const aggregates: Aggregate[] = [];
  const items = select.items.map(({ expression, alias }) => ({
    ...(alias === undefined ? {} : { alias }),
    expression: withoutAggregates(expression, aggregates),
  }));
  if (aggregates.length > 0) {
    return planAggregate(select, { items, aggregates, scope, source, where });
  }
  const outputs = planOutputs(items, scope);
  const order = select.orderBy.map(({ expression, isDescending }) => ({
    key: compile(expression, scope),
    sign: isDescending ? -1 : 1,
  }));
  const limit = select.limit === undefined ? undefined : compile(select.limit, outer);
  const distinctOn = select.distinctOn?.map((expression) => compile(expression, scope));
  const union = select.unionAll === undefined
    ? undefined
    : planSelect(select.unionAll, outer, schema);
  return {
    width: outputs.length,
    columns: outputs,
    run: (attempt) => {
      let matches = [...matching(attempt, source, where)];
      matches = sorted(attempt, matches, source, order);
      if (distinctOn !== undefined) matches = distinct(attempt, matches, source, distinctOn);
      const most = limit === undefined ? Infinity : Number(limit.run(attempt));
      matches = select.lock === undefined
        ? matches.slice(0, most)
        : locked(attempt, matches, { source, where, most, ...select.lock });
      const rows = matches.map(({ tuple }) => {
        if (source !== undefined) attempt.slots[source.slot] = tuple;
        return outputs.map((output) => output.run(attempt));
      });
      return union === undefined ? rows : [...rows, ...union.run(attempt)];
    },
  };
}

/** `select a, unnest(b)` as `select a, x from unnest(b) as x`. */
function withUnnestInFrom(select: Select): Select {
  const call = select.items.map(({ expression }) => expression).find(isUnnest);
  if (select.from !== undefined || call === undefined) return select;
  const column: Expression = { kind: "column", name: "unnest" };
  const from: FromItem = {
    kind: "unnest",
    args: call.args,
    alias: "unnest",
    columns: ["unnest"],
    withOrdinality: false,
  };
  const items = select.items.map((item) =>
    isUnnest(item.expression) ? { ...item, expression: column } : item
  );
  return { ...select, items, from };
}

function isUnnest(
  expression: Expression,
): expression is Extract<Expression, { kind: "call" }> {
  return expression.kind === "call" && expression.name === "unnest";
}

function planFrom(
  from: FromItem,
  outer: Scope,
  schema: Schema,
  where: Expression | undefined,
): { scope: Scope; source: Source } {
  if (from.kind === "unnest") return planUnnest(from, outer);
  const part = outer.parts.get(from.table);
  if (part !== undefined) {
    const { scope, slot } = outer.with(from.alias, part);
    const answered = (attempt: Attempt) => attempt.parts.get(from.table) ?? [];
    const scan = (attempt: Attempt) => answered(attempt).map((tuple) => ({ tuple }));
    return { scope, source: { slot, scan } };
  }
  const table = tableOf(schema, from.table, outer.text);
  const { scope, slot } = outer.with(from.alias, typesOf(table));
  const scan = planScan(table, { alias: from.alias, where, outer });
  return { scope, source: { slot, scan: (attempt) => matchesOf(attempt, scan(attempt)) } };
}

function* matchesOf(attempt: Attempt, rows: Iterable<Row>): Iterable<Match> {
  for (const row of rows) {
    const tuple = attempt.visible(row);
    if (tuple !== undefined) yield { row, tuple };
  }
}

export function tableOf(schema: Schema, name: string, text: string): TableSchema {
  const table = schema.tables.get(name);
  if (table === undefined) throw new UnknownSqlError(`table ${name}`, text);
  return table;
}

export function typesOf(table: TableSchema): Map<string, string> {
  return new Map([...table.columns].map(([name, { type }]) => [name, type]));
}

/** The rows to look at: by a unique key where the condition names one, else all. */
export function planScan(
  schema: TableSchema,
  { alias, where, outer }: { alias: string; where: Expression | undefined; outer: Scope },
): (attempt: Attempt) => Iterable<Row> {
  const key = where === undefined ? undefined : keyCondition(where, schema, alias);
  const tableIn = (attempt: Attempt): Table => attempt.database.table(schema.name);
  if (key === undefined) return (attempt) => [...tableIn(attempt).rows()];
  const value = compile(key.value, outer);
  const type = schema.columns.get(key.column)?.type;
  return (attempt) => {
    const found = value.run(attempt);
    const values = key.isList && Array.isArray(found) ? found : [found];
    const rows = new Set<Row>();
    for (const each of values) {
      const named = tableIn(attempt).byKey(key.column, coerce(each, type)) ?? [];
      for (const row of named) rows.add(row);
    }
    return rows;
  };
}

interface KeyCondition {
  readonly column: string;
  readonly value: Expression;
  readonly isList: boolean;
}

function keyCondition(
  where: Expression,
  table: TableSchema,
  alias: string,
): KeyCondition | undefined {
  if (where.kind === "binary" && where.op === "and") {
    return keyCondition(where.left, table, alias) ?? keyCondition(where.right, table, alias);
  }
  const isEquality = where.kind === "any" && where.op === "=" ||
    where.kind === "binary" && where.op === "=";
  if (!isEquality || where.left.kind !== "column") return undefined;
  const { name, table: of = alias } = where.left;
  const value = where.kind === "any" ? where.array : where.right;
  const isKey = table.uniques.some(({ columns, where: condition }) =>
    columns.length === 1 && columns[0] === name && condition === undefined
  );
  if (!isKey || of !== alias || !isConstant(value)) return undefined;
  return { column: name, value, isList: where.kind === "any" };
}

function isConstant(expression: Expression): boolean {
  if (expression.kind === "cast") return isConstant(expression.operand);
  return expression.kind === "parameter" || expression.kind === "literal";
}

function planUnnest(
  from: Extract<FromItem, { kind: "unnest" }>,
  outer: Scope,
): { scope: Scope; source: Source } {
  const lists = from.args.map((arg) => compile(arg, outer));
  const types = new Map<string, string | undefined>(
    from.columns.map((name, at) => [name, lists[at]?.type?.replace("[]", "") ?? undefined]),
  );
  const { scope, slot } = outer.with(from.alias, types);
  const scan = (attempt: Attempt) => {
    const values = lists.map((list) => {
      const value = list.run(attempt);
      return Array.isArray(value) ? value : [];
    });
    const length = Math.max(0, ...values.map((list) => list.length));
    return Array.from({ length }, (_, index) => {
      const cells = values.map((list) => list[index] ?? null);
      if (from.withOrdinality) cells.push(index + 1);
      return { tuple: Object.fromEntries(from.columns.map((name, at) => [name, cells[at]])) };
    });
  };
  return { scope, source: { slot, scan } };
}

/** The columns of an output list. */
export function planOutputs(items: readonly SelectItem[], scope: Scope) {
  return items.map(({ expression, alias }) => {
    const { run, type } = compile(expression, scope);
    return { name: alias ?? nameOf(expression), type, run };
  });
}

function nameOf(expression: Expression): string {
  if (expression.kind === "column" || expression.kind === "call") return expression.name;
  return expression.kind === "cast" ? nameOf(expression.operand) : "?column?";
}

function* matching(
  attempt: Attempt,
  source: Source | undefined,
  where: Compiled | undefined,
): Iterable<Match> {
  if (source === undefined) {
    if (where === undefined || where.run(attempt) === true) yield { tuple: {} };
    return;
  }
  for (const match of source.scan(attempt)) {
    attempt.slots[source.slot] = match.tuple;
    if (where === undefined || where.run(attempt) === true) yield match;
  }
}

function sorted(
  attempt: Attempt,
  matches: Match[],
  source: Source | undefined,
  order: readonly { readonly key: Compiled; readonly sign: number }[],
): Match[] {
  if (order.length === 0 || source === undefined) return matches;
  const keyed = matches.map((match) => {
    attempt.slots[source.slot] = match.tuple;
    return { match, keys: order.map(({ key }) => key.run(attempt)) };
  });
  keyed.sort((a, b) => {
    for (const [at, { sign }] of order.entries()) {
      const difference = compareNullsLast(a.keys[at] ?? null, b.keys[at] ?? null) * sign;
      if (difference !== 0) return difference;
    }
    return 0;
  });
  return keyed.map(({ match }) => match);
}

function distinct(
  attempt: Attempt,
  matches: readonly Match[],
  source: Source | undefined,
  keys: readonly Compiled[],
): Match[] {
  const seen = new Set<string>();
  return matches.filter(({ tuple }) => {
    if (source !== undefined) attempt.slots[source.slot] = tuple;
    const key = JSON.stringify(keys.map((each) => each.run(attempt)));
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

interface Locking {
  readonly source: Source | undefined;
  readonly where: Compiled | undefined;
  readonly most: number;
  readonly mode: "share" | "update";
  readonly skipLocked: boolean;
}

/** Locks row by row in the order of the output; what has changed meanwhile is looked at again. */
function locked(
  attempt: Attempt,
  matches: readonly Match[],
  { source, where, most, mode, skipLocked }: Locking,
): Match[] {
  const kept: Match[] = [];
  for (const match of matches) {
    if (kept.length >= most) break;
    const { row } = match;
    if (row === undefined || source === undefined) {
      throw new TypeError("only rows of a table can be locked");
    }
    if (skipLocked && !attempt.tryLock(row, mode)) continue;
    const tuple = attempt.lock(row, mode);
    if (tuple === undefined) continue;
    attempt.slots[source.slot] = tuple;
    if (tuple !== match.tuple && where !== undefined && where.run(attempt) !== true) continue;
    kept.push({ row, tuple });
  }
  return kept;
}

interface Aggregate {
  readonly name: string;
  readonly arg: Expression | undefined;
}

const AGGREGATED = "aggregated";

/** The expression with its aggregates as columns of a row that is made of all rows. */
function withoutAggregates(expression: Expression, found: Aggregate[]): Expression {
  const inner = (each: Expression) => withoutAggregates(each, found);
  switch (expression.kind) {
    case "call":
      if (AGGREGATES[expression.name] !== undefined) {
        found.push({ name: expression.name, arg: expression.args[0] });
        return { kind: "column", table: AGGREGATED, name: `a${found.length - 1}` };
      }
      return { ...expression, args: expression.args.map(inner) };
    case "binary":
      return { ...expression, left: inner(expression.left), right: inner(expression.right) };
    case "cast":
    case "not":
    case "negate":
    case "is_null":
      return { ...expression, operand: inner(expression.operand) };
    default:
      return expression;
  }
}

interface Aggregating {
  readonly items: readonly SelectItem[];
  readonly aggregates: readonly Aggregate[];
  readonly scope: Scope;
  readonly source: Source | undefined;
  readonly where: Compiled | undefined;
}

function planAggregate(
  select: Select,
  { items, aggregates, scope, source, where }: Aggregating,
): OutputPlan {
  if (select.unionAll !== undefined || select.lock !== undefined) {
    throw new UnknownSqlError("an aggregate with a union or a lock", scope.text);
  }
  const args = aggregates.map(({ name, arg }) => ({
    name,
    compiled: arg === undefined ? undefined : compile(arg, scope),
  }));
  const types = new Map(
    args.map(({ name, compiled }, at) => [`a${at}`, name === "count" ? "bigint" : compiled?.type]),
  );
  const { scope: inner, slot } = scope.with(AGGREGATED, types);
  const outputs = planOutputs(items, inner);
  return {
    width: outputs.length,
    columns: outputs,
    run: (attempt) => {
      const values: unknown[][] = args.map(() => []);
      for (const { tuple } of [...matching(attempt, source, where)]) {
        if (source !== undefined) attempt.slots[source.slot] = tuple;
        args.forEach(({ compiled }, at) => {
          const value = compiled === undefined ? true : compiled.run(attempt);
          if (value !== null) values[at]?.push(value);
        });
      }
      attempt.slots[slot] = Object.fromEntries(
        args.map(({ name }, at) => [`a${at}`, AGGREGATES[name]?.(values[at] ?? []) ?? null]),
      );
      return [outputs.map((output) => output.run(attempt))];
    },
  };
}
