/**
 * Expressions as functions. Three-valued logic as in SQL: null is "unknown", and a condition holds
 * only where it is true.
 */
import type { Expression, Select } from "./ast.ts";
import { AGGREGATES, FUNCTIONS } from "./functions.ts";
import type { TableSchema } from "./schema.ts";
import { UnknownSqlError } from "./sql_error.ts";
import { coerce, compareValues, isTime, textOf, timeText, type Tuple } from "./values.ts";

/** What an expression may look at while it runs. */
export interface Context {
  readonly parameters: readonly unknown[];
  /** The present row of each item of a FROM, by its slot. */
  readonly slots: Tuple[];
  nowMs(): number;
  clockMs(): number;
  /** Runs a sub-select; the answer are its rows as lists of values. */
  select(compiled: CompiledSelect, context: Context): unknown[][];
}

/** A sub-select is compiled by the planner; expressions only carry it. */
export interface CompiledSelect {
  readonly width: number;
}

export interface Compiled {
  run(context: Context): unknown;
  /** Undefined where it is not known: parameters, some functions. */
  readonly type: string | undefined;
}

/** Names and types. */
export type Columns = ReadonlyMap<string, string | undefined>;

interface Source {
  readonly alias: string;
  readonly columns: Columns;
  readonly slot: number;
}

/** The names that an expression may use; inner ones first. */
export class Scope {
  readonly text: string;
  readonly #sources: readonly Source[];
  readonly #counter: { slots: number };
  readonly compileSelect: (select: Select, scope: Scope) => CompiledSelect;
  /** The parts of a WITH, by name: their columns. */
  readonly parts = new Map<string, Columns>();

  constructor(
    text: string,
    compileSelect: (select: Select, scope: Scope) => CompiledSelect,
    sources: readonly Source[] = [],
    counter: { slots: number } = { slots: 0 },
  ) {
    this.text = text;
    this.compileSelect = compileSelect;
    this.#sources = sources;
    this.#counter = counter;
  }

  /** A scope inside this one, in which the columns have a slot of their own. */
  with(
    alias: string,
    columns: Columns,
  ): { scope: Scope; slot: number } {
    const slot = this.#counter.slots++;
    const source = { alias, columns, slot };
    const scope = new Scope(
      this.text,
      this.compileSelect,
      [source, ...this.#sources],
      this.#counter,
    );
    for (const [name, part] of this.parts) scope.parts.set(name, part);
    return { scope, slot };
  }

  find(name: string, table: string | undefined): { slot: number; type: string | undefined } {
    for (const { alias, columns, slot } of this.#sources) {
      if (table !== undefined && alias !== table || !columns.has(name)) continue;
      return { slot, type: columns.get(name) };
    }
    throw new UnknownSqlError(`column ${table === undefined ? "" : `${table}.`}${name}`, this.text);
  }
}

/** Compiles an expression over one row: a check, the condition of an index. */
export function compileAlone(
  expression: Expression,
  table: TableSchema,
): (tuple: Tuple) => unknown {
  const refuse = () => {
    throw new UnknownSqlError("a sub-select here", table.name);
  };
  const columns = new Map([...table.columns].map(([name, { type }]) => [name, type]));
  const { scope } = new Scope(table.name, refuse).with(table.name, columns);
  const { run } = compile(expression, scope);
  return (tuple) =>
    run({ parameters: [], slots: [tuple], nowMs: refuse, clockMs: refuse, select: refuse });
}

export function compile(expression: Expression, scope: Scope): Compiled {
  switch (expression.kind) {
    case "literal": {
      const { value, type } = expression;
      return { run: () => value, type };
    }
    case "parameter": {
      const { index } = expression;
      return { run: ({ parameters }) => parameters[index] ?? null, type: undefined };
    }
    case "column": {
      const { name } = expression;
      const { slot, type } = scope.find(name, expression.table);
      return { run: ({ slots }) => slots[slot]?.[name] ?? null, type };
    }
    case "call":
      return compileCall(expression, scope);
    case "binary":
      return compileBinary(expression, scope);
    case "cast":
      return compileCast(compile(expression.operand, scope), expression.type);
    case "case":
      return compileCase(expression, scope);
    case "exists":
    case "scalar":
    case "array_of":
      return compileSubselect(expression, scope);
    case "array": {
      const items = expression.items.map((item) => compile(item, scope));
      return { run: (context) => items.map((item) => item.run(context)), type: undefined };
    }
    default:
      return compileLogic(expression, scope);
  }
}

type Of<Kind extends Expression["kind"]> = Extract<Expression, { kind: Kind }>;

function compileLogic(
  expression: Of<"not" | "negate" | "is_null" | "distinct" | "any" | "in">,
  scope: Scope,
): Compiled {
  switch (expression.kind) {
    case "not": {
      const operand = compile(expression.operand, scope);
      return truth((context) => negated(operand.run(context)));
    }
    case "negate": {
      const operand = compile(expression.operand, scope);
      return { run: (context) => -Number(operand.run(context)), type: operand.type };
    }
    case "is_null": {
      const operand = compile(expression.operand, scope);
      return truth((context) => (operand.run(context) === null) !== expression.isNegated);
    }
    case "distinct": {
      const [left, right] = compilePair(expression.left, expression.right, scope);
      return truth((context) => {
        const [a, b] = [left(context), right(context)];
        const isSame = a === null || b === null ? a === b : compareValues(a, b) === 0;
        return isSame === expression.isNegated;
      });
    }
    case "any": {
      const left = compile(expression.left, scope);
      const array = compile(expression.array, scope);
      const test = comparison(expression.op);
      return truth((context) => {
        const value = left.run(context);
        const list = array.run(context);
        if (!Array.isArray(list)) return null;
        return list.some((each) => test(value, coerce(each, left.type)) === true);
      });
    }
    case "in": {
      const left = compile(expression.left, scope);
      const list = expression.list.map((item) => compile(item, scope));
      return truth((context) => {
        const value = left.run(context);
        if (value === null) return null;
        const isIn = list.some((item) =>
          compareValues(value, coerce(item.run(context), left.type)) === 0
        );
        return isIn !== expression.isNegated;
      });
    }
  }
}

function truth(run: (context: Context) => unknown): Compiled {
  return { run, type: "boolean" };
}

function negated(value: unknown): boolean | null {
  return value === null ? null : value !== true;
}

/** Two operands, the one without a type read as the other's. */
function compilePair(left: Expression, right: Expression, scope: Scope) {
  const [a, b] = [compile(left, scope), compile(right, scope)];
  return [typed(a, b.type), typed(b, a.type)] as const;
}

function typed({ run, type }: Compiled, other: string | undefined): (context: Context) => unknown {
  if (type !== undefined || other === undefined || other === "interval") return run;
  return (context) => coerce(run(context), other);
}

function comparison(op: string): (a: unknown, b: unknown) => boolean | null {
  const holds: Readonly<Record<string, (order: number) => boolean>> = {
    "=": (order) => order === 0,
    "<>": (order) => order !== 0,
    "<": (order) => order < 0,
    "<=": (order) => order <= 0,
    ">": (order) => order > 0,
    ">=": (order) => order >= 0,
  };
  const test = holds[op];
  if (test === undefined) throw new UnknownSqlError(`operator ${op}`, op);
  return (a, b) => {
    const order = compareValues(a, b);
    return order === null ? null : test(order);
  };
}

function compileBinary({ op, left, right }: Of<"binary">, scope: Scope): Compiled {
  if (op === "and" || op === "or") {
    const [a, b] = [compile(left, scope), compile(right, scope)];
    const decides = op === "or";
    return truth((context) => {
      const first = a.run(context);
      if (first === decides) return decides;
      const second = b.run(context);
      if (second === decides) return decides;
      return first === null || second === null ? null : !decides;
    });
  }
  if (["=", "<>", "<", "<=", ">", ">="].includes(op)) {
    const [a, b] = compilePair(left, right, scope);
    const test = comparison(op);
    return truth((context) => test(a(context), b(context)));
  }
  const [a, b] = [compile(left, scope), compile(right, scope)];
  const apply = operator(op, scope.text);
  const type = resultType(op, a.type, b.type);
  return {
    type,
    run: (context) => {
      const [first, second] = [a.run(context), b.run(context)];
      return first === null || second === null ? null : apply(first, second);
    },
  };
}

function resultType(op: string, a: string | undefined, b: string | undefined): string | undefined {
  if (op === "->") return "jsonb";
  if (op === "->>") return "text";
  if (op === "~" || op === "like") return "boolean";
  if (op === "-" && isTime(a) && isTime(b)) return "interval";
  if (isTime(a) || isTime(b)) return "timestamptz";
  if (a === "interval" || b === "interval") return "interval";
  return a ?? b;
}

function operator(op: string, text: string): (a: unknown, b: unknown) => unknown {
  switch (op) {
    case "+":
      return (a, b) => Number(a) + Number(b);
    case "-":
      return (a, b) => Number(a) - Number(b);
    case "*":
      return (a, b) => Number(a) * Number(b);
    case "/":
      return (a, b) => Number(a) / Number(b);
    case "||":
      return (a, b) =>
        typeof a === "object" && typeof b === "object" ? { ...a, ...b } : textOf(a) + textOf(b);
    case "->":
      return (a, b) => memberOf(a, b);
    case "->>":
      return (a, b) => {
        const member = memberOf(a, b);
        return member === null ? null : textOf(member);
      };
    case "~":
      return (a, b) => new RegExp(textOf(b)).test(textOf(a));
    default:
      throw new UnknownSqlError(`operator ${op}`, text);
  }
}

function memberOf(document: unknown, name: unknown): unknown {
  if (typeof document !== "object" || document === null) return null;
  return Object.entries(document).find(([key]) => key === textOf(name))?.[1] ?? null;
}

function compileCast({ run, type }: Compiled, to: string): Compiled {
  const isTimeText = to === "text" && isTime(type);
  return {
    type: to,
    run: (context) => {
      const value = run(context);
      if (value === null) return null;
      if (isTimeText) return timeText(Number(value));
      return to === "int" || to === "bigint" ? Math.round(Number(value)) : coerce(value, to);
    },
  };
}

function compileCase({ operand, whens, otherwise }: Of<"case">, scope: Scope): Compiled {
  const arms = whens.map(({ when, then }) => ({
    when: compile(
      operand === undefined ? when : { kind: "binary", op: "=", left: operand, right: when },
      scope,
    ),
    then: compile(then, scope),
  }));
  const last = otherwise === undefined ? undefined : compile(otherwise, scope);
  return {
    type: arms[0]?.then.type ?? last?.type,
    run: (context) => {
      const arm = arms.find(({ when }) => when.run(context) === true);
      return arm === undefined ? last?.run(context) ?? null : arm.then.run(context);
    },
  };
}

function compileCall({ name, args, isStar }: Of<"call">, scope: Scope): Compiled {
  if (name === "now") return { run: (context) => context.nowMs(), type: "timestamptz" };
  if (name === "clock_timestamp") {
    return { run: (context) => context.clockMs(), type: "timestamptz" };
  }
  if (isStar || AGGREGATES[name] !== undefined) {
    throw new UnknownSqlError(`an aggregate here: ${name}`, scope.text);
  }
  const known = FUNCTIONS[name];
  if (known === undefined) throw new UnknownSqlError(`function ${name}`, scope.text);
  const compiled = args.map((arg) => compile(arg, scope));
  return {
    type: known.type ?? compiled.find(({ type }) => type !== undefined)?.type,
    run: (context) => {
      const values = compiled.map((arg) => arg.run(context));
      if (known.takesNull !== true && values.includes(null)) return null;
      return known.apply(values);
    },
  };
}

function compileSubselect({ kind, select }: Of<"exists" | "scalar" | "array_of">, scope: Scope) {
  const compiled = scope.compileSelect(select, scope);
  const rowsOf = (context: Context) => context.select(compiled, context);
  if (kind === "exists") return truth((context) => rowsOf(context).length > 0);
  if (kind === "scalar") {
    return { run: (context: Context) => rowsOf(context)[0]?.[0] ?? null, type: undefined };
  }
  return { run: (context: Context) => rowsOf(context).map(([value]) => value), type: undefined };
}
