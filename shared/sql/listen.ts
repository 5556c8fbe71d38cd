/**
 * LISTEN on a connection of its own, kept up for as long as the process lives.
 *
 * Contract: notifications are hints. `onReady` is called after each (re)connect, because what was
 * sent meanwhile is lost: the caller looks for itself then.
 */
// @ts-types="@types/pg"
import pg from "pg";
import { pause, withTimeout } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";

const RECONNECT_MS = 500;
const CONNECT_TIMEOUT_MS = 5_000;
/** A connection that does not answer a ping in this time is dead, whatever the socket says. */
const PING_TIMEOUT_MS = 5_000;
const PING_MS = 10_000;
const CLOSE_TIMEOUT_MS = 1_000;

export interface ListenOptions {
  /** Directly to Postgres: a pooler in transaction mode loses LISTEN. */
  readonly databaseUrl: string;
  readonly channel: string;
  readonly applicationName: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  onNotification(): void;
  onReady(): void;
}

/** Listens until the signal aborts. */
export async function listen(options: ListenOptions): Promise<void> {
  while (!options.signal.aborted) {
    try {
      await listenOnce(options);
    } catch (error) {
      options.log.warn("cannot listen for notifications; it is tried again", { error });
    }
    await pause(RECONNECT_MS, options.signal);
  }
}

/** Returns when the signal aborts; throws when the connection is lost. */
async function listenOnce(options: ListenOptions): Promise<void> {
  const { databaseUrl, channel, applicationName, signal } = options;
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: PING_TIMEOUT_MS,
    keepAlive: true,
  });
  const lost = new AbortController();
  client.on("error", () => lost.abort());
  client.on("end", () => lost.abort());
  client.on("notification", () => options.onNotification());
  try {
    await client.connect();
    await client.query(`listen ${client.escapeIdentifier(channel)}`);
    options.onReady();
    const ended = AbortSignal.any([lost.signal, signal]);
    while (!ended.aborted) {
      await pause(PING_MS, ended);
      if (!ended.aborted) await client.query("select 1");
    }
    if (!signal.aborted) throw new Error("the connection was lost");
  } finally {
    // Bounded: a dead socket never confirms its end, and the next connection must not wait for it.
    await withTimeout("closing the connection", CLOSE_TIMEOUT_MS, client.end()).catch((error) =>
      options.log.debug("connection not closed well", { error })
    );
  }
}
