import type { Redis } from "shared/redis/connect.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import { runScript } from "shared/redis/script.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import {
  APPLY_FIXES,
  APPLY_STATUS,
  COURIER_TTL_S,
  FORGET_COURIER,
  HIDDEN_AFTER_MS,
  OFFLINE_AFTER_MS,
  SWEEP_SILENT,
  WATCH_SILENCE,
} from "./scripts.ts";

/** A courier's position as its phone reported it. */
export interface Fix {
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM?: number;
  readonly headingDeg?: number;
  readonly speedMps?: number;
  readonly recordedAt: string;
}

/** One fix inside an entry of the positions stream. */
export interface StreamedFix {
  readonly courierId: string;
  readonly receivedAtMs: number;
  /** `fix.recordedAt`, or the time of receipt where the phone's clock runs ahead. */
  readonly recordedAtMs: number;
  readonly fix: Fix;
}

export type FixCode = "accepted" | "stale" | "off_shift" | "unknown" | "full";

const MAX_SWEPT = 500;
/** Entries of up to 200 fixes that no consumer has read yet; then ingest answers 503. */
export const MAX_POSITION_ENTRIES = 100_000;

/** The availability index of one partition. See scripts.ts for the guarantees. */
export class Availability {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #partition: Partition;

  constructor(redis: Redis, keys: RedisKeys, partition: Partition) {
    this.#redis = redis;
    this.#keys = keys;
    this.#partition = partition;
  }

  /** Applies fixes in the given order, all in one step; one code per fix. */
  async applyFixes(
    fixes: readonly { readonly courierId: string; readonly fix: Fix }[],
  ): Promise<FixCode[]> {
    const keys = [
      this.#keys.couriersGeo(this.#partition),
      this.#keys.couriersSeen(this.#partition),
      this.#keys.positions(this.#partition),
    ];
    const args: (string | number)[] = [COURIER_TTL_S, MAX_POSITION_ENTRIES];
    for (const { courierId, fix } of fixes) {
      keys.push(this.#keys.courier(this.#partition, courierId));
      args.push(courierId, Date.parse(fix.recordedAt), fix.lat, fix.lon, JSON.stringify(fix));
    }
    return await runScript(this.#redis, APPLY_FIXES, keys, args) as FixCode[];
  }

  /** Applies a status with its version; false when a newer one was applied before. */
  async applyStatus(courierId: string, status: CourierStatus, version: number): Promise<boolean> {
    const keys = [
      this.#keys.couriersGeo(this.#partition),
      this.#keys.couriersSeen(this.#partition),
      this.#keys.courier(this.#partition, courierId),
    ];
    const args = [courierId, status, version, HIDDEN_AFTER_MS, COURIER_TTL_S];
    return await runScript(this.#redis, APPLY_STATUS, keys, args) === "applied";
  }

  /** Hides silent couriers; returns those to take offline in Postgres (at most 500). */
  async sweepSilent(): Promise<string[]> {
    const keys = [
      this.#keys.couriersGeo(this.#partition),
      this.#keys.couriersSeen(this.#partition),
    ];
    const args = [HIDDEN_AFTER_MS, OFFLINE_AFTER_MS, MAX_SWEPT];
    return await runScript(this.#redis, SWEEP_SILENT, keys, args) as string[];
  }

  /** Forgets a courier that Postgres does not know. */
  async forget(courierId: string): Promise<void> {
    const keys = [
      this.#keys.couriersGeo(this.#partition),
      this.#keys.couriersSeen(this.#partition),
      this.#keys.courier(this.#partition, courierId),
    ];
    await runScript(this.#redis, FORGET_COURIER, keys, [courierId]);
  }

  /** Starts the silence clock of couriers on shift that Redis does not know. */
  async watchSilence(courierIds: readonly string[]): Promise<void> {
    if (courierIds.length === 0) return;
    await runScript(this.#redis, WATCH_SILENCE, [this.#keys.couriersSeen(this.#partition)], [
      ...courierIds,
    ]);
  }
}

/** A courier's newest fix; undefined where Redis has none. */
export async function findFix(
  redis: Redis,
  keys: RedisKeys,
  { partition, courierId }: { readonly partition: Partition; readonly courierId: string },
): Promise<Fix | undefined> {
  const text = await redis.hget(keys.courier(partition, courierId), "fix");
  // Only our own script writes it.
  return text === null ? undefined : JSON.parse(text) as Fix;
}

/** Reads an entry of the positions stream. */
export function parseStreamedFixes(fields: Readonly<Record<string, string>>): StreamedFix[] {
  const fixes: unknown = JSON.parse(fields["fixes"] ?? "[]");
  // Only our own script writes these; anything else is junk, and its reader parks it as such.
  if (!Array.isArray(fixes)) throw new TypeError("an entry of positions must hold a list of fixes");
  return fixes as StreamedFix[];
}
