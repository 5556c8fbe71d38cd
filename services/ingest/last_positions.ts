import type { Fix } from "shared/availability/availability.ts";
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Sql } from "shared/sql/connect.ts";

/** How old the copy in Postgres may be: it only helps when Redis is lost. */
const FLUSH_MS = 15_000;
const MAX_ROWS = 5_000;

/**
 * Keeps a coarse copy of each courier's newest fix in Postgres, off the request path. A flush that
 * fails keeps its fixes for the next one; newer ones replace them, so memory is bounded by the
 * number of couriers.
 */
export class LastPositions {
  readonly #sql: Sql;
  readonly #log: Log;
  #noted = new Map<string, { fix: Fix; receivedAt: Date }>();

  constructor(sql: Sql, log: Log) {
    this.#sql = sql;
    this.#log = log;
  }

  /** Remembers an accepted fix for the next flush. */
  note(courierId: string, fix: Fix): void {
    const receivedAt = new Date();
    // As in Redis: a fix from the future would outrank every true one after it.
    const recordedAtMs = Math.min(Date.parse(fix.recordedAt), receivedAt.getTime());
    const recordedAt = new Date(recordedAtMs).toISOString();
    this.#noted.set(courierId, { fix: { ...fix, recordedAt }, receivedAt });
  }

  /** Flushes until the signal aborts, and once more then. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(FLUSH_MS, signal);
      await this.flush();
    }
  }

  /** Writes what was noted. An older fix never replaces a newer one. */
  async flush(): Promise<void> {
    const noted = this.#noted;
    this.#noted = new Map();
    const rows = [...noted];
    for (let start = 0; start < rows.length; start += MAX_ROWS) {
      await this.#write(rows.slice(start, start + MAX_ROWS)).catch((error) => {
        this.#log.warn("last positions not written; they are tried again", { error });
        for (const [id, entry] of rows.slice(start)) {
          if (!this.#noted.has(id)) this.#noted.set(id, entry);
        }
      });
    }
  }

  async #write(rows: readonly [string, { fix: Fix; receivedAt: Date }][]): Promise<void> {
    const values = rows.map(([courierId, { fix, receivedAt }]) => ({
      courier_id: courierId,
      lat: fix.lat,
      lon: fix.lon,
      accuracy_m: fix.accuracyM ?? null,
      heading_deg: fix.headingDeg ?? null,
      speed_mps: fix.speedMps ?? null,
      recorded_at: fix.recordedAt,
      received_at: receivedAt,
    }));
    await this.#sql`
      insert into courier_last_positions ${this.#sql(values)}
      on conflict (courier_id) do update set lat = excluded.lat, lon = excluded.lon,
        accuracy_m = excluded.accuracy_m, heading_deg = excluded.heading_deg,
        speed_mps = excluded.speed_mps, recorded_at = excluded.recorded_at,
        received_at = excluded.received_at
      where courier_last_positions.recorded_at < excluded.recorded_at`;
  }
}
