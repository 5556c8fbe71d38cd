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
import { Deadlines } from "shared/clock/deadlines.ts";
import { withTimeout } from "shared/clock/timeout.ts";
import { type PacketResult, type PacketStatement, sendPacket, toCamelCase } from "./packet.ts";
import {
  compile,
  type CompiledQuery,
  Identifier,
  InsertRows,
  JsonParameter,
  type QueryResult,
  type RowsOfAll,
  type Runner,
  runTogether,
  Statement,
} from "./template.ts";

/** Where a query may run: on the pool or inside a transaction. */
export interface Queryable {
  /** A statement; awaiting it runs it. Column names come back in camelCase. */
  <Rows extends readonly object[] = Record<string, unknown>[]>(
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
  /**
   * Several statements in one packet, and the rows of each; what is undefined has none. They run in
   * their order, each on a snapshot of its own; where one fails, its error is everybody's.
   */
  together<const Asked extends readonly (Statement<readonly object[]> | undefined)[]>(
    asked: Asked,
  ): Promise<RowsOfAll<Asked>>;
}

declare const transactionBrand: unique symbol;

/** A transaction: the same templates, bound to one connection. */
export interface Tx extends Queryable {
  readonly [transactionBrand]?: true;
  /**
   * A write whose answer nobody needs: it is sent with the next statement, or with the commit, which
   * saves a round trip. Where it fails, they fail with its error and the transaction is rolled back.
   */
  defer(statement: Statement<readonly object[]>): void;
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
    keepAlive: true,
  });
  // An idle connection may break at any time; the pool drops it. Without listeners the event
  // would end the process.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  const answers = new Deadlines(
    options.queryTimeoutMs ?? QUERY_TIMEOUT_MS,
    () => new Error("Query read timeout"),
  );
  const server: Server = { pool, usesPooler, answers };
  const runAll = (queries: readonly CompiledQuery[]) => executeAll(server, queries);
  const run = async (query: CompiledQuery) => only(await runAll([query]));
  return Object.assign(queryable({ run, runAll }, (text) => executeText(server, text)), {
    begin: <T>(work: (tx: Tx) => Promise<T>) => transact(server, work),
    end: async ({ timeout }: { timeout: number }) => {
      await withTimeout("closing the pool", timeout * 1000, pool.end()).catch(() => {
        // Somebody still holds a connection; the process ends or the server closes it.
      });
    },
  });
}

interface Server {
  readonly pool: pg.Pool;
  readonly usesPooler: boolean;
  /** The wait for each answer; a connection that owes one for longer is given up. */
  readonly answers: Deadlines;
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
  const together = <const Asked extends readonly (Statement<readonly object[]> | undefined)[]>(
    asked: Asked,
  ) => runTogether(runner, asked);
  return Object.assign(tag, { json, unsafe, together }) as Queryable;
}

function isTemplate(
  first: TemplateStringsArray | readonly Readonly<Record<string, unknown>>[],
): first is TemplateStringsArray {
  return "raw" in first;
}

async function executeAll(
  { pool, usesPooler, answers }: Server,
  queries: readonly CompiledQuery[],
): Promise<readonly QueryResult[]> {
  const statements = queries.map(({ text, values, name }) => (
    { text, values, name: usesPooler ? undefined : name, isRead: true }
  ));
  return await borrow(pool, (client) => answers.bound(sendPacket(client, statements)));
}

async function executeText({ pool, answers }: Server, text: string): Promise<QueryResult> {
  return await borrow(pool, async (client) => await answers.bound(sendText(client, text)));
}

async function borrow<T>(pool: pg.Pool, use: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    const result = await use(client);
    client.release();
    return result;
  } catch (error) {
    client.release(isBroken(error));
    throw error;
  }
}

/** The last of some results. */
function only<Result extends QueryResult>(results: readonly Result[]): Result {
  const result = results.at(-1);
  if (result === undefined) throw new RangeError("Cannot send: statements must be at least 1");
  return result;
}

/** Several statements may stand in one text (migrations); the last one's rows come back. */
async function sendText(client: pg.ClientBase, text: string): Promise<QueryResult> {
  const results: pg.QueryArrayResult | pg.QueryArrayResult[] = await client.query({
    text,
    rowMode: "array",
  });
  const last = Array.isArray(results) ? results.at(-1) : results;
  if (last === undefined) return { rows: [], count: 0 };
  const columns = last.fields.map(({ name }: pg.FieldDef) => toCamelCase(name));
  const rows = last.rows.map((cells: readonly unknown[]) =>
    Object.fromEntries(columns.map((column: string, index: number) => [column, cells[index]]))
  );
  return { rows, count: last.rowCount ?? 0 };
}

/** Whether a connection is of no more use: it broke, it did not answer, or Postgres ends it. */
function isBroken(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || error.severity !== "ERROR";
}

async function transact<T>(
  server: Server,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const transaction = new Transaction(await server.pool.connect(), server);
  try {
    const result = await work(transaction.templates());
    await transaction.commit();
    return result;
  } catch (error) {
    await transaction.rollBack();
    throw error;
  }
}

const BEGIN = { text: "begin", values: [], name: "begin", isRead: false };
const COMMIT = { text: "commit", values: [], name: "commit", isRead: false };

/**
 * One transaction on one connection. What need not be answered now waits for the next statement that
 * must be: BEGIN for the first, deferred writes for any, and the last of them go with COMMIT.
 */
class Transaction {
  readonly #client: pg.PoolClient;
  readonly #usesPooler: boolean;
  readonly #answers: Deadlines;
  #waiting: PacketStatement[] = [];
  #isOver = false;
  #isBroken = false;

  constructor(client: pg.PoolClient, { usesPooler, answers }: Server) {
    this.#client = client;
    this.#usesPooler = usesPooler;
    this.#answers = answers;
    this.#wait(BEGIN);
  }

  templates(): Tx {
    const runAll = async (queries: readonly CompiledQuery[]) => {
      this.#requireOpen();
      const results = await this.#send(queries.map((query) => ({ ...query, isRead: true })));
      // Before them there may be what had waited.
      return results.slice(-queries.length);
    };
    const run = async (query: CompiledQuery) => only(await runAll([query]));
    const unsafe = async (text: string) => {
      this.#requireOpen();
      await this.#flush();
      return await this.#watch(sendText(this.#client, text));
    };
    const defer = (statement: Statement<readonly object[]>) => {
      this.#requireOpen();
      this.#wait({ ...compile(statement), isRead: false });
    };
    return Object.assign(queryable({ run, runAll }, unsafe), { defer });
  }

  /** @throws where it did not commit, or nobody knows whether it did. */
  async commit(): Promise<void> {
    this.#isOver = true;
    // Postgres answers ROLLBACK to the commit of a failed transaction, without an error.
    const { command } = only(await this.#send([COMMIT]));
    if (command !== "COMMIT") {
      throw new Error("the transaction was rolled back: a statement had failed in it");
    }
    this.#client.release();
  }

  async rollBack(): Promise<void> {
    this.#isOver = true;
    const isBegun = !this.#waiting.some(({ text }) => text === BEGIN.text);
    if (isBegun && !this.#isBroken) {
      try {
        await this.#watch(this.#client.query("rollback"));
      } catch {
        // The connection is broken: thrown away, and the server rolls back by itself.
      }
    }
    this.#client.release(this.#isBroken);
  }

  #requireOpen(): void {
    if (this.#isOver) throw new Error("the transaction is over");
  }

  #wait(statement: PacketStatement): void {
    this.#waiting.push(this.#usesPooler ? { ...statement, name: undefined } : statement);
  }

  async #flush(): Promise<void> {
    const packet = this.#waiting;
    this.#waiting = [];
    if (packet.length > 0) await this.#watch(sendPacket(this.#client, packet));
  }

  async #send(statements: readonly PacketStatement[]): Promise<readonly PacketResult[]> {
    for (const statement of statements) this.#wait(statement);
    const packet = this.#waiting;
    this.#waiting = [];
    return await this.#watch(sendPacket(this.#client, packet));
  }

  async #watch<T>(answer: Promise<T>): Promise<T> {
    try {
      return await this.#answers.bound(answer);
    } catch (error) {
      this.#isBroken ||= isBroken(error);
      throw error;
    }
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
