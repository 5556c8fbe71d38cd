/**
 * Positions of a device that travels with one order.
 *
 * Contract: a fix is answered after Postgres has it; the track hears of it after that, and without
 * Redis not at all (`isDegraded`). The statement that stores it looks at the order, so nothing is
 * stored from the moment the order has ended, whatever is remembered of the key.
 */
import type { Fix, FixCode } from "shared/availability/fix.ts";
import type { Limit } from "shared/limits/limit.ts";
import type { Limiter } from "shared/limits/limiter.ts";
import type { Log } from "shared/log/log.ts";
import { appendOrderPositions } from "shared/availability/order_positions.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { Redis } from "shared/redis/connect.ts";
import { partitionOf, type RedisKeys } from "shared/redis/keys.ts";
import { isUnavailable } from "shared/service/unavailable.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { IngestMetrics } from "./metrics.ts";
import { type StoredParcelFix, storeParcelFixes } from "./parcel_store.ts";
import type { Recorded } from "./record_fix.ts";

/** As for couriers: one a second, and 120 at once. */
const FIXES: Limit = { name: "parcel_fixes", max: 120, windowMs: 120_000 };

/** A device by the key that it sends with. */
export interface ParcelDevice {
  readonly orderId: string;
  readonly keyId: string;
}

export interface ParcelRecorderDeps {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly limiter: Limiter;
  readonly metrics: IngestMetrics;
  readonly log: Log;
}

export class ParcelRecorder {
  readonly #deps: ParcelRecorderDeps;

  constructor(deps: ParcelRecorderDeps) {
    this.#deps = deps;
  }

  /**
   * Records fixes of a device (none: a heartbeat, which says nothing about a parcel).
   *
   * @throws ProblemError `auth.required` once the order has ended: its keys end with it.
   */
  async record(device: ParcelDevice, fixes: readonly Fix[]): Promise<Recorded> {
    if (fixes.length === 0) return { codes: ["accepted"], clamped: 0, isDegraded: false };
    const { taken, retryAfterMs } = await this.#take(device, fixes.length);
    const stored = taken === 0 ? [] : await this.#store(device, fixes.slice(0, taken));
    const isDegraded = stored.length > 0 && !await this.#tell(device, stored);
    const codes = fixes.map((_, at): FixCode => stored[at]?.code ?? "limited");
    for (const result of codes) this.#deps.metrics.parcelFixes.inc({ result });
    const clamped = stored.filter(({ isClamped }) => isClamped).length;
    return { codes, clamped, isDegraded, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }

  /** How many fixes the limit lets through now. At most a batch is asked for. */
  async #take(
    { orderId }: ParcelDevice,
    wanted: number,
  ): Promise<{ taken: number; retryAfterMs?: number }> {
    for (let taken = 0; taken < wanted; taken++) {
      const { verdict } = await this.#deps.limiter.take(FIXES, orderId);
      if (!verdict.isAllowed) return { taken, retryAfterMs: verdict.resetMs };
    }
    return { taken: wanted };
  }

  async #store(device: ParcelDevice, fixes: readonly Fix[]): Promise<readonly StoredParcelFix[]> {
    const stored = await storeParcelFixes(this.#deps.sql, device, fixes);
    if (stored !== undefined) return stored;
    throw new ProblemError("auth.required", {
      detail: "Cannot record a position: the order has ended, and its keys with it",
    });
  }

  /** Whether the track will hear of what is new. */
  async #tell({ orderId }: ParcelDevice, stored: readonly StoredParcelFix[]): Promise<boolean> {
    const { redis, keys, log } = this.#deps;
    const shown = stored.filter(({ code }) => code === "accepted");
    const [first] = shown;
    if (first === undefined) return true;
    const positions = shown.map(({ fix }) => ({ orderId, source: "device" as const, fix }));
    try {
      const partition = partitionOf(first.region, first.shard);
      return await appendOrderPositions(redis, keys, partition, positions);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      log.warn("a parcel's position is kept, and not on its track", { orderId, error });
      return false;
    }
  }
}
