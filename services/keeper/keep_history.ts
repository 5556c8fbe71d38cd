import { pause } from "shared/clock/timeout.ts";
import { type Lease, whileLeased } from "shared/lease/lease.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import type { PartitionWork } from "shared/regions/partitions.ts";
import type { Sql } from "shared/sql/connect.ts";
import { consume } from "shared/streams/consumer.ts";
import type { KeeperMetrics } from "./metrics.ts";
import { parsePositionsEntry, PositionRecorder } from "./position_recorder.ts";

const GROUP = "history";
/** Rows are written in batches: a commit per entry would cost Postgres more than the rows do. */
const LINGER_MS = 1_000;
/**
 * Some 200 entries come each second of ten thousand fixes. More at once would hold the process up for
 * too long: of 200 fixes each they take a fifth of a second.
 */
const READ_COUNT = 250;
const SETTLE_MS = 5_000;

export interface KeepHistoryOptions {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly metrics: KeeperMetrics;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly owner: string;
  /** Opens a connection that blocking reads may hold. */
  openBlocking(): Redis;
  /** Shorter in tests. */
  readonly lingerMs?: number;
}

/** Keeps the position history of one partition, whenever this process owns it. */
export async function keepHistory(
  options: KeepHistoryOptions,
  work: PartitionWork,
): Promise<void> {
  const name = `consumer:${GROUP}:${work.partition}`;
  await whileLeased({ ...options, name }, async (lease, held) => {
    await keepOwned(options, work, { lease, held });
  });
}

async function keepOwned(
  options: KeepHistoryOptions,
  { region, shard, partition }: PartitionWork,
  { lease, held }: { readonly lease: Lease; readonly held: AbortSignal },
): Promise<void> {
  const { sql, redis, log } = options;
  const stream = options.keys.positions(partition);
  const place = { region: region.id, shard };
  const recorder = new PositionRecorder({ ...options, stream, place, lease });
  await recorder.resume();
  const blockingRedis = options.openBlocking();
  try {
    await blockingRedis.connect();
    await Promise.all([
      consume({
        group: GROUP,
        stream,
        blockingRedis,
        redis,
        sql,
        log,
        signal: held,
        readCount: READ_COUNT,
        lingerMs: options.lingerMs ?? LINGER_MS,
        parse: parsePositionsEntry,
        // One key: entries are worked in their order, so a courier's fixes are too.
        keyOf: () => "positions",
        goesOnPastParked: true,
        handle: (entry) => recorder.record([entry]),
        handleBatch: (entries) => recorder.record(entries),
      }),
      settle(recorder, log, held),
    ]);
  } finally {
    blockingRedis.disconnect();
  }
}

async function settle(recorder: PositionRecorder, log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(SETTLE_MS, signal);
    try {
      if (!signal.aborted) await recorder.settle();
    } catch (error) {
      log.warn("ends of tracks not written; it is tried again", { error });
    }
  }
}
