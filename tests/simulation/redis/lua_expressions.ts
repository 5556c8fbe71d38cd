/** Lua expressions as functions of a scope (Lua 5.1 manual, 2.5). */
import { type LuaToken, UnknownLuaError } from "./lua_lexer.ts";
import { isTruthy, luaNumber, LuaTable, luaText } from "./lua_values.ts";

/** Local variables; `globals` has the libraries, KEYS and ARGV. */
export class LuaScope {
  readonly #variables = new Map<string, unknown>();
  readonly #outer: LuaScope | undefined;

  constructor(outer?: LuaScope) {
    this.#outer = outer;
  }

  declare(name: string, value: unknown): void {
    this.#variables.set(name, value);
  }

  get(name: string): unknown {
    return this.#variables.has(name) ? this.#variables.get(name) : this.#outer?.get(name);
  }

  set(name: string, value: unknown): void {
    if (this.#variables.has(name) || this.#outer === undefined) this.#variables.set(name, value);
    else this.#outer.set(name, value);
  }
}

/** A call may have several results; everything else has one. */
export type LuaExpression = (scope: LuaScope) => unknown[];

/** Where an assignment may go. */
export interface LuaTarget {
  assign(scope: LuaScope, value: unknown): void;
}

type Binary = (a: unknown, b: unknown) => unknown;

/** From the loosest; `..` is the only one that binds to the right. */
const LEVELS: readonly (readonly string[])[] = [
  ["or"],
  ["and"],
  ["<", ">", "<=", ">=", "~=", "=="],
  [".."],
  ["+", "-"],
  ["*", "/", "%"],
];

const BINARIES: Readonly<Record<string, Binary>> = {
  "<": (a, b) => less(a, b),
  ">": (a, b) => less(b, a),
  "<=": (a, b) => !less(b, a),
  ">=": (a, b) => !less(a, b),
  "==": (a, b) => a === b,
  "~=": (a, b) => a !== b,
  "..": (a, b) => luaText(a) + luaText(b),
  "+": (a, b) => arithmetic(a) + arithmetic(b),
  "-": (a, b) => arithmetic(a) - arithmetic(b),
  "*": (a, b) => arithmetic(a) * arithmetic(b),
  "/": (a, b) => arithmetic(a) / arithmetic(b),
  "%": (a, b) => arithmetic(a) % arithmetic(b),
};

function less(a: unknown, b: unknown): boolean {
  if (typeof a === "number" && typeof b === "number") return a < b;
  if (typeof a === "string" && typeof b === "string") return a < b;
  throw new TypeError(`attempt to compare ${typeof a} with ${typeof b}`);
}

function arithmetic(value: unknown): number {
  const number = luaNumber(value);
  if (number === undefined) throw new TypeError(`attempt to perform arithmetic on ${typeof value}`);
  return number;
}

export class LuaReader {
  readonly #tokens: readonly LuaToken[];
  #at = 0;

  constructor(tokens: readonly LuaToken[]) {
    this.#tokens = tokens;
  }

  isAt(value: string): boolean {
    const token = this.#tokens[this.#at];
    return token !== undefined && token.kind !== "text" && token.value === value;
  }

  isAtEnd(): boolean {
    return this.#tokens[this.#at]?.kind === "end";
  }

  take(value: string): boolean {
    const isThere = this.isAt(value);
    if (isThere) this.#at++;
    return isThere;
  }

  expect(value: string): void {
    if (!this.take(value)) {
      throw new UnknownLuaError(`"${this.#tokens[this.#at]?.value}" instead of "${value}"`);
    }
  }

  next(): LuaToken {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new UnknownLuaError("the end");
    return token;
  }

  expressions(): LuaExpression[] {
    const list = [this.expression()];
    while (this.take(",")) list.push(this.expression());
    return list;
  }

  expression(level = 0): LuaExpression {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.expression(level + 1);
    for (;;) {
      const op = operators.find((each) => this.isAt(each));
      if (op === undefined) return left;
      this.take(op);
      left = combine(op, left, this.expression(op === ".." ? level : level + 1));
    }
  }

  #unary(): LuaExpression {
    if (this.take("not")) return one(this.#unary(), (value) => !isTruthy(value));
    if (this.take("-")) return one(this.#unary(), (value) => -arithmetic(value));
    if (this.take("#")) {
      return one(
        this.#unary(),
        (value) => value instanceof LuaTable ? value.length : luaText(value).length,
      );
    }
    return this.suffixed().read;
  }

  /** A value with its indexes and calls; `target` where it may be assigned to. */
  suffixed(): { read: LuaExpression; target?: LuaTarget } {
    let { read, target } = this.#primary();
    for (;;) {
      if (this.take("(")) {
        const args = this.isAt(")") ? [] : this.expressions();
        this.expect(")");
        read = called(read, args);
        target = undefined;
      } else if (this.isAt(".") || this.isAt("[")) {
        const key = this.#key();
        const table = read;
        read = (scope) => [member(table(scope)[0], key(scope)[0])];
        target = {
          assign: (scope, value) => {
            const found = table(scope)[0];
            if (!(found instanceof LuaTable)) throw new TypeError("attempt to index no table");
            found.set(key(scope)[0], value);
          },
        };
      } else return target === undefined ? { read } : { read, target };
    }
  }

  #key(): LuaExpression {
    if (this.take(".")) {
      const { value } = this.next();
      return () => [value];
    }
    this.expect("[");
    const key = this.expression();
    this.expect("]");
    return key;
  }

  #primary(): { read: LuaExpression; target?: LuaTarget } {
    const { kind, value } = this.next();
    if (kind === "text") return { read: () => [value] };
    if (kind === "number") return { read: () => [Number(value)] };
    if (value === "(") {
      const inner = this.expression();
      this.expect(")");
      return { read: one(inner, (each) => each) };
    }
    if (value === "{") return { read: this.#table() };
    if (value === "nil") return { read: () => [undefined] };
    if (value === "true" || value === "false") return { read: () => [value === "true"] };
    if (kind !== "name") throw new UnknownLuaError(`"${value}"`);
    return {
      read: (scope) => [scope.get(value)],
      target: { assign: (scope, assigned) => scope.set(value, assigned) },
    };
  }

  /** A list, some of whose members may say where they stand: `{ [0] = a, b, c }`. */
  #table(): LuaExpression {
    const placed: { key: LuaExpression; value: LuaExpression }[] = [];
    const items: LuaExpression[] = [];
    while (!this.take("}")) {
      if (this.take("[")) {
        const key = this.expression();
        this.expect("]");
        this.expect("=");
        placed.push({ key, value: this.expression() });
      } else items.push(this.expression());
      if (!this.isAt("}")) this.expect(",");
    }
    return (scope) => {
      const table = LuaTable.of(valuesOf(items, scope));
      for (const { key, value } of placed) table.set(key(scope)[0], value(scope)[0]);
      return [table];
    };
  }
}

/** All results of the last expression, the first of each other. */
export function valuesOf(expressions: readonly LuaExpression[], scope: LuaScope): unknown[] {
  return expressions.flatMap((expression, index) => {
    const results = expression(scope);
    return index === expressions.length - 1 ? results : [results[0]];
  });
}

function one(operand: LuaExpression, apply: (value: unknown) => unknown): LuaExpression {
  return (scope) => [apply(operand(scope)[0])];
}

function combine(op: string, left: LuaExpression, right: LuaExpression): LuaExpression {
  if (op === "and" || op === "or") {
    return (scope) => {
      const [value] = left(scope);
      return isTruthy(value) === (op === "or") ? [value] : [right(scope)[0]];
    };
  }
  const apply = BINARIES[op];
  if (apply === undefined) throw new UnknownLuaError(`operator ${op}`);
  return (scope) => [apply(left(scope)[0], right(scope)[0])];
}

function member(table: unknown, key: unknown): unknown {
  if (table instanceof LuaTable) return table.get(key);
  throw new TypeError(`attempt to index ${typeof table} with ${String(key)}`);
}

function called(callee: LuaExpression, args: readonly LuaExpression[]): LuaExpression {
  return (scope) => {
    const [callable] = callee(scope);
    if (typeof callable !== "function") throw new UnknownLuaError("a function that is not there");
    const results: unknown = callable(...valuesOf(args, scope));
    return Array.isArray(results) ? results : [results];
  };
}
