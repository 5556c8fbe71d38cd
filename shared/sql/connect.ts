import postgres from "postgres";

/** A pool of connections; also a tagged template: `` await sql`select ...` ``. */
export type Sql = postgres.Sql;
/** A transaction: the same template, bound to one connection. */
export type Tx = postgres.TransactionSql;
/** Where a query may run: on the pool or inside a transaction. */
export type Queryable = Sql | Tx;

export interface ConnectOptions {
  /** Shown in pg_stat_activity, to see who holds what. */
  readonly applicationName: string;
  /** Connections at most (DESIGN §11 "Connections" has the budget per service). */
  readonly max: number;
}

const CONNECT_TIMEOUT_S = 5;
const IDLE_TIMEOUT_S = 60;

/**
 * Opens a pool. Nothing connects before the first query, and a lost connection is replaced by the
 * next one, so Postgres may restart under a running service.
 */
export function connectSql(databaseUrl: string, options: ConnectOptions): Sql {
  return postgres(databaseUrl, {
    max: options.max,
    connect_timeout: CONNECT_TIMEOUT_S,
    idle_timeout: IDLE_TIMEOUT_S,
    onnotice: () => {},
    connection: { application_name: options.applicationName },
    // Only column names: keys inside JSON are data and stay as they were written.
    transform: { column: { from: postgres.toCamel } },
  });
}

/** Postgres error codes the code reacts to (https://www.postgresql.org/docs/18/errcodes-appendix.html). */
export const SQLSTATE = {
  uniqueViolation: "23505",
  undefinedTable: "42P01",
  invalidCatalogName: "3D000",
} as const;

/** Whether an error is a Postgres error with this code. */
export function isSqlState(error: unknown, code: string): boolean {
  return error instanceof postgres.PostgresError && error.code === code;
}
