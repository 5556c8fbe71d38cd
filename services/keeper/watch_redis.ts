/**
 * Notices that Redis has lost its data, and has it rebuilt.
 *
 * Contract: every keeper looks each second; one of them rebuilds, under a lease. Two signs count:
 * the generation key is missing or not what Postgres says (Redis was wiped), or a relay's last
 * event is not the last one that was marked (a failover lost the tail of a stream).
 */
import { type Clock, SYSTEM_CLOCK } from "shared/clock/clock.ts";
import { pause } from "shared/clock/timeout.ts";
import { releaseLease, renewLease, takeLease } from "shared/lease/lease.ts";
import type { Log } from "shared/log/log.ts";
import { rebuildRedis } from "shared/rebuild/rebuild.ts";
import type { Redis } from "shared/redis/connect.ts";
import { readGeneration, redisGeneration } from "shared/redis/generation.ts";
import { partitionOf, type RedisKeys } from "shared/redis/keys.ts";
import { readRegions } from "shared/regions/region.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { KeeperMetrics } from "./metrics.ts";

const LOOK_MS = 1_000;
const RENEW_MS = 2_000;
const LEASE_NAME = "keeper:rebuild";

export interface WatchRedisOptions {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly log: Log;
  readonly metrics: KeeperMetrics;
  readonly signal: AbortSignal;
  readonly owner: string;
  readonly clock?: Clock;
  notifyOutbox(): void;
}

/** Watches until the signal aborts. */
export async function watchRedis(options: WatchRedisOptions): Promise<void> {
  let wasReachable = true;
  while (!options.signal.aborted) {
    try {
      const loss = await findLoss(options);
      if (loss !== undefined) await rebuildOnce(options, loss);
      wasReachable = true;
    } catch (error) {
      // One line per outage: the connection's own log tells when it is back.
      if (wasReachable) options.log.warn("cannot look whether redis lost data", { error });
      wasReachable = false;
    }
    await pause(LOOK_MS, options.signal, options.clock);
  }
}

/** What shows that Redis lost data; undefined when nothing does. */
export async function findLoss(
  { sql, redis, keys }: Pick<WatchRedisOptions, "sql" | "redis" | "keys">,
): Promise<string | undefined> {
  const wanted = await readGeneration(sql);
  const found = await redisGeneration(redis, keys);
  if (found !== wanted) return `generation is ${found ?? "missing"}, not ${wanted}`;
  for (const region of await readRegions(sql)) {
    for (let shard = 0; shard < region.shards; shard++) {
      const relayKey = keys.relay(partitionOf(region.id, shard));
      if (await isTailLost(sql, redis, relayKey, { region: region.id, shard, wanted })) {
        return `the last event of ${region.id}:${shard} is gone`;
      }
    }
  }
  return undefined;
}

/**
 * Whether Redis knows of fewer batches than were marked, or holds another generation of this
 * partition (it went back to a copy while it was rebuilt). Postgres is read before Redis, so a relay
 * at work only ever looks ahead, never behind.
 */
async function isTailLost(
  sql: Sql,
  redis: Redis,
  relayKey: string,
  { region, shard, wanted }: { region: string; shard: number; wanted: number },
): Promise<boolean> {
  const [marked] = await sql<{ batches: string }[]>`
    select batches from relay_progress where region = ${region} and shard = ${shard}`;
  const [generation, appended] = await redis.hmget(relayKey, "generation", "batches");
  if (generation !== null && Number(generation) !== wanted) return true;
  if (marked === undefined || Number(marked.batches) === 0) return false;
  return generation === null || Number(appended) < Number(marked.batches);
}

async function rebuildOnce(options: WatchRedisOptions, loss: string): Promise<void> {
  const { sql, redis, keys, log, owner, metrics, clock = SYSTEM_CLOCK } = options;
  const lease = await takeLease(sql, LEASE_NAME, owner);
  if (lease === undefined) return;
  let cancel = () => {};
  const renewLater = () => {
    cancel = clock.startTimer(RENEW_MS, () => {
      // A renewal that fails lets another keeper begin anew, which repeats and harms nothing.
      renewLease(sql, lease).catch((error) => log.warn("rebuild lease not renewed", { error }));
      renewLater();
    });
  };
  renewLater();
  try {
    log.info("redis does not hold what it should", { loss });
    await rebuildRedis({ sql, redis, keys, log });
    metrics.rebuilds.inc();
    options.notifyOutbox();
  } finally {
    cancel();
    await releaseLease(sql, lease);
  }
}
