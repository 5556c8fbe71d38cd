import { MAX_ACCURACY_M } from "shared/availability/cleaning.ts";
import type { Fix, FixCode } from "shared/availability/fix.ts";
import { isTerminal, ORDER_STATES } from "shared/orders/lifecycle.ts";
import type { Sql } from "shared/sql/connect.ts";

const TERMINAL_STATES = ORDER_STATES.filter(isTerminal);

/** A fix as it was stored. */
export interface StoredParcelFix {
  readonly code: FixCode;
  /** With the time that counts. */
  readonly fix: Fix;
  readonly isClamped: boolean;
  /** The order's partition. */
  readonly region: string;
  readonly shard: number;
}

interface Row {
  readonly region: string;
  readonly shard: number;
  readonly at: Date;
  readonly isClamped: boolean;
  readonly isNew: boolean;
  readonly isNewest: boolean;
}

/**
 * Stores fixes of an order that goes on, in the order given; undefined where it does not.
 *
 * Kept are `accepted` (newer than all before it), `late` (older) and `low_accuracy` (for history
 * only); a time that is there already is a `duplicate`. A parcel may be anywhere and move as fast as
 * what carries it, so neither region nor speed is judged.
 */
export async function storeParcelFixes(
  sql: Sql,
  { orderId, keyId }: { readonly orderId: string; readonly keyId: string },
  fixes: readonly Fix[],
): Promise<StoredParcelFix[] | undefined> {
  const column = (of: (fix: Fix) => number | undefined) => fixes.map((fix) => of(fix) ?? null);
  const rows = await sql<Row[]>`
    with target as (
      select region, shard from orders
      where id = ${orderId} and status <> all(${[...TERMINAL_STATES]}::text[])
    ), newest as (
      select max(recorded_at) as at from parcel_positions
      where order_id = ${orderId} and coalesce(accuracy_m, 0) <= ${MAX_ACCURACY_M}
    ), given as materialized (
      select n, date_trunc('milliseconds', least(at, clock_timestamp())) as at, at > clock_timestamp() as is_clamped,
        lat, lon, accuracy_m, heading_deg, speed_mps
      from unnest(${fixes.map((fix) => new Date(fix.recordedAtMs).toISOString())}::timestamptz[],
        ${column((fix) => fix.lat)}::float8[], ${column((fix) => fix.lon)}::float8[],
        ${column((fix) => fix.accuracyM)}::real[], ${column((fix) => fix.headingDeg)}::real[],
        ${column((fix) => fix.speedMps)}::real[])
        with ordinality g (at, lat, lon, accuracy_m, heading_deg, speed_mps, n)
    ), stored as (
      insert into parcel_positions
        (order_id, recorded_at, key_id, lat, lon, accuracy_m, heading_deg, speed_mps)
      select ${orderId}::uuid, at, ${keyId}::uuid, lat, lon, accuracy_m, heading_deg, speed_mps
      from given, target
      on conflict do nothing
      returning recorded_at
    )
    select t.region, t.shard, g.at, g.is_clamped, s.recorded_at is not null as is_new,
      newest.at is null or g.at > newest.at as is_newest
    from target t cross join newest cross join given g left join stored s on s.recorded_at = g.at
    order by g.n`;
  if (rows.length === 0) return undefined;
  const seen = new Set<number>();
  return rows.map((row, at) => {
    const recordedAtMs = row.at.getTime();
    const isRepeat = seen.has(recordedAtMs);
    seen.add(recordedAtMs);
    // `rows` has one for each fix, in their order.
    const fix: Fix = { ...fixes[at] as Fix, recordedAtMs };
    const { region, shard, isClamped } = row;
    return { code: codeOf(row, isRepeat, fix), fix, isClamped, region, shard };
  });
}

function codeOf({ isNew, isNewest }: Row, isRepeat: boolean, { accuracyM = 0 }: Fix): FixCode {
  if (!isNew || isRepeat) return "duplicate";
  if (accuracyM > MAX_ACCURACY_M) return "low_accuracy";
  return isNewest ? "accepted" : "late";
}
