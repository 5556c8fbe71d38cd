/**
 * The product's `Sql` on the simulated Postgres: each statement is a request to the scheduler.
 *
 * What is lost here is lost as on a real connection: a transaction lives and dies with its own, and
 * the outcome of a commit whose reply is lost is unknown to the client.
 */
import pg from "pg";
import { queryable, type Sql, type Tx } from "shared/sql/connect.ts";
import {
  compile,
  type CompiledQuery,
  type QueryResult,
  type Statement,
} from "shared/sql/template.ts";
import type { Database, Pending } from "../postgres/database.ts";
import { connectionFault } from "../postgres/sql_error.ts";
import type { Transaction } from "../postgres/transaction.ts";
import type { Life } from "./life.ts";
import type { Answer, Fate, Request, Scheduler } from "./scheduler.ts";

/** As migration 001 sets it. */
const IDLE_IN_TRANSACTION_MS = 5_000;
/** As `shared/sql/connect.ts` waits for an answer. */
const PATIENCE_MS = 15_000;

/** The server as connections see it. */
export class PostgresServer {
  readonly database: Database;
  readonly scheduler: Scheduler;
  /** Bends statements before they run, to see whether that is noticed. */
  readonly rewrite: (text: string) => string;
  readonly #connections = new Set<Connection>();
  isDown = false;

  constructor(
    database: Database,
    scheduler: Scheduler,
    rewrite: (text: string) => string = (text) => text,
  ) {
    this.database = database;
    this.scheduler = scheduler;
    this.rewrite = rewrite;
  }

  /** The statement as it reaches the server. */
  received(query: CompiledQuery): CompiledQuery {
    return { ...query, text: this.rewrite(query.text) };
  }

  open(life: Life): Connection {
    const connection = new Connection(this, life);
    this.#connections.add(connection);
    return connection;
  }

  close(connection: Connection): void {
    this.#connections.delete(connection);
  }

  /** Whether a process holds a transaction open that waits for its next statement. */
  isInTransaction(life: Life): boolean {
    return [...this.#connections].some((connection) =>
      connection.life === life && connection.transaction !== undefined &&
      connection.runningSince === undefined
    );
  }

  /** Ends connections that stand idle inside a transaction, as the setting says. */
  tick(): void {
    for (const connection of this.#connections) {
      const isIdle = connection.runningSince === undefined &&
        this.scheduler.nowMs - connection.lastActiveMs > IDLE_IN_TRANSACTION_MS;
      if (isIdle && connection.transaction !== undefined) connection.break();
    }
  }

  /** The connections of a process that is gone; the server sees their ends. */
  hangUp(life: Life): void {
    for (const connection of this.#connections) {
      if (connection.life === life) connection.break();
    }
  }

  /** `pg_ctl stop -m immediate`: all that was not committed is gone, and so is every connection. */
  crash(downMs: number): void {
    this.isDown = true;
    for (const connection of this.#connections) connection.break();
    this.scheduler.at(downMs, () => this.isDown = false);
  }
}

export class Connection {
  readonly life: Life;
  readonly #server: PostgresServer;
  transaction: Transaction | undefined;
  lastActiveMs: number;
  runningSince: number | undefined;
  isBroken = false;

  constructor(server: PostgresServer, life: Life) {
    this.#server = server;
    this.life = life;
    this.lastActiveMs = server.scheduler.nowMs;
  }

  /** The socket is gone; what was open is rolled back. */
  break(): void {
    this.isBroken = true;
    if (this.transaction !== undefined) this.#server.database.rollBack(this.transaction);
    this.#server.close(this);
  }

  /** Sends one request; the promise settles when its reply arrives. */
  send(what: { text: string; act(): QueryResult | undefined; canRun(): boolean }) {
    if (this.isBroken) return Promise.reject(connectionFault());
    this.runningSince = this.#server.scheduler.nowMs;
    return new Promise<QueryResult>((resolve, reject) => {
      const request: Request = {
        life: this.life,
        connection: this,
        patienceMs: PATIENCE_MS,
        describe: () => `sql   ${what.text.replaceAll(/\s+/g, " ").trim().slice(0, 150)}`,
        canRun: () => this.isBroken || what.canRun(),
        run: (fate) => this.#run(what.act, fate),
        settle: (answer) => {
          if (answer.isOk) resolve(asResult(answer.value));
          else reject(answer.error);
        },
        giveUp: () => ({ isOk: false, error: new Error("Query read timeout") }),
      };
      this.#server.scheduler.submit(request);
    });
  }

  #run(act: () => QueryResult | undefined, fate: Fate): Answer | undefined {
    if (this.isBroken || this.#server.isDown || fate === "refused") {
      this.break();
      return { isOk: false, error: connectionFault() };
    }
    try {
      const result = act();
      if (result === undefined) return undefined;
      this.#rest();
      if (fate !== "reply_lost") return { isOk: true, value: result };
      this.break();
      return { isOk: false, error: connectionFault() };
    } catch (error) {
      this.#rest();
      return { isOk: false, error: this.#judged(error) };
    }
  }

  #rest(): void {
    this.runningSince = undefined;
    this.lastActiveMs = this.#server.scheduler.nowMs;
  }

  /** The product promises more than to survive these: they end the simulation. */
  #judged(error: unknown): Error {
    const { scheduler } = this.#server;
    if (!(error instanceof pg.DatabaseError)) {
      scheduler.fail(error instanceof Error ? error.stack ?? error.message : String(error));
    } else if (!isExpected(error)) {
      scheduler.fail(`${this.life.name} met ${error.code}: ${error.message}`);
    }
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** A transaction that had failed before, and the quick way to find that an event is a repeat. */
function isExpected({ code, table }: pg.DatabaseError): boolean {
  return code === "25P02" || code === "23505" && table === "processed_events";
}

function asResult(value: unknown): QueryResult {
  if (typeof value === "object" && value !== null && "rows" in value && "count" in value) {
    const { rows, count } = value;
    if (Array.isArray(rows)) return { rows, count: Number(count) };
  }
  throw new TypeError("an answer that is no result");
}

/** A pool of connections for one life of a process. */
export function openPool(server: PostgresServer, life: Life): Sql {
  const { database } = server;
  const run = async (query: CompiledQuery) => {
    const connection = server.open(life);
    let pending: Pending | undefined;
    const act = () => {
      if (pending === undefined) {
        connection.transaction = database.begin();
        pending = { query: server.received(query), transaction: connection.transaction };
      }
      const step = stepOrRollBack(database, pending);
      if (!step.isDone) return undefined;
      database.commit(pending.transaction);
      return step.result;
    };
    try {
      return await connection.send({
        text: query.text,
        act,
        canRun: () => pending === undefined || isFree(pending.transaction),
      });
    } finally {
      server.close(connection);
    }
  };
  const unsafe = (text: string) => run({ text, values: [], name: undefined });
  return Object.assign(queryable({ run }, unsafe), {
    begin: <T>(work: (tx: Tx) => Promise<T>) => transact(server, life, work),
    end: () => Promise.resolve(),
  });
}

function stepOrRollBack(database: Database, pending: Pending) {
  try {
    return database.step(pending);
  } catch (error) {
    database.rollBack(pending.transaction);
    throw error;
  }
}

/** Whether one of those it waits for has ended, or it need not wait. */
function isFree({ waitsFor }: Transaction): boolean {
  if (waitsFor.size === 0) return true;
  return [...waitsFor].some((holder) => holder.isOver);
}

/** The same steps as `transact` in shared/sql/connect.ts. */
async function transact<T>(
  server: PostgresServer,
  life: Life,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const { database } = server;
  const connection = server.open(life);
  const transaction = database.begin();
  connection.transaction = transaction;
  let isOver = false;
  const waiting: CompiledQuery[] = [];
  const send = (query: CompiledQuery) => {
    const pending: Pending = { query: server.received(query), transaction };
    return connection.send({
      text: query.text,
      act: () => {
        const step = database.step(pending);
        return step.isDone ? step.result : undefined;
      },
      canRun: () => isFree(transaction),
    });
  };
  // Each by itself: the server may die between any two of a packet.
  const flush = async () => {
    for (const query of waiting.splice(0)) await send(query);
  };
  const run = async (query: CompiledQuery) => {
    if (isOver) throw new Error("the transaction is over");
    await flush();
    return await send(query);
  };
  const defer = (statement: Statement<readonly object[]>) => {
    if (isOver) throw new Error("the transaction is over");
    waiting.push(compile(statement));
  };
  const templates = queryable({ run }, (text) => run({ text, values: [], name: undefined }));
  try {
    const result = await work(Object.assign(templates, { defer }));
    isOver = true;
    await flush();
    await commit(server, connection, transaction);
    server.close(connection);
    return result;
  } catch (error) {
    isOver = true;
    await rollBack(server, connection, transaction);
    throw error;
  }
}

async function commit(
  { database }: PostgresServer,
  connection: Connection,
  transaction: Transaction,
): Promise<void> {
  let isCommitted = false;
  await connection.send({
    text: "commit",
    act: () => {
      isCommitted = database.commit(transaction);
      return { rows: [], count: 0 };
    },
    canRun: () => true,
  });
  if (!isCommitted) {
    throw new Error("the transaction was rolled back: a statement had failed in it");
  }
}

async function rollBack(
  server: PostgresServer,
  connection: Connection,
  transaction: Transaction,
): Promise<void> {
  try {
    await connection.send({
      text: "rollback",
      act: () => {
        server.database.rollBack(transaction);
        return { rows: [], count: 0 };
      },
      canRun: () => true,
    });
  } catch {
    // The connection is broken; the server has rolled back by itself.
  }
  server.close(connection);
}
