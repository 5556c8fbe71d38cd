/**
 * Starts a piece of work for every partition of every region, and for regions that are added while
 * the process runs. Which process then does the work is decided by leases.
 */
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import { type Partition, partitionOf } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";
import { readRegions, type Region } from "./region.ts";

const LOOK_MS = 10_000;

/** One partition and the region it belongs to. */
export interface PartitionWork {
  readonly region: Region;
  readonly shard: number;
  readonly partition: Partition;
}

export interface ForPartitionsOptions {
  readonly sql: Sql;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Runs `work` once per partition until the signal aborts; resolves when all of them returned. */
export async function forEachPartition(
  options: ForPartitionsOptions,
  work: (partition: PartitionWork) => Promise<void>,
): Promise<void> {
  const { sql, log, signal } = options;
  const running = new Map<Partition, Promise<void>>();
  while (!signal.aborted) {
    try {
      const regions = await readRegions(
        sql,
        (region, problem) =>
          log.error("region stands still: its policy is not valid", { region, problem }),
      );
      for (const region of regions) startRegion(region, running, work, log);
    } catch (error) {
      log.warn("cannot read regions; it is tried again", { error });
    }
    await pause(running.size === 0 ? LOOK_MS / 10 : LOOK_MS, signal);
  }
  await Promise.all(running.values());
}

function startRegion(
  region: Region,
  running: Map<Partition, Promise<void>>,
  work: (partition: PartitionWork) => Promise<void>,
  log: Log,
): void {
  for (let shard = 0; shard < region.shards; shard++) {
    const partition = partitionOf(region.id, shard);
    if (running.has(partition)) continue;
    const ended = work({ region, shard, partition }).catch((error) =>
      log.error("work of a partition ended", { partition, error })
    ).finally(() => running.delete(partition));
    running.set(partition, ended);
  }
}
