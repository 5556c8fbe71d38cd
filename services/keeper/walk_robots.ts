/**
 * Positions of the robot courier, so that an order of test mode has a live track. They are told as
 * positions of the order and touch no availability key: the robot is never among the couriers who
 * could be asked. Nothing is remembered: a place follows from the order's state and times.
 */
import { appendOrderPositions, type OrderPosition } from "shared/availability/order_positions.ts";
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { OrderState } from "shared/orders/lifecycle.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import type { PartitionWork } from "shared/regions/partitions.ts";
import type { Sql } from "shared/sql/connect.ts";
import { robotPlace } from "./robot_place.ts";

const WALK_MS = 1_000;
/** Test orders of a partition that are shown at once; the youngest first. */
const MAX_WALKS = 200;

export interface WalkOptions {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Tells each second where the robot is with each of its orders, until the signal aborts. */
export async function walkRobots(options: WalkOptions, work: PartitionWork): Promise<void> {
  while (!options.signal.aborted) {
    await pause(WALK_MS, options.signal);
    try {
      if (!options.signal.aborted) await walkRobotsOnce(options, work);
    } catch (error) {
      options.log.warn("positions of the robot not told; the next ones are", { error });
    }
  }
}

/** What is needed of a partition. */
interface WalkedPartition extends Pick<PartitionWork, "shard" | "partition"> {
  readonly region: { readonly id: string };
}

/** Tells once; how many orders it told of. */
export async function walkRobotsOnce(
  { sql, redis, keys }: Omit<WalkOptions, "log" | "signal">,
  { region, shard, partition }: WalkedPartition,
): Promise<number> {
  const positions = await readPositions(sql, region.id, shard);
  if (positions.length > 0) await appendOrderPositions(redis, keys, partition, positions);
  return positions.length;
}

interface Row {
  readonly id: string;
  readonly status: OrderState;
  readonly pickupLat: number;
  readonly pickupLon: number;
  readonly dropoffLat: number;
  readonly dropoffLon: number;
  readonly assignedMs: number;
  readonly inStateMs: number | null;
  readonly nowMs: number;
}

async function readPositions(sql: Sql, region: string, shard: number): Promise<OrderPosition[]> {
  const rows = await sql<Row[]>`
    select o.id, o.status, o.pickup_lat, o.pickup_lon, o.dropoff_lat, o.dropoff_lon,
      (extract(epoch from now.at - s.created_at) * 1000)::float8 as assigned_ms,
      (extract(epoch from now.at - (o.state_times ->> o.status)::timestamptz) * 1000)::float8
        as in_state_ms,
      (extract(epoch from now.at) * 1000)::float8 as now_ms
    from couriers c
    join assignments s on s.courier_id = c.id and s.ended_at is null
    join orders o on o.id = s.order_id and o.shard = ${shard}
    cross join (select clock_timestamp() as at) now
    where c.region = ${region} and c.robot
    order by s.created_at desc limit ${MAX_WALKS}`;
  return rows.map(({ id, status, assignedMs, inStateMs, nowMs, ...row }) => {
    const { point, headingDeg, speedMps } = robotPlace({
      status,
      pickup: { lat: row.pickupLat, lon: row.pickupLon },
      dropoff: { lat: row.dropoffLat, lon: row.dropoffLon },
      assignedMs,
      inStateMs: inStateMs ?? assignedMs,
    });
    const heading = headingDeg === null ? {} : { headingDeg };
    const fix = { ...point, ...heading, speedMps, recordedAtMs: Math.floor(nowMs) };
    return { orderId: id, source: "robot", fix };
  });
}
