/**
 * Values inside the double. Times are milliseconds since 1970 and intervals milliseconds, both as
 * numbers; bigint is a number too (no simulated id or fence comes near 2^53); jsonb is what
 * JSON.parse made of it.
 */

export type Tuple = Record<string, unknown>;

const NUMBERS = new Set([
  "bigint",
  "int8",
  "integer",
  "int",
  "int4",
  "smallint",
  "float8",
  "double precision",
  "real",
  "numeric",
]);
const TIMES = new Set(["timestamptz", "timestamp with time zone"]);
const DOCUMENTS = new Set(["jsonb", "json"]);

/** Turns a value, also one from outside, into a value of the type. */
export function coerce(value: unknown, type: string | undefined): unknown {
  if (value === null || value === undefined) return null;
  if (type === undefined) return value;
  if (type.endsWith("[]")) {
    const item = type.slice(0, -2);
    if (value === "{}") return [];
    return Array.isArray(value) ? value.map((each) => coerce(each, item)) : value;
  }
  if (NUMBERS.has(type)) return Number(value);
  if (TIMES.has(type)) {
    if (value instanceof Date) return value.getTime();
    return typeof value === "string" ? Date.parse(value) : value;
  }
  if (DOCUMENTS.has(type)) return typeof value === "string" ? JSON.parse(value) : value;
  if (type === "boolean") return value === true || value === "true" || value === "t";
  if (type === "text") return textOf(value);
  return value;
}

/** A value as the driver hands it out. */
export function toDriver(value: unknown, type: string | undefined): unknown {
  if (value === null || value === undefined) return null;
  if (type === "bigint" || type === "int8") return String(value);
  if (type !== undefined && TIMES.has(type)) return new Date(Math.floor(Number(value)));
  return value;
}

/** A value as text, as `||` and `::text` make it. */
export function textOf(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** `timestamptz` and `timestamp` print alike: all times are UTC. */
export function isTime(type: string | undefined): boolean {
  return type !== undefined && TIMES.has(type);
}

/** Below 0, 0 or above 0; null when one of them is null. */
export function compareValues(a: unknown, b: unknown): number | null {
  if (a === null || b === null) return null;
  if (typeof a === "number" || typeof b === "number") return Number(a) - Number(b);
  const [left, right] = [textOf(a), textOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Compares for `order by`, where nulls come last. */
export function compareNullsLast(a: unknown, b: unknown): number {
  if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0);
  return compareValues(a, b) ?? 0;
}

/** `to_char(..., 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`, the one format the product uses. */
export function timeText(ms: number): string {
  return new Date(Math.floor(ms)).toISOString();
}
