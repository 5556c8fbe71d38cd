import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { KeeperMetrics } from "./metrics.ts";

const WATCH_MS = 2_000;

export interface WatchOptions {
  readonly sql: Sql;
  readonly log: Log;
  readonly metrics: KeeperMetrics;
  readonly signal: AbortSignal;
}

/** Measures how long the oldest event has waited for its stream, until the signal aborts. */
export async function watchOutbox({ sql, log, metrics, signal }: WatchOptions): Promise<void> {
  while (!signal.aborted) {
    try {
      const [row] = await sql<{ ageS: number | null }[]>`
        select extract(epoch from clock_timestamp() - min(occurred_at))::float8 as age_s
        from outbox where published_at is null`;
      metrics.oldestUnpublished.set(row?.ageS ?? 0);
    } catch (error) {
      log.debug("outbox age not measured", { error });
    }
    await pause(WATCH_MS, signal);
  }
}
