/**
 * Which open connections stand on which session or API key.
 *
 * Contract: a connection is held under its credential before anything is sent on it, and only then
 * looked up among the revoked, so that an end between the two is not missed. It closes with 4401
 * within 5 s of its credential's end; what no revocation tells (a session that just expires) is
 * found by asking Postgres once a minute. While Postgres is away nothing can be revoked that this
 * process could know of, and connections stay open.
 */
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { Revocations } from "./revocations.ts";

/** A WebSocket or event stream, as far as it matters here. */
export interface Closable {
  close(code: 4401, reason: string): void;
}

const RECHECK_MS = 60_000;
/** Ids per statement. */
const MAX_CHECKED = 5_000;
const REASON = "the session ended";

export class LiveConnections {
  readonly #revocations: Revocations;
  readonly #sinks = new Map<string, Set<Closable>>();

  constructor(revocations: Revocations) {
    this.#revocations = revocations;
    revocations.onRevoked((credentialId) => this.#close(credentialId));
  }

  /**
   * Holds a connection under its credential until `release`.
   *
   * @returns undefined when the credential has ended; the connection is closed then.
   */
  hold(credentialId: string, sink: Closable): { release(): void } | undefined {
    const sinks = this.#sinks.get(credentialId) ?? new Set();
    sinks.add(sink);
    this.#sinks.set(credentialId, sinks);
    if (this.#revocations.isRevoked(credentialId)) {
      this.#close(credentialId);
      return undefined;
    }
    return {
      release: () => {
        sinks.delete(sink);
        if (sinks.size === 0 && this.#sinks.get(credentialId) === sinks) {
          this.#sinks.delete(credentialId);
        }
      },
    };
  }

  #close(credentialId: string): void {
    const sinks = this.#sinks.get(credentialId);
    this.#sinks.delete(credentialId);
    for (const sink of sinks ?? []) sink.close(4401, REASON);
  }

  /** Asks Postgres each minute until the signal aborts. */
  async run(sql: Sql, log: Log, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(RECHECK_MS, signal);
      await this.recheck(sql).catch((error) =>
        log.warn("open connections not checked; the next minute does it", { error })
      );
    }
  }

  /** Closes what stands on a session or key that has ended or expired. */
  async recheck(sql: Sql): Promise<void> {
    const ids = [...this.#sinks.keys()];
    for (let start = 0; start < ids.length; start += MAX_CHECKED) {
      const ended = await sql<{ id: string }[]>`
        select held.id from unnest(${ids.slice(start, start + MAX_CHECKED)}::uuid[]) held (id)
        where not exists (
          select 1 from sessions s where s.id = held.id and s.expires_at > clock_timestamp())
        and not exists (
          select 1 from api_keys k where k.id = held.id and k.revoked_at is null
            and (k.expires_at is null or k.expires_at > clock_timestamp()))`;
      for (const { id } of ended) this.#close(id);
    }
  }
}
