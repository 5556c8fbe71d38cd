import { pause } from "shared/clock/timeout.ts";
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { TrackFrame } from "./order_follower.ts";

/** What the product promises of a carrying courier's fixes. */
const MAX_OFF_M = 10;
/** How dense rows are follows an assignment by this much. */
const BEGINNING_MS = 5_000;
const DEADLINE_MS = 30_000;
const LOOK_MS = 500;
const MIN_ROWS = 5;

interface HistoryPlace extends Point {
  readonly atMs: number;
}

/** How the history of an order compares with what was seen of it live. */
export interface HistoryComparison {
  readonly rows: number;
  readonly fixes: number;
  /** The farthest that a fix is from the line between two rows at its time. */
  readonly worstM: number;
  readonly isComplete: boolean;
}

/** Waits until the history has what the track had, and measures how far it is off. */
export async function compareHistory(
  sql: Sql,
  orderId: string,
  frames: readonly TrackFrame[],
): Promise<HistoryComparison> {
  const seen = frames.flatMap(({ type, position }) =>
    type === "position" && position
      ? [{ lat: position.lat, lon: position.lon, atMs: Date.parse(position.recordedAt) }]
      : []
  );
  const firstMs = Math.min(...seen.map(({ atMs }) => atMs));
  const lastMs = Math.max(...seen.map(({ atMs }) => atMs));
  const deadlineMs = performance.now() + DEADLINE_MS;
  let rows = await readRows(sql, orderId);
  while ((rows.at(-1)?.atMs ?? 0) < lastMs && performance.now() < deadlineMs) {
    await pause(LOOK_MS);
    rows = await readRows(sql, orderId);
  }
  const judged = seen.filter(({ atMs }) => atMs >= firstMs + BEGINNING_MS);
  const worstM = Math.max(0, ...judged.map((fix) => offM(rows, fix)));
  return {
    rows: rows.length,
    fixes: judged.length,
    worstM,
    isComplete: rows.length >= MIN_ROWS && worstM <= MAX_OFF_M * 1.01,
  };
}

/** Of the courier that delivered it, and of a while before and after: the line's ends are there. */
async function readRows(sql: Sql, orderId: string): Promise<HistoryPlace[]> {
  return [
    ...await sql<HistoryPlace[]>`
      select p.lat_e7 / 1e7::float8 as lat, p.lon_e7 / 1e7::float8 as lon,
        extract(epoch from p.recorded_at)::float8 * 1000 as at_ms
      from assignments s join courier_positions p on p.courier_id = s.courier_id
        and p.recorded_at >= s.created_at - interval '1 minute'
      where s.order_id = ${orderId} and s.end_reason = 'delivered' and p.kind in (0, 1)
      order by p.recorded_at`,
  ];
}

function offM(rows: readonly HistoryPlace[], fix: HistoryPlace): number {
  const next = rows.findIndex(({ atMs }) => atMs >= fix.atMs);
  const [a, b] = [rows[next - 1] ?? rows[next], rows[next]];
  if (a === undefined || b === undefined) return Infinity;
  const part = b.atMs === a.atMs ? 0 : (fix.atMs - a.atMs) / (b.atMs - a.atMs);
  const shown = { lat: a.lat + (b.lat - a.lat) * part, lon: a.lon + (b.lon - a.lon) * part };
  return distanceM(shown, fix);
}
