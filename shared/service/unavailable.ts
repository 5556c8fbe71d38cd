/** Tells "a store is away, try again" from "this is wrong". */

/** Codes of sockets and of Postgres that mean: not now. */
const CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  // Read-only after a failover, a session ended for idling, a deadlock.
  "25006",
  "25P03",
  "40P01",
  // Disk full, too many connections, shutting down, crashed, starting up.
  "53100",
  "53300",
  "57P01",
  "57P02",
  "57P03",
]);

/** Of ioredis, of `withTimeout`, and of `Gather` where too many wait. */
const NAMES = new Set(["MaxRetriesPerRequestError", "TimeoutError", "GatherFullError"]);

/** What the drivers of Postgres and Redis say without a code. */
const MESSAGES = new RegExp(
  "^(Stream isn't writeable|Connection is closed|Command timed out|Socket timeout" +
    "|Connection terminated|timeout exceeded when trying to connect|Query read timeout" +
    "|Client has encountered a connection error|LOADING |MISCONF |OOM |READONLY |CLUSTERDOWN " +
    "|MASTERDOWN |NOREPLICAS |BUSY )",
);

/** Whether an error of a store will pass by itself, so that the same work may succeed later. */
export function isUnavailable(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if (NAMES.has(error.name)) return true;
  if ("code" in error && CODES.has(String(error.code))) return true;
  return MESSAGES.test(error.message);
}
