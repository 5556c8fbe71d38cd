/**
 * Hears of changed orders from a partition's event stream and announces them to the cache.
 *
 * Contract: every gateway reads the whole stream by itself (plain reads, no group): announcing twice
 * says the same. It begins as far back as an active order can be cached, so that a change while no
 * gateway ran is heard of too; keeper keeps the stream for longer than that. A failure is tried
 * again from where it was.
 */
import { pause, withTimeout } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import { ACTIVE_TTL_MS, type OrderCache } from "./order_cache.ts";

/** How late a change is heard of, behind the relay. */
export const POLL_MS = 100;
const READ_COUNT = 500;
const READ_TIMEOUT_MS = 3_000;
const RETRY_MS = 500;

export interface FollowOptions {
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly partition: Partition;
  readonly orders: OrderCache;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Runs until the signal aborts. */
export async function followOrders(options: FollowOptions): Promise<void> {
  const { log, signal, partition } = options;
  let lastId: string | undefined;
  let isFailing = false;
  while (!signal.aborted) {
    try {
      lastId ??= await idOfLongestLife(options.redis);
      const { id, count } = await followOnce(options, lastId);
      lastId = id;
      isFailing = false;
      if (count < READ_COUNT) await pause(POLL_MS, signal);
    } catch (error) {
      if (!isFailing) log.warn("cannot hear of changed orders", { partition, error });
      isFailing = true;
      await pause(RETRY_MS, signal);
    }
  }
}

async function idOfLongestLife(redis: Redis): Promise<string> {
  const [seconds] = await redis.time();
  return `${Number(seconds) * 1_000 - ACTIVE_TTL_MS}-0`;
}

/** Announces what is new on the stream; answers the last id and how many entries there were. */
export async function followOnce(
  { redis, keys, partition, orders }: Omit<FollowOptions, "log" | "signal">,
  afterId: string,
): Promise<{ id: string; count: number }> {
  const asked = redis.xread("COUNT", READ_COUNT, "STREAMS", keys.events(partition), afterId);
  const entries = (await withTimeout("XREAD", READ_TIMEOUT_MS, asked))?.[0]?.[1] ?? [];
  const versions = new Map<string, number>();
  for (const [, fields] of entries) {
    const change = readChange(fields[fields.indexOf("event") + 1] ?? "");
    if (change === undefined) continue;
    const known = versions.get(change.orderId) ?? 0;
    versions.set(change.orderId, Math.max(known, change.version));
  }
  const told = await Promise.all(
    [...versions].map(([id, version]) => orders.announce(id, version)),
  );
  // Read again from the same place: an order that is not announced would stay old for minutes.
  if (told.includes(false)) throw new Error("Redis was not told of every changed order");
  return { id: entries.at(-1)?.[0] ?? afterId, count: entries.length };
}

/** Which order an event is about, and its version; undefined for others and for what is no event. */
function readChange(text: string): { orderId: string; version: number } | undefined {
  try {
    const { data } = JSON.parse(text) as { data?: { orderId?: unknown; orderVersion?: unknown } };
    const { orderId, orderVersion } = data ?? {};
    if (typeof orderId !== "string" || typeof orderVersion !== "number") return undefined;
    return { orderId, version: orderVersion };
  } catch {
    // Consumers park what they cannot read; here it only means that nothing is announced.
    return undefined;
  }
}
