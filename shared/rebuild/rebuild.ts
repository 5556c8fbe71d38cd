/**
 * Rebuilds what Redis held from Postgres, after Redis was wiped or lost a part (DESIGN §11).
 *
 * Contract
 * - One rebuild at a time, under a lease. A rebuild that dies is begun anew by the next owner,
 *   because the generation is written to Redis last.
 * - A rebuild leaves its name in Redis before it looks, and nothing it made counts where the name
 *   is gone: Redis was lost again in between, or another rebuild has begun.
 * - The generation is raised first. From then on no relay can append or mark under the old one, so
 *   an event is either in the new stream or unpublished in Postgres, never in neither.
 * - Events since the oldest checkpoint (less a margin for clocks) are published again. Consumers
 *   see repeats, which they absorb; an effect is not repeated.
 */
import { Availability, type KnownCourier } from "shared/availability/availability.ts";
import type { Fix } from "shared/availability/fix.ts";
import type { Log } from "shared/log/log.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import type { Redis } from "shared/redis/connect.ts";
import { type Partition, partitionOf, type RedisKeys } from "shared/redis/keys.ts";
import { readRegions } from "shared/regions/region.ts";
import type { Sql } from "shared/sql/connect.ts";
import { EVENT_GROUPS, POSITION_GROUPS } from "shared/streams/groups.ts";
import { raiseGeneration } from "shared/redis/generation.ts";
import { runScript, type Script } from "shared/redis/script.ts";

/** Migrations begin with 1, and the first start of keeper raises it. */
const FIRST_GENERATION = 2;
/** Redis's clock stamps the entries, Postgres's the rows: they may differ by this much. */
const CLOCK_MARGIN_MS = 5 * 60_000;
/** Couriers read at once; as many again are being loaded. */
const PAGE_COURIERS = 2_500;
/** Before every id. */
const NO_ID = "00000000-0000-0000-0000-000000000000";

/**
 * Lets the relay of a partition go on.
 * KEYS 1 relay hash · ARGV 1 name of the rebuild, 2 generation, 3 batches that were marked
 * Returns "released" or "lost".
 */
const RELEASE: Script = {
  name: "rebuild_release",
  lua: `
    if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[1] then return 'lost' end
    redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'batches', ARGV[3])
    redis.call('HDEL', KEYS[1], 'rebuild')
    return 'released'`,
};

/**
 * Writes the generation.
 * KEYS 1 generation · ARGV 1 name of the rebuild, 2 generation · Returns "finished" or "lost".
 */
const FINISH: Script = {
  name: "rebuild_finish",
  lua: `
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
    redis.call('SET', KEYS[1], ARGV[2])
    return 'finished'`,
};

export interface RebuildOptions {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly log: Log;
}

/** What a rebuild did. */
export interface RebuildReport {
  readonly generation: number;
  readonly partitions: number;
  /** To publish again. */
  readonly changes: number;
  readonly couriers: number;
}

/**
 * Rebuilds every partition under a new generation.
 *
 * @throws Error when Redis was lost again meanwhile; whoever looks next finds that.
 */
export async function rebuildRedis(options: RebuildOptions): Promise<RebuildReport> {
  const { sql, redis, keys, log } = options;
  const generation = await raiseGeneration(sql);
  // The first of all is no loss: a new installation finds an empty Redis.
  const say = generation <= FIRST_GENERATION ? log.info : log.warn;
  say("rebuilding redis", { generation });
  const name = `rebuild ${crypto.randomUUID()}`;
  await redis.set(keys.generation(), name);
  let partitions = 0;
  let changes = 0;
  let couriers = 0;
  for (const region of await readRegions(sql)) {
    for (let shard = 0; shard < region.shards; shard++) {
      const partition = partitionOf(region.id, shard);
      await redis.hset(keys.relay(partition), "rebuild", name);
      await createGroups(redis, keys, partition);
      changes += await republish(sql, keys, { region: region.id, shard, partition });
      couriers += await loadCouriers(options, { region: region.id, shard, partition });
      const batches = await markedBatches(sql, { region: region.id, shard });
      // Lets the relay go on; without it every append answers "lost".
      const args = [name, generation, batches];
      requireKept(await runScript(redis, RELEASE, [keys.relay(partition)], args));
      partitions++;
    }
  }
  // Last: only a rebuild that came to its end counts.
  requireKept(await runScript(redis, FINISH, [keys.generation()], [name, generation]));
  const report = { generation, partitions, changes, couriers };
  say("redis is rebuilt", report);
  return report;
}

function requireKept(outcome: unknown): void {
  if (outcome === "lost") throw new Error("redis lost its data again while it was rebuilt");
}

async function createGroups(redis: Redis, keys: RedisKeys, partition: Partition): Promise<void> {
  const wanted: [string, readonly string[]][] = [
    [keys.events(partition), EVENT_GROUPS],
    [keys.positions(partition), POSITION_GROUPS],
  ];
  for (const [stream, groups] of wanted) {
    for (const group of groups) {
      try {
        await redis.xgroup("CREATE", stream, group, "0", "MKSTREAM");
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith("BUSYGROUP")) throw error;
      }
    }
  }
}

interface PartitionPlace {
  readonly region: string;
  readonly shard: number;
  readonly partition: Partition;
}

/** Marks changes unpublished from the oldest checkpoint on; the relay publishes them by id. */
async function republish(
  sql: Sql,
  keys: RedisKeys,
  { region, shard, partition }: PartitionPlace,
): Promise<number> {
  const stream = keys.events(partition);
  const rows = await sql<{ consumer: string; entryId: string }[]>`
    select consumer, entry_id from consumer_checkpoints where stream = ${stream}`;
  const oldestMs = oldestCheckpointMs(new Map(rows.map((row) => [row.consumer, row.entryId])));
  const sinceMs = Math.max(0, oldestMs - CLOCK_MARGIN_MS);
  const { count } = await sql`
    update outbox set published_at = null
    where region = ${region} and shard = ${shard}
      and published_at >= to_timestamp(${sinceMs}::float8 / 1000)`;
  return count;
}

/** What Redis must at least know of; no relay can raise it before the generation is written. */
async function markedBatches(
  sql: Sql,
  { region, shard }: { region: string; shard: number },
): Promise<string> {
  const [row] = await sql<{ batches: string }[]>`
    select batches from relay_progress where region = ${region} and shard = ${shard}`;
  return row?.batches ?? "0";
}

/** Where the slowest group stands; 0 (everything) while one of them has never stored a place. */
export function oldestCheckpointMs(entryIds: ReadonlyMap<string, string>): number {
  return Math.min(...EVENT_GROUPS.map((group) => {
    const entryId = entryIds.get(group);
    return entryId === undefined ? 0 : Number(entryId.split("-")[0]);
  }));
}

interface CourierRow {
  readonly id: string;
  readonly status: CourierStatus;
  readonly version: number;
}

interface LastPositionRow {
  readonly courierId: string;
  readonly lat: number;
  readonly lon: number;
  readonly recordedAt: Date;
}

/**
 * Says every status again and where each courier was last; it enters the index with its next fix,
 * and an older one is known as older.
 */
async function loadCouriers(
  { sql, redis, keys }: RebuildOptions,
  { region, shard, partition }: PartitionPlace,
): Promise<number> {
  const availability = new Availability(redis, keys, partition);
  const readAfter = async (after: string): Promise<KnownCourier[]> => {
    const couriers = await sql<CourierRow[]>`
      select id, status, version from couriers
      where region = ${region} and shard = ${shard} and status <> 'offline' and id > ${after}
      order by id limit ${PAGE_COURIERS}`;
    const lastFixes = await readLastFixes(sql, couriers.map(({ id }) => id));
    return couriers.map((courier) => ({ ...courier, lastFix: lastFixes.get(courier.id) }));
  };
  let loaded = 0;
  let page = await readAfter(NO_ID);
  while (true) {
    const last = page.at(-1);
    if (last === undefined) return loaded;
    loaded += page.length;
    // Postgres looks for the next while Redis is told of these.
    [page] = await Promise.all([readAfter(last.id), availability.load(page)]);
  }
}

async function readLastFixes(sql: Sql, ids: readonly string[]): Promise<Map<string, Fix>> {
  const rows = await sql<LastPositionRow[]>`
    select courier_id, lat, lon, recorded_at from courier_last_positions
    where courier_id = any(${[...ids]}::uuid[])`;
  return new Map(
    rows.map((
      { courierId, lat, lon, recordedAt },
    ) => [courierId, { lat, lon, recordedAtMs: recordedAt.getTime() }]),
  );
}
