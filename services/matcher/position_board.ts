/**
 * Where every courier of a partition was last heard, in this process's memory: fed by the position
 * stream, so that a decision asks nobody. Redis stamped the fixes; here their times stand on this
 * process's monotonic clock (`performance.now()`): a wall clock that jumps would make every courier
 * look silent, or nobody.
 *
 * Contract: the board is live while its reads of the stream succeed. While it is not, Redis is away,
 * and ingest writes each courier's newest place to Postgres every second: `readRows` takes those.
 */
import { HIDDEN_AFTER_MS } from "shared/availability/cleaning.ts";
import { parseStreamedCouriers, type StreamedCourier } from "shared/availability/streamed_fixes.ts";
import { pause, withTimeout } from "shared/clock/timeout.ts";
import type { Point } from "shared/geo/point.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Queryable } from "shared/sql/connect.ts";

const BLOCK_MS = 1_000;
const READ_TIMEOUT_MS = BLOCK_MS + 3_000;
const READ_COUNT = 500;
const RETRY_MS = 500;
const FORGET_AFTER_MS = 60 * 60_000;
/** Without a read for this long Redis is away: each takes at most a second. */
const LIVE_MS = 3_000;
/** Received so long ago that nobody asks the courier. */
const NEVER_MS = -Infinity;

export interface KnownPosition {
  readonly point: Point;
  /** On this process's monotonic clock. */
  readonly receivedAtMs: number;
}

export interface BoardOptions {
  readonly stream: string;
  /** Its own connection: blocking reads hold it. */
  readonly redis: Redis;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export class PositionBoard {
  readonly #positions = new Map<string, KnownPosition & { readonly isReturning: boolean }>();
  /** Redis's wall clock minus our monotonic one. */
  #clockAheadMs = 0;
  #lastId: string | undefined;
  #readAtMs = -Infinity;

  find(courierId: string): KnownPosition | undefined {
    const known = this.#positions.get(courierId);
    // Who comes back after silence counts as silent for a while more.
    return known?.isReturning === true ? { ...known, receivedAtMs: NEVER_MS } : known;
  }

  /** Whether the stream is being read. */
  isLive(nowMs: number): boolean {
    return nowMs - this.#readAtMs <= LIVE_MS;
  }

  /** Forgets who has been silent for long, so that the board does not grow with every courier. */
  prune(nowMs: number): void {
    for (const [courierId, { receivedAtMs }] of this.#positions) {
      if (nowMs - receivedAtMs > FORGET_AFTER_MS) this.#positions.delete(courierId);
    }
  }

  /** Takes in what was heard, in the order of the stream: the script has judged what is newest. */
  apply(couriers: readonly StreamedCourier[]): void {
    for (const { courierId, place, isReturning, receivedAtMs } of couriers) {
      const known = this.#positions.get(courierId)?.point;
      const point = place === undefined ? known : { lat: place.lat, lon: place.lon };
      if (point === undefined) continue;
      this.#positions.set(courierId, {
        point,
        isReturning,
        receivedAtMs: receivedAtMs - this.#clockAheadMs,
      });
    }
  }

  /**
   * Reads what is still fresh; a decision before this would not know where everybody is.
   *
   * @throws where Redis is away.
   */
  async load(options: BoardOptions): Promise<void> {
    await this.#readClock(options.redis);
    while (!options.signal.aborted && await this.#read(options, undefined)) {
      // Each round reads further, and the stream's bound ends it.
    }
  }

  /** Follows the stream until the signal aborts, through outages too. */
  async follow(options: BoardOptions): Promise<void> {
    const { redis, log, signal } = options;
    signal.addEventListener("abort", () => redis.disconnect(), { once: true });
    while (!signal.aborted) {
      try {
        // After an outage it may be another server, with another clock.
        if (!this.isLive(performance.now())) await this.#readClock(redis);
        await this.#read(options, BLOCK_MS);
      } catch (error) {
        if (signal.aborted) return;
        log.warn("cannot read positions; it is tried again", { error });
        redis.disconnect(true);
        await pause(RETRY_MS, signal);
      }
    }
  }

  /** Takes places from Postgres that are newer than what the stream told before it went away. */
  async readRows(sql: Queryable, region: string, shard: number): Promise<void> {
    const startedAtMs = performance.now();
    const rows = await sql<{ courierId: string; lat: number; lon: number; ageMs: number }[]>`
      select p.courier_id, p.lat, p.lon,
        (extract(epoch from clock_timestamp() - p.received_at) * 1000)::float8 as age_ms
      from courier_last_positions p join couriers c on c.id = p.courier_id
      where c.region = ${region} and c.shard = ${shard} and c.status = 'available'
        and p.received_at > clock_timestamp() - ${HIDDEN_AFTER_MS} * interval '1 millisecond'`;
    for (const { courierId, lat, lon, ageMs } of rows) {
      const receivedAtMs = startedAtMs - ageMs;
      const known = this.#positions.get(courierId);
      if (known !== undefined && known.receivedAtMs >= receivedAtMs) continue;
      this.#positions.set(courierId, { point: { lat, lon }, receivedAtMs, isReturning: false });
    }
  }

  async #readClock(redis: Redis): Promise<void> {
    const [seconds, micros] = await withTimeout("TIME", READ_TIMEOUT_MS, redis.time());
    const redisNowMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    this.#clockAheadMs = redisNowMs - performance.now();
    this.#lastId ??= `${redisNowMs - HIDDEN_AFTER_MS}-0`;
  }

  /** Reads once; false when there was nothing. */
  async #read(
    { redis, stream, log }: BoardOptions,
    blockMs: number | undefined,
  ): Promise<boolean> {
    const from = this.#lastId ?? "$";
    const asked = blockMs === undefined
      ? redis.xread("COUNT", READ_COUNT, "STREAMS", stream, from)
      : redis.xread("COUNT", READ_COUNT, "BLOCK", blockMs, "STREAMS", stream, from);
    const reply = await withTimeout("XREAD", READ_TIMEOUT_MS, asked);
    const entries = reply?.[0]?.[1] ?? [];
    for (const [id, flat] of entries) {
      this.#lastId = id;
      try {
        this.apply(parseStreamedCouriers(Object.fromEntries(pairsOf(flat))));
      } catch (error) {
        // Its consumer group parks it with its cause; here the next fix says where everybody is.
        log.warn("an entry of positions cannot be read; it is passed over", { entry: id, error });
      }
    }
    this.#readAtMs = performance.now();
    return entries.length > 0;
  }
}

/** The fields of an entry, which Redis tells as a flat list. */
function* pairsOf(flat: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at + 1 < flat.length; at += 2) yield [flat[at] ?? "", flat[at + 1] ?? ""];
}
