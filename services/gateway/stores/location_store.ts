import { DRAWN_KINDS, POSITION_KINDS, type PositionKind } from "shared/history/position_kind.ts";
import type { Queryable } from "shared/sql/connect.ts";

/** Where a courier was. */
export interface Location {
  readonly recordedAtMs: number;
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM: number | null;
  readonly headingDeg: number | null;
  readonly speedMps: number | null;
  readonly kind: PositionKind;
  readonly carrying: boolean;
  readonly fixes: number;
}

/** A courier and a time, its end not included. */
export interface CourierSpan {
  readonly courierId: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Who had an order and when, in that order. */
export async function listCarriers(
  sql: Queryable,
  orderId: string,
  courierId?: string,
): Promise<CourierSpan[]> {
  return [
    ...await sql<CourierSpan[]>`
      select courier_id, floor(extract(epoch from created_at) * 1000)::float8 as from_ms,
        ceil(extract(epoch from coalesce(ended_at, clock_timestamp())) * 1000)::float8 as to_ms
      from assignments
      where order_id = ${orderId} and (${courierId ?? null}::uuid is null
        or courier_id = ${courierId ?? null})
      order by created_at, id`,
  ];
}

/** The region's days of a courier begin at its own midnight; undefined for nobody. */
export async function findCourierDay(
  sql: Queryable,
  courierId: string,
  day: string,
): Promise<CourierSpan | undefined> {
  const [row] = await sql<CourierSpan[]>`
    select c.id as courier_id,
      (extract(epoch from ${day}::date::timestamp at time zone r.time_zone) * 1000)::float8
        as from_ms,
      (extract(epoch from (${day}::date + 1)::timestamp at time zone r.time_zone) * 1000)::float8
        as to_ms
    from couriers c join regions r on r.id = c.region where c.id = ${courierId}`;
  return row;
}

/** Whether there is such a courier. */
export async function courierExists(sql: Queryable, courierId: string): Promise<boolean> {
  return (await sql`select 1 from couriers where id = ${courierId}`).length > 0;
}

export interface LocationOptions {
  /** Also what may be far off or was not believed. */
  readonly withMarked: boolean;
  readonly limit: number;
}

type LocationRow = Omit<Location, "kind"> & { readonly kind: number };

/** Locations of one courier by their time, the oldest first, each moment once. */
export async function listLocations(
  sql: Queryable,
  { courierId, fromMs, toMs }: CourierSpan,
  { withMarked, limit }: LocationOptions,
): Promise<Location[]> {
  if (fromMs >= toMs) return [];
  const kinds = withMarked ? POSITION_KINDS.map((_, number) => number) : [...DRAWN_KINDS];
  const [from, to] = [new Date(fromMs).toISOString(), new Date(toMs).toISOString()];
  const rows = await sql<LocationRow[]>`
    select distinct on (recorded_at)
      round(extract(epoch from recorded_at) * 1000)::float8 as recorded_at_ms,
      lat_e7 / 1e7::float8 as lat, lon_e7 / 1e7::float8 as lon, accuracy_m, heading_deg,
      speed_cmps / 100::float8 as speed_mps, kind, carrying, fixes
    from courier_positions
    where courier_id = ${courierId} and recorded_at >= ${from}::timestamptz
      and recorded_at < ${to}::timestamptz and kind = any(${kinds}::smallint[])
    order by recorded_at limit ${limit}`;
  return rows.map((row) => ({ ...row, kind: POSITION_KINDS[row.kind] ?? "usual" }));
}

/** Locations of several couriers one after another, as one list. */
export async function listSpans(
  sql: Queryable,
  spans: readonly CourierSpan[],
  { withMarked, limit }: LocationOptions,
): Promise<Location[][]> {
  const parts: Location[][] = [];
  let left = limit;
  for (const span of spans) {
    if (left === 0) break;
    const part = await listLocations(sql, span, { withMarked, limit: left });
    left -= part.length;
    if (part.length > 0) parts.push(part);
  }
  return parts;
}
