/**
 * The faults of the long run, and what they cost the phones.
 *
 * Before each fault every tenth phone falls silent, so that nothing that comes later can hide what
 * the fault has lost of them; the others go on.
 */
import { eventually } from "../../harness/eventually.ts";
import { behindInRedis } from "./checks.ts";
import { partitionOf } from "shared/redis/keys.ts";
import { REGION } from "../ingest/settings.ts";
import type { SoakWorld } from "./soak_world.ts";

const PARTITION = partitionOf(REGION, 0);
const WITNESS_DIVISOR = 10;
const BACK_TIMEOUT_MS = 60_000;
/** Ingest brings to Redis what it took meanwhile. */
const CAUGHT_UP_TIMEOUT_MS = 20_000;

export interface FaultOutcome {
  readonly fault: string;
  /** Until the server was there again. */
  readonly backMs: number;
  /** Until Redis had what every phone was told is stored. */
  readonly caughtUpMs: number;
  /** Phones whose place was older than acknowledged even then. */
  readonly lost: number;
}

/** Ends ingest with SIGKILL under load and starts it again. */
export async function killIngest(world: SoakWorld): Promise<FaultOutcome> {
  return await strike(world, { fault: "SIGKILL of ingest", rest: 3 }, async () => {
    await world.killIngest();
    await world.startIngest();
  });
}

/** Stops Redis under load, as an upgrade does: it writes its append-only file, ends and reads it. */
export async function restartRedis(world: SoakWorld): Promise<FaultOutcome> {
  const { redis } = world.stores;
  return await strike(world, { fault: "restart of Redis", rest: 7 }, async () => {
    if (!redis.kill("SIGTERM")) throw new Error("Redis does not run");
    await eventually("Redis has ended", () => !redis.isReady, BACK_TIMEOUT_MS);
    await eventually("Redis is back", () => redis.isReady, BACK_TIMEOUT_MS);
  });
}

async function strike(
  world: SoakWorld,
  { fault, rest }: { readonly fault: string; readonly rest: number },
  act: () => Promise<void>,
): Promise<FaultOutcome> {
  await world.hush(WITNESS_DIVISOR, rest);
  const startedMs = performance.now();
  await act();
  const backMs = performance.now() - startedMs;
  const newest = await world.newestAcknowledged();
  const { senders, redis, keys } = world;
  let behind: number[] = [];
  try {
    await eventually("Redis has what was acknowledged", async () => {
      behind = await behindInRedis(redis, keys, { senders, newest });
      return behind.length === 0;
    }, CAUGHT_UP_TIMEOUT_MS);
  } catch {
    console.log(`${fault}: ${behind.length} phones were promised more than Redis has`);
  }
  const caughtUpMs = performance.now() - startedMs;
  await world.resume();
  return {
    fault,
    backMs: Math.round(backMs),
    caughtUpMs: Math.round(caughtUpMs),
    lost: behind.length,
  };
}

export interface RebuildOutcome {
  /** From the loss until keeper has begun: it looks each second. */
  readonly noticedMs: number;
  /** From then until it says that everything is rebuilt; every courier's state among it. */
  readonly rebuiltMs: number;
  /**
   * From the loss until as many couriers can be offered as before, but for those who are silent;
   * absent where that took longer than a minute.
   */
  readonly offeredMs?: number;
  readonly couriers: number;
}

const REBUILD_TIMEOUT_MS = 60_000;
/** Phones that post each half a minute, and those in a tunnel, are not waited for. */
const OFFERED_SHARE = 0.85;

/** Empties Redis under load, and waits for keeper and for the phones. */
export async function loseRedis(world: SoakWorld): Promise<RebuildOutcome> {
  const { redis, keys, senders } = world;
  const geo = keys.couriersGeo(PARTITION);
  const seen = keys.couriersSeen(PARTITION);
  const before = await redis.zcard(geo);
  const startedMs = performance.now();
  const sinceMs = () => Math.round(performance.now() - startedMs);
  await redis.flushall();
  await eventually(
    "keeper rebuilds",
    async () => await redis.exists(keys.generation()) === 1,
    REBUILD_TIMEOUT_MS,
  );
  const noticedMs = sinceMs();
  await eventually("Redis is rebuilt", () => world.isRebuilt(), REBUILD_TIMEOUT_MS);
  const rebuiltMs = sinceMs() - noticedMs;
  const couriers = await redis.zcard(seen);
  if (couriers < senders.length) console.log(`only ${couriers} couriers are known after it`);
  const rebuilt = { noticedMs, rebuiltMs, couriers };
  try {
    const isOffered = async () => await redis.zcard(geo) >= OFFERED_SHARE * before;
    await eventually("the couriers are offered again", isOffered, REBUILD_TIMEOUT_MS);
  } catch (error) {
    console.log(String(error));
    return rebuilt;
  }
  return { ...rebuilt, offeredMs: sinceMs() };
}
