import type { Sql } from "shared/sql/connect.ts";
import type { KeeperMetrics } from "./metrics.ts";
import { dayOf } from "./position_store.ts";

const DAYS_BEHIND = 2;
const DAYS_AHEAD = 3;
const DAY_MS = 86_400_000;

/** How long positions are kept, in days, by whether the courier had an order then. */
export interface PositionRetention {
  readonly carryingDays: number;
  readonly freeDays: number;
}

export interface PositionSweepOptions {
  readonly sql: Sql;
  readonly metrics: KeeperMetrics;
  readonly retention: PositionRetention;
  /** The database's clock unless given. */
  readonly now?: Date;
}

/**
 * Makes the next days' partitions and drops those whose time has passed. A row is kept for at least
 * as many days as its class says, and at most one more: a day is dropped as a whole.
 */
export async function sweepPositions(options: PositionSweepOptions): Promise<void> {
  const { sql, metrics, retention } = options;
  const todayMs = (options.now ?? await databaseNow(sql)).getTime();
  const day = (days: number) => dayOf(todayMs + days * DAY_MS);
  const { carryingDays, freeDays } = retention;
  for (const [kept, days] of Object.entries({ carrying: carryingDays, free: freeDays })) {
    const [row] = await sql<{ dropped: number }[]>`
      select drop_position_partitions(${kept}, ${day(-days)}::date) as dropped`;
    metrics.positionDays.inc({ class: kept }, row?.dropped ?? 0);
  }
  // Only days that stay: a shorter retention would drop the others each time.
  const behind = Math.min(DAYS_BEHIND, carryingDays, freeDays);
  await sql`select ensure_position_partitions(${day(-behind)}::date, ${day(DAYS_AHEAD)}::date)`;
}

async function databaseNow(sql: Sql): Promise<Date> {
  const [row] = await sql<{ now: Date }[]>`select clock_timestamp() as now`;
  if (row === undefined) throw new Error("Postgres does not tell the time");
  return row.now;
}
