/** Functions of Postgres that the simulated statements call. */
import { textOf, timeText } from "./values.ts";

/** The format of `Date.toISOString`. */
const ISO_FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';

interface SqlFunction {
  /** Of the result; undefined where it follows from the arguments or does not matter. */
  readonly type?: string;
  /** Null for null arguments, unless it says otherwise. */
  readonly takesNull?: true;
  apply(args: readonly unknown[]): unknown;
}

export const FUNCTIONS: Readonly<Record<string, SqlFunction>> = {
  coalesce: {
    takesNull: true,
    apply: (args) => args.find((arg) => arg !== null && arg !== undefined) ?? null,
  },
  greatest: { apply: (args) => Math.max(...args.map(Number)) },
  least: { apply: (args) => Math.min(...args.map(Number)) },
  lower: { type: "text", apply: ([text]) => textOf(text).toLowerCase() },
  length: { type: "integer", apply: ([text]) => textOf(text).length },
  floor: { type: "float8", apply: ([number]) => Math.floor(Number(number)) },
  extract_epoch: { type: "float8", apply: ([ms]) => Number(ms) / 1000 },
  to_timestamp: { type: "timestamptz", apply: ([seconds]) => Number(seconds) * 1000 },
  to_char: {
    type: "text",
    apply: ([ms, format]) => {
      if (format !== ISO_FORMAT) throw new TypeError(`to_char with ${format}`);
      return timeText(Number(ms));
    },
  },
  jsonb_build_object: { type: "jsonb", takesNull: true, apply: buildObject },
  json_build_object: { type: "json", takesNull: true, apply: buildObject },
  array_length: {
    type: "integer",
    apply: ([array]) => Array.isArray(array) && array.length > 0 ? array.length : null,
  },
  cardinality: {
    type: "integer",
    apply: ([array]) => Array.isArray(array) ? array.length : null,
  },
  // Of migration 006.
  price_parts_sum: { type: "bigint", apply: ([parts]) => sumParts(parts) },
  // Wake-ups are the scheduler's business; a relay must not depend on them.
  pg_notify: { takesNull: true, apply: () => "" },
};

function buildObject(args: readonly unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let at = 0; at + 1 < args.length; at += 2) object[textOf(args[at])] = args[at + 1] ?? null;
  return object;
}

function sumParts(parts: unknown): number {
  const list: unknown = typeof parts === "string" ? JSON.parse(parts) : parts;
  if (!Array.isArray(list)) throw new TypeError("price_parts_sum of what is no array");
  return list.reduce<number>((sum, part: { amountMinor: number }) => sum + part.amountMinor, 0);
}

/** Aggregates, given the values of all rows without the nulls. */
export const AGGREGATES: Readonly<Record<string, (values: readonly unknown[]) => unknown>> = {
  count: (values) => values.length,
  min: (values) => values.length === 0 ? null : values.reduce((a, b) => isLess(b, a) ? b : a),
  max: (values) => values.length === 0 ? null : values.reduce((a, b) => isLess(a, b) ? b : a),
  sum: (values) => values.length === 0 ? null : values.reduce<number>((a, b) => a + Number(b), 0),
  jsonb_agg: (values) => values.length === 0 ? null : [...values],
};

function isLess(a: unknown, b: unknown): boolean {
  if (typeof a === "number" && typeof b === "number") return a < b;
  return textOf(a) < textOf(b);
}
