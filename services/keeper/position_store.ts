/** The position history in Postgres: rows and progress written together, and read to go on. */
import type { StreamedFix } from "shared/availability/streamed_fixes.ts";
import { DRAWN_KINDS, kindNumber, type PositionKind } from "shared/history/position_kind.ts";
import { type Lease, requireFence } from "shared/lease/lease.ts";
import type { Sql, Tx } from "shared/sql/connect.ts";
import { ROW_INTERVAL_MS } from "./position_sampler.ts";

const DEGREE_E7 = 1e7;
/** Rows of one statement. */
const MAX_STATEMENT_ROWS = 5_000;
const MAX_SMALLINT = 32_767;
const DAY_MS = 86_400_000;

/** Which partition's history. */
export interface HistoryPlace {
  readonly region: string;
  readonly shard: number;
}

/** How far the history of a partition has come. */
export interface Progress {
  readonly generation: number;
  readonly entryId: string;
}

/** Rows as columns: what a statement of thousands of rows takes. */
export class PositionRows {
  readonly #courierIds: string[] = [];
  readonly #recordedAtMs: number[] = [];
  readonly #lats: number[] = [];
  readonly #lons: number[] = [];
  readonly #accuracies: (number | null)[] = [];
  readonly #headings: (number | null)[] = [];
  readonly #speeds: (number | null)[] = [];
  readonly #fixes: number[] = [];
  readonly #kinds: number[] = [];

  get count(): number {
    return this.#courierIds.length;
  }

  /** Numbers beyond a column's range are cut to it: one odd phone must not stop the others. */
  add(courierId: string, { fix, recordedAtMs }: StreamedFix, kind: PositionKind, fixes: number) {
    this.#courierIds.push(courierId);
    this.#recordedAtMs.push(recordedAtMs);
    this.#lats.push(Math.round(fix.lat * DEGREE_E7));
    this.#lons.push(Math.round(fix.lon * DEGREE_E7));
    this.#accuracies.push(toSmall(fix.accuracyM, 1));
    this.#headings.push(toSmall(fix.headingDeg, 1));
    this.#speeds.push(toSmall(fix.speedMps, 100));
    this.#fixes.push(fixes);
    this.#kinds.push(kindNumber(kind));
  }

  /** The first and the last moment; undefined without rows. */
  get span(): { readonly firstMs: number; readonly lastMs: number } | undefined {
    if (this.count === 0) return undefined;
    let [firstMs, lastMs] = [Infinity, -Infinity];
    for (const atMs of this.#recordedAtMs) {
      firstMs = Math.min(firstMs, atMs);
      lastMs = Math.max(lastMs, atMs);
    }
    return { firstMs, lastMs };
  }

  /** Inserts all rows; those that are there already stay as they are. @returns how many are new. */
  async insert(tx: Tx): Promise<number> {
    let inserted = 0;
    for (let start = 0; start < this.count; start += MAX_STATEMENT_ROWS) {
      inserted += await this.#insertSome(tx, start, start + MAX_STATEMENT_ROWS);
    }
    return inserted;
  }

  async #insertSome(tx: Tx, start: number, end: number): Promise<number> {
    const part = <Value>(column: readonly Value[]) => column.slice(start, end);
    // The class is what the assignments say of that moment, and not what the stream said: a row
    // is kept as long as the orders it belongs to need it.
    const { count } = await tx`
      insert into courier_positions (recorded_at, courier_id, lat_e7, lon_e7, accuracy_m,
        heading_deg, speed_cmps, fixes, kind, carrying)
      select row.*, exists (select from assignments s
            where s.courier_id = row.courier_id and s.ended_at is null
              and s.created_at <= row.recorded_at)
          or exists (select from assignments s
            where s.courier_id = row.courier_id and s.ended_at > row.recorded_at
              and s.created_at <= row.recorded_at)
      from (select to_timestamp(at_ms / 1000) as recorded_at, courier_id, lat_e7, lon_e7,
          accuracy_m, heading_deg, speed_cmps, fixes, kind
        from unnest(${part(this.#recordedAtMs)}::float8[], ${part(this.#courierIds)}::uuid[],
          ${part(this.#lats)}::integer[], ${part(this.#lons)}::integer[],
          ${part(this.#accuracies)}::smallint[], ${part(this.#headings)}::smallint[],
          ${part(this.#speeds)}::smallint[], ${part(this.#fixes)}::integer[],
          ${part(this.#kinds)}::smallint[])
        as given (at_ms, courier_id, lat_e7, lon_e7, accuracy_m, heading_deg, speed_cmps, fixes,
          kind)) row
      on conflict do nothing`;
    return count;
  }
}

function toSmall(value: number | undefined, scale: number): number | null {
  if (value === undefined) return null;
  return Math.min(MAX_SMALLINT, Math.round(value * scale));
}

/** What one transaction of the history writes. */
export interface HistoryWrite {
  readonly place: HistoryPlace;
  readonly rows: PositionRows;
  /** Fixes that were read, and the last entry they stood in; the entry stays where it was without. */
  readonly fixes: number;
  readonly progress: Progress;
}

/**
 * Writes rows and progress in one transaction, under the lease.
 *
 * @throws FencedError when somebody else owns the partition; then nothing is written.
 */
export async function writeHistory(
  sql: Sql,
  lease: Lease,
  { place, rows, fixes, progress }: HistoryWrite,
): Promise<number> {
  return await sql.begin(async (tx) => {
    await requireFence(tx, lease);
    const inserted = await rows.insert(tx);
    await tx`
      insert into position_progress as known
        (region, shard, generation, entry_id, fixes, sampled)
      values (${place.region}, ${place.shard}, ${progress.generation}, ${progress.entryId},
        ${fixes}, ${inserted})
      on conflict (region, shard) do update set generation = excluded.generation,
        entry_id = excluded.entry_id, fixes = known.fixes + excluded.fixes,
        sampled = known.sampled + excluded.sampled, updated_at = clock_timestamp()`;
    return inserted;
  });
}

/** How far a partition has come; undefined before its first batch. */
export async function findProgress(
  sql: Sql,
  { region, shard }: HistoryPlace,
): Promise<Progress | undefined> {
  const [row] = await sql<Progress[]>`
    select generation, entry_id from position_progress
    where region = ${region} and shard = ${shard}`;
  return row;
}

/** Couriers of a partition that have an order now. */
export async function readCarrying(
  sql: Sql,
  { region, shard }: HistoryPlace,
): Promise<Set<string>> {
  const rows = await sql<{ courierId: string }[]>`
    select s.courier_id from assignments s join couriers c on c.id = s.courier_id
    where s.ended_at is null and c.region = ${region} and c.shard = ${shard}`;
  return new Set(rows.map(({ courierId }) => courierId));
}

/** A courier's newest row of the line, and when the newest one beside it was recorded. */
export interface NewestRow {
  readonly courierId: string;
  readonly row: StreamedFix;
  readonly markedAtMs: number;
}

interface NewestRowColumns {
  readonly courierId: string;
  readonly atMs: number;
  readonly lat: number;
  readonly lon: number;
  readonly markedAtMs: number | null;
}

/** The newest rows of couriers, of those that are young enough to go on from. */
export async function readNewestRows(
  sql: Sql,
  courierIds: readonly string[],
  sinceMs: number,
): Promise<NewestRow[]> {
  const rows = await sql<NewestRowColumns[]>`
    select courier_id, extract(epoch from recorded_at)::float8 * 1000 as at_ms,
      lat_e7 / 1e7::float8 as lat, lon_e7 / 1e7::float8 as lon,
      extract(epoch from marked_at)::float8 * 1000 as marked_at_ms
    from unnest(${[...courierIds]}::uuid[]) as heard (id)
    cross join lateral (
      select courier_id, recorded_at, lat_e7, lon_e7 from courier_positions
      where courier_id = heard.id and kind = ${kindNumber("usual")}
        and recorded_at >= to_timestamp(${sinceMs}::float8 / 1000)
      order by recorded_at desc limit 1) newest
    cross join lateral (
      select max(recorded_at) as marked_at from courier_positions
      where courier_id = heard.id and not kind = any(${[...DRAWN_KINDS]}::smallint[])
        and recorded_at > newest.recorded_at - ${ROW_INTERVAL_MS} * interval '1 millisecond') marked`;
  return rows.map(({ courierId, atMs, lat, lon, markedAtMs }) => {
    const recordedAtMs = Math.round(atMs);
    return {
      courierId,
      row: { code: "accepted", recordedAtMs, fix: { lat, lon, recordedAtMs } },
      markedAtMs: markedAtMs === null ? -Infinity : Math.round(markedAtMs),
    };
  });
}

/** Makes sure that rows of these moments have a partition. */
export async function ensureDays(sql: Sql, firstMs: number, lastMs: number): Promise<void> {
  await sql`select ensure_position_partitions(${dayOf(firstMs)}::date, ${dayOf(lastMs)}::date)`;
}

/** The UTC day of a moment, as `2026-03-02`. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** The first moment of the next UTC day. */
export function nextDayMs(atMs: number): number {
  return (Math.floor(atMs / DAY_MS) + 1) * DAY_MS;
}
