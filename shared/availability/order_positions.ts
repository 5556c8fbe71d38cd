/**
 * Positions of an order itself, beside those of its courier: of a device that travels with the goods,
 * or of the robot that carries orders of test mode. They travel in the stream of positions, in a
 * field of their own, so they reach tracks as fixes of couriers do; no script here touches an
 * availability key, so they never make anybody available.
 */
import { MAX_POSITION_ENTRIES } from "./availability.ts";
import type { Fix } from "./fix.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import { runScript, type Script } from "shared/redis/script.ts";

export const POSITION_SOURCES = ["device", "robot"] as const;
export type PositionSource = (typeof POSITION_SOURCES)[number];

/** Where an order is; times are those that count, not what a clock that runs ahead said. */
export interface OrderPosition {
  readonly orderId: string;
  readonly source: PositionSource;
  readonly fix: Fix;
}

/**
 * KEYS 1 positions · ARGV 1 most entries, 2 positions as JSON
 * Returns 1, or 0 where a consumer of the stream is stuck and nothing more is taken.
 * The empty list of couriers is for readers who look for couriers only.
 */
const APPEND: Script = {
  name: "order_positions_append",
  lua: `
    if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
    local time = redis.call('TIME')
    local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
    redis.call('XADD', KEYS[1], '*', 'at', now, 'couriers', '[]', 'orders', ARGV[2])
    return 1`,
};

/** Appends positions of orders of one partition; false where the stream is full. */
export async function appendOrderPositions(
  redis: Redis,
  keys: RedisKeys,
  partition: Partition,
  positions: readonly OrderPosition[],
): Promise<boolean> {
  const elements = positions.map(({ orderId, source, fix }) => ({ o: orderId, s: source, f: fix }));
  const args = [MAX_POSITION_ENTRIES, JSON.stringify(elements)];
  return await runScript(redis, APPEND, [keys.positions(partition)], args) === 1;
}

interface Element {
  readonly o: string;
  readonly s: PositionSource;
  readonly f: Fix;
}

/** Reads them from an entry of the stream; most have none. @throws SyntaxError for no JSON. */
export function parseOrderPositions(fields: Readonly<Record<string, string>>): OrderPosition[] {
  const text = fields["orders"];
  if (text === undefined) return [];
  const elements: readonly Element[] = JSON.parse(text);
  return elements.map(({ o, s, f }) => ({ orderId: o, source: s, fix: f }));
}
