/**
 * Sessions and API keys that ended, known to every process that verifies without asking.
 *
 * Contract: whoever ends a credential notes its id in the same transaction. Each process reads the
 * newest rows once a second, so it knows of an end within `FRESH_MS` of its commit or says that it
 * does not (`isFresh`). Only Postgres is asked: it decides, and a Redis that is away changes
 * nothing. Ids are remembered longer than any access token or cache entry lives.
 */
import { pause, withTimeout } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Queryable, Sql } from "shared/sql/connect.ts";

const POLL_MS = 1_000;
const POLL_TIMEOUT_MS = 2_000;
/** What has not been read for this long is not relied on: two polls may fail, not three. */
const FRESH_MS = 4_000;
/** Longer than an access token (4.5 min) or a cached session (5 min) lives. */
const REMEMBER_S = 600;
/** Rows are read again for this long: a transaction may commit after its row's time. */
const OVERLAP_S = 30;
/** Beyond it the oldest are forgotten first: they are nearest to the end of their use. */
const MAX_REMEMBERED = 200_000;

/** Notes in the caller's transaction that these credentials ended. */
export async function noteRevoked(tx: Queryable, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx`insert into revocations (credential_id) select unnest(${[...ids]}::uuid[])`;
}

export class Revocations {
  readonly #sql: Sql;
  readonly #log: Log;
  readonly #now: () => number;
  /** By credential id, since when; in the order of arrival. */
  readonly #ended = new Map<string, number>();
  readonly #listeners = new Set<(credentialId: string) => void>();
  #readAtMs = -Infinity;

  /** @param now milliseconds of a clock that never jumps. */
  constructor(deps: { sql: Sql; log: Log; now?: () => number }) {
    this.#sql = deps.sql;
    this.#log = deps.log;
    this.#now = deps.now ?? (() => performance.now());
  }

  /** Whether the credential is known to have ended. */
  isRevoked(credentialId: string): boolean {
    return this.#ended.has(credentialId);
  }

  /** Whether `isRevoked` knows every end that was committed 5 s ago. */
  isFresh(): boolean {
    return this.#now() - this.#readAtMs <= FRESH_MS;
  }

  /** Calls back once for each credential that ends from now on; returns what stops it. */
  onRevoked(listener: (credentialId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads each second until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.poll();
      } catch (error) {
        this.#log.warn("revocations not read", { error });
      }
      await pause(POLL_MS, signal);
    }
  }

  /** Reads once. @throws when Postgres does not answer in time. */
  async poll(): Promise<void> {
    const startedAtMs = this.#now();
    // After a pause everything that matters is read again.
    const sinceS = this.isFresh() ? OVERLAP_S : REMEMBER_S;
    const rows = await withTimeout(
      "reading revocations",
      POLL_TIMEOUT_MS,
      this.#sql<{ credentialId: string }[]>`
        select credential_id from revocations
        where at > clock_timestamp() - ${sinceS} * interval '1 second'
        order by at desc limit ${MAX_REMEMBERED}`.then((found) => found),
    );
    this.#readAtMs = startedAtMs;
    for (const { credentialId } of rows.toReversed()) this.#add(credentialId, startedAtMs);
    this.#forget(startedAtMs - REMEMBER_S * 1_000);
  }

  #add(credentialId: string, atMs: number): void {
    if (this.#ended.has(credentialId)) return;
    this.#ended.set(credentialId, atMs);
    for (const listener of this.#listeners) {
      try {
        listener(credentialId);
      } catch (error) {
        this.#log.error("a listener of revocations failed", { error });
      }
    }
  }

  #forget(beforeMs: number): void {
    for (const [credentialId, atMs] of this.#ended) {
      if (atMs >= beforeMs && this.#ended.size <= MAX_REMEMBERED) return;
      this.#ended.delete(credentialId);
    }
  }
}
