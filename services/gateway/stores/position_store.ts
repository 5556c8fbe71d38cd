import { Availability } from "shared/availability/availability.ts";
import { MAX_ACCURACY_M } from "shared/availability/cleaning.ts";
import { type Partition, partitionOf, type RedisKeys } from "shared/redis/keys.ts";
import type { Patience } from "shared/redis/patience.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Queryable } from "shared/sql/connect.ts";

/** Who carries an order now. */
export interface Carrier {
  readonly courierId: string;
  readonly partition: Partition;
}

/** Where somebody was last heard. */
export interface Position {
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM?: number;
  readonly headingDeg?: number;
  readonly speedMps?: number;
  readonly recordedAt: string;
}

/** The courier of an order; undefined before and after it has one. */
export async function findCarrier(sql: Queryable, orderId: string): Promise<Carrier | undefined> {
  const [row] = await sql<{ courierId: string; region: string; shard: number }[]>`
    select s.courier_id, c.region, c.shard
    from assignments s join couriers c on c.id = s.courier_id
    where s.order_id = ${orderId} and s.ended_at is null`;
  if (row === undefined) return undefined;
  return { courierId: row.courierId, partition: partitionOf(row.region, row.shard) };
}

export interface PositionStores {
  readonly sql: Queryable;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly patience: Patience;
}

/** The newest fix from Redis, or the copy that Postgres has while Redis has none. */
export async function findPosition(
  { sql, redis, keys, patience }: PositionStores,
  carrier: Carrier,
): Promise<Position | undefined> {
  const availability = new Availability(redis, keys, carrier.partition);
  const newest = (await patience.ask(() => availability.find(carrier.courierId)))?.newest;
  if (newest !== undefined) {
    const { recordedAtMs, ...place } = newest;
    return { ...place, recordedAt: new Date(recordedAtMs).toISOString() };
  }
  const [row] = await sql<PositionRow[]>`
    select lat, lon, accuracy_m, heading_deg, speed_mps, recorded_at
    from courier_last_positions where courier_id = ${carrier.courierId}`;
  return row && positionOf(row);
}

interface PositionRow {
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM: number | null;
  readonly headingDeg: number | null;
  readonly speedMps: number | null;
  readonly recordedAt: Date;
}

function positionOf(row: PositionRow): Position {
  const { lat, lon, accuracyM, headingDeg, speedMps, recordedAt } = row;
  return {
    lat,
    lon,
    ...(accuracyM === null ? {} : { accuracyM }),
    ...(headingDeg === null ? {} : { headingDeg }),
    ...(speedMps === null ? {} : { speedMps }),
    recordedAt: recordedAt.toISOString(),
  };
}

/** Where a device of the order was last, as far as it knew well. */
export async function findParcelPosition(
  sql: Queryable,
  orderId: string,
): Promise<Position | undefined> {
  const [row] = await sql<PositionRow[]>`
    select lat, lon, accuracy_m, heading_deg, speed_mps, recorded_at
    from parcel_positions
    where order_id = ${orderId} and coalesce(accuracy_m, 0) <= ${MAX_ACCURACY_M}
    order by recorded_at desc limit 1`;
  return row && positionOf(row);
}

/** Where devices of the order were, the newest first, also what was inaccurate. */
export async function listParcelPositions(
  sql: Queryable,
  orderId: string,
  page: { readonly limit: number; readonly before?: string | undefined },
): Promise<Position[]> {
  const { limit, before = null } = page;
  // To the millisecond, as clients see and send it.
  const rows = await sql<PositionRow[]>`
    select lat, lon, accuracy_m, heading_deg, speed_mps, recorded_at
    from parcel_positions
    where order_id = ${orderId} and (${before}::timestamptz is null or recorded_at < ${before})
    order by recorded_at desc limit ${limit}`;
  return rows.map(positionOf);
}
