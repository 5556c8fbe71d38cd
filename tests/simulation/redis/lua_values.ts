/** Lua values: nil is undefined; numbers, texts and booleans are themselves. */
import { UnknownLuaError } from "./lua_lexer.ts";
import { pack, unpack as unpackStruct } from "./lua_struct.ts";

export type LuaFunction = (...args: unknown[]) => unknown[];

/** A table; positions count from 1. */
export class LuaTable {
  readonly #members = new Map<unknown, unknown>();
  #length = 0;

  static of(items: readonly unknown[]): LuaTable {
    const table = new LuaTable();
    items.forEach((item, index) => table.set(index + 1, item));
    return table;
  }

  /** The first position behind which there is nothing, as `#` finds it in a list. */
  get length(): number {
    return this.#length;
  }

  get(key: unknown): unknown {
    return this.#members.get(key);
  }

  set(key: unknown, value: unknown): void {
    if (value === undefined) {
      this.#members.delete(key);
      if (key === this.#length) this.#length--;
      return;
    }
    this.#members.set(key, value);
    while (this.#members.has(this.#length + 1)) this.#length++;
  }

  list(): unknown[] {
    return Array.from({ length: this.#length }, (_, index) => this.#members.get(index + 1));
  }

  entries(): [unknown, unknown][] {
    return [...this.#members];
  }
}

export function isTruthy(value: unknown): boolean {
  return value !== undefined && value !== false;
}

export function luaText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new UnknownLuaError(`the text of a ${typeof value}`);
}

export function luaNumber(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const number = Number(value);
  return Number.isNaN(number) ? undefined : number;
}

/** The libraries that Redis gives to scripts, as far as the product's scripts use them. */
export function luaLibraries(call: LuaFunction): LuaTable {
  return tableOf({
    redis: tableOf({ call }),
    tonumber: (value) => [luaNumber(value)],
    tostring: (value) => [luaText(value)],
    unpack: (table, from = 1, to) => [
      ...listOf(table).slice(Number(from) - 1, to === undefined ? undefined : Number(to)),
    ],
    ipairs: (table) => [listOf(table).map((value, index) => [index + 1, value])],
    pairs: (table) => [table instanceof LuaTable ? table.entries() : []],
    math: tableOf({
      floor: (number) => [Math.floor(Number(number))],
      min: (...numbers) => [Math.min(...numbers.map(Number))],
      max: (...numbers) => [Math.max(...numbers.map(Number))],
      abs: (number) => [Math.abs(Number(number))],
      cos: (number) => [Math.cos(Number(number))],
      sqrt: (number) => [Math.sqrt(Number(number))],
    }),
    string: tableOf({
      format: (format, number) => {
        if (format !== "%.0f") throw new UnknownLuaError(`the format ${luaText(format)}`);
        return [String(Math.round(Number(number)))];
      },
      find: (text, part, _from, isPlain) => {
        if (isPlain !== true) throw new UnknownLuaError("a pattern");
        const at = luaText(text).indexOf(luaText(part));
        return [at === -1 ? undefined : at + 1];
      },
      rep: (text, count) => [luaText(text).repeat(Number(count))],
      byte: (text, at = 1) => [luaText(text).charCodeAt(Number(at) - 1)],
      char: (...codes) => [String.fromCharCode(...codes.map(Number))],
      sub: (text, from, to) => [
        luaText(text).slice(Number(from) - 1, to === undefined ? undefined : Number(to)),
      ],
    }),
    table: tableOf({
      concat: (table, separator = "") => [listOf(table).map(luaText).join(luaText(separator))],
    }),
    struct: tableOf({ pack, unpack: unpackStruct }),
    cjson: tableOf({ decode: (text) => [fromJson(JSON.parse(luaText(text)))] }),
  });
}

function tableOf(members: Readonly<Record<string, LuaFunction | LuaTable>>): LuaTable {
  const table = new LuaTable();
  for (const [name, member] of Object.entries(members)) table.set(name, member);
  return table;
}

function listOf(value: unknown): unknown[] {
  if (value instanceof LuaTable) return value.list();
  throw new UnknownLuaError(`a list that is a ${typeof value}`);
}

function fromJson(value: unknown): unknown {
  if (Array.isArray(value)) return LuaTable.of(value.map(fromJson));
  if (typeof value !== "object" || value === null) return value ?? undefined;
  const table = new LuaTable();
  for (const [name, member] of Object.entries(value)) table.set(name, fromJson(member));
  return table;
}
