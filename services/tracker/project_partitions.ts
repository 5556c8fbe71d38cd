import { parseStreamedCouriers } from "shared/availability/streamed_fixes.ts";
import { pause } from "shared/clock/timeout.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { whileLeased } from "shared/lease/lease.ts";
import type { Log } from "shared/log/log.ts";
import { parseOrderPositions } from "shared/availability/order_positions.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import { forEachPartition, type PartitionWork } from "shared/regions/partitions.ts";
import type { Sql } from "shared/sql/connect.ts";
import { consume } from "shared/streams/consumer.ts";
import { parseEventEntry } from "shared/streams/event_consumer.ts";
import { CarriedOrders } from "./carried_orders.ts";
import type { TrackerMetrics } from "./metrics.ts";
import {
  projectEvent,
  projectFixes,
  type ProjectorDeps,
  projectOrderPositions,
} from "./projector.ts";
import type { TrackLog } from "./track_log.ts";

const GROUP = "tracker";
const RELOAD_MS = 5_000;

export interface ProjectOptions {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly trackLog: TrackLog;
  readonly metrics: TrackerMetrics;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly instanceId: string;
  openBlocking(): Redis;
}

/** Projects every partition that this process owns, until the signal aborts. */
export async function projectPartitions(options: ProjectOptions): Promise<void> {
  const owner = `tracker:${options.instanceId}:${uuidv7()}`;
  await forEachPartition(options, async (work) => {
    const name = `consumer:${GROUP}:${work.partition}`;
    await whileLeased({ ...options, name, owner }, async (_lease, held) => {
      await projectOwned(options, work, held);
    });
  });
}

/** Both streams of a partition; a failure of one ends both, and the lease is given back. */
async function projectOwned(
  options: ProjectOptions,
  { region, partition }: PartitionWork,
  held: AbortSignal,
): Promise<void> {
  const { sql, redis, keys, log } = options;
  const carried = new CarriedOrders();
  await carried.load(sql, region.id);
  const deps: ProjectorDeps = { ...options, carried, partition };
  const eventsRedis = options.openBlocking();
  const positionsRedis = options.openBlocking();
  const base = { group: GROUP, redis, sql, log, signal: held };
  try {
    await Promise.all([eventsRedis.connect(), positionsRedis.connect()]);
    await Promise.all([
      consume({
        ...base,
        stream: keys.events(partition),
        blockingRedis: eventsRedis,
        parse: parseEventEntry,
        keyOf: (event) => event.key,
        handle: (event) => projectEvent(deps, event),
      }),
      consume({
        ...base,
        stream: keys.positions(partition),
        blockingRedis: positionsRedis,
        parse: ({ fields }) => ({
          couriers: parseStreamedCouriers(fields),
          orders: parseOrderPositions(fields),
        }),
        // One key: flushes are handled in order, so a courier's fixes are too.
        keyOf: () => "positions",
        goesOnPastParked: true,
        handle: async ({ couriers, orders }) => {
          await projectFixes(deps, couriers);
          await projectOrderPositions(deps, orders);
        },
      }),
      reloadCarried(carried, sql, region.id, { log, signal: held }),
    ]);
  } finally {
    eventsRedis.disconnect();
    positionsRedis.disconnect();
  }
}

/**
 * Reads the map anew now and then: while a predecessor still believed in its lease, it may have
 * taken assignment events that this owner never saw.
 */
async function reloadCarried(
  carried: CarriedOrders,
  sql: Sql,
  region: string,
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    await pause(RELOAD_MS, signal);
    try {
      if (!signal.aborted) await carried.load(sql, region);
    } catch (error) {
      log.warn("carried orders not read; it is tried again", { error });
    }
  }
}
