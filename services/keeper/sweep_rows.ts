/** Removes rows whose time has passed and makes the next partitions, once an hour. */
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { KeeperMetrics } from "./metrics.ts";
import { type PositionRetention, sweepPositions } from "./sweep_positions.ts";

const SWEEP_MS = 60 * 60_000;
const RETRY_MS = 60_000;
const MONTHS_AHEAD = 3;
/** Rows per statement, so that no sweep holds locks or the log for long. */
const BATCH_ROWS = 10_000;
const MAX_BATCHES = 1_000;

/**
 * What is removed when. Events stay longer than any consumer's checkpoint may be old, and the
 * memory of handled events longer than the events (DESIGN §11).
 */
const EXPIRED = {
  outbox: "published_at < clock_timestamp() - interval '48 hours'",
  processed_events: "processed_at < clock_timestamp() - interval '7 days'",
  idempotency: "created_at < clock_timestamp() - interval '24 hours'",
  sessions: "expires_at < clock_timestamp()",
  // Longer than anything remembers a credential that ended.
  revocations: "at < clock_timestamp() - interval '1 hour'",
  audit_log: "at < clock_timestamp() - interval '400 days'",
  parcel_positions: "received_at < clock_timestamp() - interval '30 days'",
  quotes: "valid_until < clock_timestamp() - interval '24 hours'",
} as const;

export interface RowSweepOptions {
  readonly sql: Sql;
  readonly log: Log;
  readonly metrics: KeeperMetrics;
  readonly signal: AbortSignal;
}

/** Sweeps until the signal aborts. Several keepers may do so at once. */
export async function sweepRows(
  options: RowSweepOptions & { readonly retention: PositionRetention },
): Promise<void> {
  while (!options.signal.aborted) {
    try {
      await sweepRowsOnce(options);
      await sweepPositions(options);
      await pause(SWEEP_MS, options.signal);
    } catch (error) {
      options.log.warn("row sweep failed; it is tried again", { error });
      await pause(RETRY_MS, options.signal);
    }
  }
}

/** One sweep over everything. */
export async function sweepRowsOnce({ sql, metrics, signal }: RowSweepOptions): Promise<void> {
  await sql`select ensure_order_partitions(${MONTHS_AHEAD})`;
  for (const [table, isExpired] of Object.entries(EXPIRED)) {
    for (let batch = 0; batch < MAX_BATCHES && !signal.aborted; batch++) {
      // Table and condition are from the constant above, never from outside.
      const removed = await sql.unsafe(`
        delete from ${table} where ctid = any(array(
          select ctid from ${table} where ${isExpired} limit ${BATCH_ROWS}))`);
      metrics.swept.inc({ table }, removed.count);
      if (removed.count < BATCH_ROWS) break;
    }
  }
}
