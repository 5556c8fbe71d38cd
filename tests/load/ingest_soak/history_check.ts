/** What stood on the stream of couriers with an order, held against the history in Postgres. */
import { REORDER_WINDOW_MS } from "shared/availability/cleaning.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { Sender } from "../ingest/settings.ts";
import type { SlotBits } from "./ledger.ts";
import type { Timetable } from "./timetable.ts";

/** A courier that stands has a row each 30 s, one that moves each 10 s (position_sampler.ts). */
const LONGEST_STRETCH_MS = 30_000;

export interface Carried {
  readonly senders: readonly Sender[];
  /** Phones of couriers with an order. */
  readonly carriers: readonly number[];
  readonly streamed: SlotBits;
  readonly timetable: Timetable;
  readonly maxSlots: number;
}

/**
 * Phones of which the history lacks fixes. Not every fix is a row, but each row tells how many fixes
 * were taken since the one before. So up to its newest row a courier has as many as stood on the
 * stream, and that row is no older than the longest stretch without one.
 */
export async function behindInHistory(sql: Sql, carried: Carried): Promise<number[]> {
  const rows = await sql<{ courierId: string; fixes: number; newest: Date }[]>`
    select courier_id, sum(fixes)::integer as fixes, max(recorded_at) as newest
    from courier_positions where carrying group by courier_id`;
  const found = new Map(rows.map((row) => [row.courierId, row]));
  return carried.carriers.filter((phone) => {
    const times = streamedTimes(carried, phone);
    const row = found.get(carried.senders[phone]?.id ?? "");
    if (row === undefined) return times.length > 0;
    const newestMs = row.newest.getTime();
    if ((times.at(-1) ?? 0) > newestMs + LONGEST_STRETCH_MS) return true;
    // One that came late may be counted by the row after this.
    const settled = times.filter((atMs) => atMs <= newestMs - REORDER_WINDOW_MS);
    return settled.length > row.fixes;
  });
}

function streamedTimes(
  { streamed, timetable, maxSlots }: Carried,
  phone: number,
): number[] {
  const times: number[] = [];
  for (let slot = 0; slot < maxSlots; slot++) {
    if (streamed.has(phone, slot)) times.push(timetable.recordedAtMs(phone, slot));
  }
  return times;
}
