/** Errors of the double, as the driver reports those of a server. */
import pg from "pg";

/** What a statement meets that Postgres would report with a code. */
export function serverFault(code: string, message: string, table?: string): Error {
  const error = new pg.DatabaseError(message, message.length, "error");
  error.code = code;
  error.table = table;
  return error;
}

/** The connection ended before the answer came; what was asked for may have happened. */
export function connectionFault(): Error {
  return new Error("Connection terminated unexpectedly");
}

/**
 * Thrown for SQL that the double does not know. It never guesses: whoever writes such a statement
 * extends the double and its contract, or keeps the statement out of the simulation.
 */
export class UnknownSqlError extends Error {
  override readonly name = "UnknownSqlError";

  constructor(what: string, text: string) {
    super(
      `the simulated Postgres (tests/simulation/postgres) does not know ${what} in: ${
        text.replaceAll(/\s+/g, " ").trim().slice(0, 300)
      }`,
    );
  }
}
