/**
 * Where every courier of a partition was last heard, in this process's memory: fed by the position
 * stream, so that a decision asks nobody. Redis stamped the fixes; here their times stand on this
 * process's monotonic clock (`performance.now()`): a wall clock that jumps would make every courier
 * look silent, or nobody.
 */
import { parseStreamedFixes, type StreamedFix } from "shared/availability/availability.ts";
import { HIDDEN_AFTER_MS } from "shared/availability/scripts.ts";
import { pause, withTimeout } from "shared/clock/timeout.ts";
import type { Point } from "shared/geo/point.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";

const BLOCK_MS = 1_000;
const READ_TIMEOUT_MS = BLOCK_MS + 3_000;
const READ_COUNT = 500;
const RETRY_MS = 500;
const FORGET_AFTER_MS = 60 * 60_000;

export interface KnownPosition {
  readonly point: Point;
  /** On this process's monotonic clock. */
  readonly receivedAtMs: number;
}

export class PositionBoard {
  readonly #positions = new Map<string, KnownPosition & { readonly recordedAtMs: number }>();
  /** Redis's wall clock minus our monotonic one. */
  #clockAheadMs = 0;
  #lastId = "0";

  find(courierId: string): KnownPosition | undefined {
    return this.#positions.get(courierId);
  }

  /** Forgets who has been silent for long, so that the board does not grow with every courier. */
  prune(nowMs: number): void {
    for (const [courierId, { receivedAtMs }] of this.#positions) {
      if (nowMs - receivedAtMs > FORGET_AFTER_MS) this.#positions.delete(courierId);
    }
  }

  /** Takes fixes in; an older one never replaces a newer one. */
  apply(fixes: readonly StreamedFix[]): void {
    for (const { courierId, receivedAtMs, recordedAtMs, fix } of fixes) {
      const known = this.#positions.get(courierId);
      if (known !== undefined && known.recordedAtMs >= recordedAtMs) continue;
      this.#positions.set(courierId, {
        point: { lat: fix.lat, lon: fix.lon },
        receivedAtMs: receivedAtMs - this.#clockAheadMs,
        recordedAtMs,
      });
    }
  }

  /** Reads what is still fresh; a decision before this would not know where everybody is. */
  async load(stream: string, redis: Redis, signal: AbortSignal): Promise<void> {
    await this.#startBeforeFresh(redis);
    while (!signal.aborted && await this.#read(redis, stream, undefined)) {
      // Each round reads further, and the stream's bound ends it.
    }
  }

  /** Follows the stream until the signal aborts. Call `load` first. */
  async follow(
    stream: string,
    { redis, log, signal }: { redis: Redis; log: Log; signal: AbortSignal },
  ): Promise<void> {
    signal.addEventListener("abort", () => redis.disconnect(), { once: true });
    while (!signal.aborted) {
      try {
        await this.#read(redis, stream, BLOCK_MS);
      } catch (error) {
        if (signal.aborted) return;
        log.warn("cannot read positions; it is tried again", { error });
        redis.disconnect(true);
        await pause(RETRY_MS, signal);
      }
    }
  }

  async #startBeforeFresh(redis: Redis): Promise<void> {
    const [seconds, micros] = await redis.time();
    const redisNowMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    this.#clockAheadMs = redisNowMs - performance.now();
    this.#lastId = `${redisNowMs - HIDDEN_AFTER_MS}-0`;
  }

  /** Reads once; false when there was nothing. */
  async #read(redis: Redis, stream: string, blockMs: number | undefined): Promise<boolean> {
    const asked = blockMs === undefined
      ? redis.xread("COUNT", READ_COUNT, "STREAMS", stream, this.#lastId)
      : redis.xread("COUNT", READ_COUNT, "BLOCK", blockMs, "STREAMS", stream, this.#lastId);
    const reply = await withTimeout("XREAD", READ_TIMEOUT_MS, asked);
    for (const [id, flat] of reply?.[0]?.[1] ?? []) {
      this.#lastId = id;
      this.apply(parseStreamedFixes({ fixes: flat[flat.indexOf("fixes") + 1] ?? "[]" }));
    }
    return (reply?.[0]?.[1] ?? []).length > 0;
  }
}
