/** Couriers as Redis sees them: status, fixes, index. */
import { Availability } from "shared/availability/availability.ts";
import { MAX_SPEED_MPS } from "shared/availability/cleaning.ts";
import type { Fix, FixCode } from "shared/availability/fix.ts";
import { parseStreamedCouriers, type StreamedCourier } from "shared/availability/streamed_fixes.ts";
import type { Point } from "shared/geo/point.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import { insertCourier } from "./fixtures.ts";
import { PARTITION } from "./outbox.ts";
import type { TestStores } from "./stores.ts";

/** Where `insertOrder` picks up. */
export const PICKUP: Point = { lat: 57.7, lon: 11.9 };
const METRES_PER_DEGREE = 111_195;

/** A place this far north of the pickup. */
export function northOfPickup(distanceM: number): Point {
  return { lat: PICKUP.lat + distanceM / METRES_PER_DEGREE, lon: PICKUP.lon };
}

/** A fix that was recorded `agoMs` before now. */
export function fixAt(point: Point, agoMs = 0): Fix {
  return { ...point, recordedAtMs: Date.now() - agoMs };
}

/** A fix as a phone posts it. */
export function bodyOf({ recordedAtMs, ...rest }: Fix): Record<string, unknown> {
  return { ...rest, recordedAt: new Date(recordedAtMs).toISOString() };
}

/** Redis's clock, which stamps what it receives. */
export async function redisNowMs(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** The availability index of the test partition, and what is in it. */
export class CourierIndex {
  readonly availability: Availability;
  readonly #stores: TestStores;

  /** @param redis the connection that scripts run on. */
  constructor(stores: TestStores, redis: Redis = stores.redis) {
    this.#stores = stores;
    this.availability = new Availability(redis, stores.keys, PARTITION);
  }

  /** A courier in Postgres and in Redis, heard just now; its id. */
  async addCourier(options: { status?: CourierStatus; at?: Point } = {}): Promise<string> {
    const { status = "available", at = PICKUP } = options;
    const id = await insertCourier(this.#stores.sql, { status });
    await this.availability.applyStatus(id, status, 1);
    await this.fix(id, fixAt(at));
    return id;
  }

  async fix(courierId: string, fix: Fix): Promise<FixCode | undefined> {
    return (await this.fixes(courierId, [fix]))[0];
  }

  /** Sends fixes at once, as of a courier on a bicycle. */
  async fixes(courierId: string, fixes: readonly Fix[]): Promise<readonly FixCode[]> {
    const group = { courierId, maxSpeedMps: MAX_SPEED_MPS.bicycle, fixes };
    return (await this.availability.applyHeard([group]))[0]?.codes ?? [];
  }

  async heartbeat(courierId: string): Promise<FixCode | undefined> {
    return (await this.fixes(courierId, []))[0];
  }

  async isIndexed(courierId: string): Promise<boolean> {
    const { redis, keys } = this.#stores;
    return await redis.zscore(keys.couriersGeo(PARTITION), courierId) !== null;
  }

  /** Where the index has the courier, to the metre or so that Redis keeps. */
  async indexedAt(courierId: string): Promise<Point | undefined> {
    const { redis, keys } = this.#stores;
    const [place] = await redis.geopos(keys.couriersGeo(PARTITION), courierId);
    return place === null || place === undefined
      ? undefined
      : { lat: Number(place[1]), lon: Number(place[0]) };
  }

  /** The newest fix that is believed, as Redis has it. */
  async latest(courierId: string): Promise<Fix | undefined> {
    return (await this.availability.find(courierId))?.newest;
  }

  /** Its status and the status's version, as Redis has them. */
  async known(courierId: string): Promise<[CourierStatus, number] | undefined> {
    const state = await this.availability.find(courierId);
    return state === undefined ? undefined : [state.status, state.version];
  }

  /** Lets time pass for one courier: it was last heard `agoMs` ago (see courier_state.ts). */
  async age(courierId: string, agoMs: number): Promise<void> {
    const { redis, keys } = this.#stores;
    const heardAtMs = await redisNowMs(redis) - agoMs;
    await this.#setTime(courierId, ({ length }) => length - 8, heardAtMs);
    await redis.zadd(keys.couriersSeen(PARTITION), "XX", heardAtMs, courierId);
  }

  /** Lets time pass for one courier that was silent: it came back `agoMs` ago. */
  async comeBack(courierId: string, agoMs: number): Promise<void> {
    const nowMs = await redisNowMs(this.#stores.redis);
    // Behind the fix that is suspected; it has a place where a courier comes back.
    const backAt = ({ length }: Buffer) => length - 22 - (length - 22) % 23 - 23;
    await this.#setTime(courierId, backAt, nowMs - agoMs);
  }

  async #setTime(
    courierId: string,
    placeIn: (state: Buffer) => number,
    timeMs: number,
  ): Promise<void> {
    const { redis, keys } = this.#stores;
    const key = keys.couriers(PARTITION);
    const state = await redis.hgetBuffer(key, courierId);
    // Nothing to move for a courier that was never heard.
    if (state === null) return;
    state.writeDoubleLE(timeMs, placeIn(state));
    await redis.hset(key, courierId, state);
  }
}

/** Everything in the positions stream. */
export async function streamedOf(
  { redis, keys }: Pick<TestStores, "redis" | "keys">,
): Promise<StreamedCourier[]> {
  const entries = await redis.xrange(keys.positions(PARTITION), "-", "+");
  return entries.flatMap(([, flat]) => {
    const fields: Record<string, string> = {};
    for (let at = 0; at + 1 < flat.length; at += 2) fields[flat[at] ?? ""] = flat[at + 1] ?? "";
    return parseStreamedCouriers(fields);
  });
}
