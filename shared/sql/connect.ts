/**
 * The one way to Postgres: a pool, tagged templates and transactions.
 *
 * Contract
 * - A connection that breaks is thrown away and replaced; a Postgres restart costs the statements
 *   that were under way and nothing else (ADR 0011 tells which driver could not promise that).
 * - A transaction lives and dies with one connection. When that is lost, every later statement of
 *   the transaction fails; none can run on another connection, outside the transaction.
 * - Every wait is bounded: for a free connection, for a new one, and for each answer.
 */
// @ts-types="@types/pg"
import pg from "pg";
import { withTimeout } from "shared/clock/timeout.ts";
import {
  type CompiledQuery,
  Identifier,
  InsertRows,
  JsonParameter,
  type QueryResult,
  type Runner,
  Statement,
} from "./template.ts";

type Row = Record<string, unknown>;

/** Where a query may run: on the pool or inside a transaction. */
export interface Queryable {
  /** A statement; awaiting it runs it. Column names come back in camelCase. */
  <Rows extends readonly object[] = Row[]>(
    strings: TemplateStringsArray,
    ...parts: readonly unknown[]
  ): Statement<Rows>;
  /** A name, quoted. */
  (identifier: string): Identifier;
  /** Columns and values of an insert. */
  (rows: readonly Readonly<Record<string, unknown>>[]): InsertRows;
  /** A JSON parameter. */
  json(value: unknown): JsonParameter;
  /** Text as it is, for constants of the code only: nothing from outside may be in it. */
  unsafe(text: string): Promise<QueryResult>;
}

declare const transactionBrand: unique symbol;

/** A transaction: the same templates, bound to one connection. */
export interface Tx extends Queryable {
  readonly [transactionBrand]?: true;
}

/** A pool of connections. */
export interface Sql extends Queryable {
  /**
   * Runs `work` in a transaction and commits; any error of it rolls back and is thrown.
   * When the connection is lost during the commit, the outcome is unknown and an error is thrown.
   */
  begin<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Closes the pool; statements under way get `timeout` seconds. */
  end(options: { readonly timeout: number }): Promise<void>;
}

export interface ConnectOptions {
  /** Shown in pg_stat_activity, to see who holds what. */
  readonly applicationName: string;
  /** Connections at most (DESIGN §11 "Connections" has the budget per service). */
  readonly max: number;
  /** Longest wait for an answer; an answer later than this means a dead connection. */
  readonly queryTimeoutMs?: number;
}

/** Waiting for a connection, free or new. */
const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 60_000;
/** Longer than any statement of a service. */
const QUERY_TIMEOUT_MS = 15_000;

/**
 * Opens a pool. Nothing connects before the first statement.
 *
 * @param databaseUrl with `?pgbouncer=true`, statements are not prepared by name, which poolers in
 *   transaction mode before PgBouncer 1.21 cannot carry.
 */
export function connectSql(databaseUrl: string, options: ConnectOptions): Sql {
  const { url, usesPooler } = readUrl(databaseUrl);
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    query_timeout: options.queryTimeoutMs ?? QUERY_TIMEOUT_MS,
    keepAlive: true,
  });
  // An idle connection may break at any time; the pool drops it. Without listeners the event
  // would end the process.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  const run = (query: CompiledQuery) => execute(pool, query, usesPooler);
  return Object.assign(queryable({ run }, (text) => executeText(pool, text)), {
    begin: <T>(work: (tx: Tx) => Promise<T>) => transact(pool, usesPooler, work),
    end: async ({ timeout }: { timeout: number }) => {
      await withTimeout("closing the pool", timeout * 1000, pool.end()).catch(() => {
        // Somebody still holds a connection; the process ends or the server closes it.
      });
    },
  });
}

function readUrl(databaseUrl: string): { url: string; usesPooler: boolean } {
  const url = new URL(databaseUrl);
  const usesPooler = url.searchParams.get("pgbouncer") === "true";
  url.searchParams.delete("pgbouncer");
  return { url: url.href, usesPooler };
}

/** The templates over anything that runs a compiled statement: a connection, or a double of one. */
export function queryable(
  runner: Runner,
  unsafe: (text: string) => Promise<QueryResult>,
): Queryable {
  const tag = (
    first: TemplateStringsArray | string | readonly Readonly<Record<string, unknown>>[],
    ...parts: readonly unknown[]
  ) => {
    if (typeof first === "string") return new Identifier(first);
    if (isTemplate(first)) return new Statement(runner, first, parts);
    return new InsertRows(first);
  };
  const json = (value: unknown) => new JsonParameter(value);
  return Object.assign(tag, { json, unsafe }) as Queryable;
}

function isTemplate(
  first: TemplateStringsArray | readonly Readonly<Record<string, unknown>>[],
): first is TemplateStringsArray {
  return "raw" in first;
}

type Executor = Pick<pg.Pool, "query">;

async function execute(
  executor: Executor,
  { text, values, name }: CompiledQuery,
  usesPooler: boolean,
): Promise<QueryResult> {
  const result = await executor.query({
    text,
    values: [...values],
    rowMode: "array",
    ...(name === undefined || usesPooler ? {} : { name }),
  });
  return { rows: toRows(result), count: result.rowCount ?? 0 };
}

/** Several statements may stand in one text (migrations); the last one's rows come back. */
async function executeText(executor: Executor, text: string): Promise<QueryResult> {
  const results: pg.QueryArrayResult | pg.QueryArrayResult[] = await executor.query({
    text,
    rowMode: "array",
  });
  const last = Array.isArray(results) ? results.at(-1) : results;
  return last === undefined
    ? { rows: [], count: 0 }
    : { rows: toRows(last), count: last.rowCount ?? 0 };
}

function toRows(result: pg.QueryArrayResult): object[] {
  const columns = result.fields.map((field) => toCamelCase(field.name));
  return result.rows.map((cells: readonly unknown[]) => {
    const row: Row = {};
    columns.forEach((column, index) => row[column] = cells[index]);
    return row;
  });
}

/** As many names as the source has columns and aliases. */
const camelCased = new Map<string, string>();

function toCamelCase(name: string): string {
  let camel = camelCased.get(name);
  if (camel === undefined) {
    camel = name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    camelCased.set(name, camel);
  }
  return camel;
}

async function transact<T>(
  pool: pg.Pool,
  usesPooler: boolean,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let isOver = false;
  const whileOpen = <Result>(query: () => Promise<Result>): Promise<Result> => {
    if (isOver) return Promise.reject(new Error("the transaction is over"));
    return query();
  };
  const runner = {
    run: (query: CompiledQuery) => whileOpen(() => execute(client, query, usesPooler)),
  };
  const tx = queryable(runner, (text) => whileOpen(() => executeText(client, text)));
  try {
    await client.query("begin");
    const result = await work(tx);
    isOver = true;
    await commit(client);
    client.release();
    return result;
  } catch (error) {
    isOver = true;
    await rollBack(client);
    throw error;
  }
}

/** Postgres answers ROLLBACK to the commit of a failed transaction, without an error. */
async function commit(client: pg.PoolClient): Promise<void> {
  const { command } = await client.query("commit");
  if (command !== "COMMIT") {
    throw new Error("the transaction was rolled back: a statement had failed in it");
  }
}

async function rollBack(client: pg.PoolClient): Promise<void> {
  try {
    await client.query("rollback");
    client.release();
  } catch {
    // The connection is broken: thrown away, and the server rolls back by itself.
    client.release(true);
  }
}

/** Postgres error codes the code reacts to (https://www.postgresql.org/docs/18/errcodes-appendix.html). */
export const SQLSTATE = {
  uniqueViolation: "23505",
  undefinedTable: "42P01",
} as const;

/** The error as the server reported it; undefined for any other error. */
export function serverError(error: unknown): { code: string; message: string } | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined;
  return { code: error.code ?? "", message: error.message };
}

/** Whether an error is a Postgres error with this code. */
export function isSqlState(error: unknown, code: string): boolean {
  return serverError(error)?.code === code;
}
