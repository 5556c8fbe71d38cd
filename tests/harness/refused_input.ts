/** What every refusal of wrong input promises: it names field, bound and value, and nothing is written. */
import assert from "node:assert/strict";
import type { Sql } from "shared/sql/connect.ts";
import type { OpenApiDocument, Parameter } from "../../services/gateway/openapi/document.ts";
import { schemaFaults } from "./json_schema.ts";

/** A refusal as it came. */
export interface Refused {
  readonly status: number;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>> | undefined;
}

/** Never echoed: secrets, and how to reach a person. */
const HIDDEN = /password|token|secret|ticket|phone|email/i;

/** Texts that hardly any query or id may be. */
export const WRONG_TEXTS: readonly string[] = [
  "NaN",
  "Infinity",
  "-1",
  "181",
  "-181",
  "1e308",
  "x".repeat(300),
  "\u0000",
  "0",
];

/** How many rows each table has: what is refused leaves none. */
async function rowCounts(sql: Sql): Promise<Record<string, number>> {
  const tables = await sql<{ name: string }[]>`
    select relname as name from pg_class
    where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and not relispartition
    order by 1`;
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ${sql(name)}`;
    counts[name] = row?.count ?? -1;
  }
  return counts;
}

/** @throws AssertionError where any table has another number of rows afterwards. */
export async function assertNothingWritten(
  sql: Sql,
  name: string,
  act: () => Promise<void>,
): Promise<void> {
  const before = await rowCounts(sql);
  assert.ok(Object.keys(before).length > 20, "these are not all tables");
  await act();
  assert.deepEqual(await rowCounts(sql), before, `${name} wrote something`);
}

/** The refusal names field, bound and, where there is one to be shown, the value. */
export function assertNamesField(answer: Refused, what: string, sent?: unknown): void {
  assert.equal(answer.status, 422, `${what}: ${answer.status} ${answer.text.slice(0, 300)}`);
  assert.equal(answer.json?.["code"], "request.invalid", what);
  const errors = (answer.json?.["errors"] ?? []) as unknown as Record<string, unknown>[];
  assert.ok(errors.length > 0, `${what} names no field: ${answer.text}`);
  for (const { field, bound, value } of errors) {
    assert.ok(String(field).length > 0 && String(bound).length > 0, `${what}: ${answer.text}`);
    if (sent === undefined || bound === "is not a known field" || HIDDEN.test(`${field}`)) continue;
    const held = field === "body" ? sent : valueAt(sent, `${field}`);
    assert.equal(value !== undefined, held !== undefined, `${what}, value: ${answer.text}`);
  }
}

/** What a dotted path leads to. */
function valueAt(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>(
    (at, key) => typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined,
    value,
  );
}

/** At most so many of all, by a seeded choice. */
export function chosen<T>(all: readonly T[], max: number, random: () => number): T[] {
  return all.map((item) => ({ item, order: random() })).toSorted((a, b) => a.order - b.order)
    .slice(0, max).map(({ item }) => item);
}

/** As a query is read: a number where the text is one. */
export function isWrong(document: OpenApiDocument, { schema }: Parameter, text: string): boolean {
  const number = Number(text);
  const value = Number.isNaN(number) ? text : number;
  return schemaFaults(document, schema, text).length > 0 &&
    schemaFaults(document, schema, value).length > 0;
}
