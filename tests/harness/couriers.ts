/** Couriers as Redis sees them: status, fixes, index. */
import { Availability, type Fix, type FixCode } from "shared/availability/availability.ts";
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
  return { ...point, recordedAt: new Date(Date.now() - agoMs).toISOString() };
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

  constructor(stores: TestStores) {
    this.#stores = stores;
    this.availability = new Availability(stores.redis, stores.keys, PARTITION);
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
    return (await this.availability.applyFixes([{ courierId, fix }]))[0];
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

  /** The newest fix as the courier's hash has it. */
  async latest(courierId: string): Promise<Fix | undefined> {
    const { redis, keys } = this.#stores;
    const json = await redis.hget(keys.courier(PARTITION, courierId), "fix");
    return json === null ? undefined : JSON.parse(json) as Fix;
  }

  /** Lets time pass for one courier: it was last heard `agoMs` ago. */
  async age(courierId: string, agoMs: number): Promise<void> {
    const { redis, keys } = this.#stores;
    const heardAtMs = await redisNowMs(redis) - agoMs;
    await redis.multi()
      .hset(keys.courier(PARTITION, courierId), "receivedAt", heardAtMs)
      .zadd(keys.couriersSeen(PARTITION), "XX", heardAtMs, courierId)
      .exec();
  }
}
