/**
 * Feeds `LiveCouriers` from Redis: first what every courier's hash says, then the partition's stream
 * of positions, and with profiles its stream of events too.
 *
 * Contract: the ends of the streams are noted before anything is read, so nothing falls between the
 * two. What is applied twice ends in the same state. Hashes and not only the stream are read,
 * because a stream that is read from its past costs every fix of that time, and one from its end
 * misses whoever stands still. After an outage all is read anew. While `isLive` is false Redis is
 * away or far ahead; ingest then writes each courier's newest place to Postgres every second.
 */
import { readCourierState } from "shared/availability/courier_state.ts";
import { parseStreamedCouriers } from "shared/availability/streamed_fixes.ts";
import { pause, withTimeout } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import type { CourierProfiles } from "./courier_profiles.ts";
import { type LiveCouriers, MAX_LIVE_COURIERS } from "./live_couriers.ts";

const BLOCK_MS = 1_000;
const READ_TIMEOUT_MS = BLOCK_MS + 3_000;
const READ_COUNT = 500;
const RETRY_MS = 500;
/** Hashes asked for at once: some 0.3 MB of answers, and 2 ms of Redis. */
const LOAD_COUNT = 500;
/** Without being this near to the end of the stream, Redis counts as away. */
const LIVE_MS = 3_000;
const PRUNE_MS = 60_000;

export interface FollowOptions {
  readonly keys: RedisKeys;
  readonly partition: Partition;
  /** Its own connection: blocking reads hold it. */
  readonly redis: Redis;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Absent where only places and statuses matter. */
  readonly profiles?: CourierProfiles;
}

export class CourierFollower {
  readonly #live: LiveCouriers;
  readonly #options: FollowOptions;
  readonly #positions: string;
  readonly #events: string;
  /** The last entry read of each stream. */
  #lastIds: Map<string, string> | undefined;
  /** Everything up to here is known, on this process's monotonic clock. */
  #knownToMs = -Infinity;
  #prunedAtMs = -Infinity;

  constructor(live: LiveCouriers, options: FollowOptions) {
    this.#live = live;
    this.#options = options;
    this.#positions = options.keys.positions(options.partition);
    this.#events = options.keys.events(options.partition);
  }

  /** Whether what is in memory is what Redis has, but for a moment. */
  isLive(nowMs: number): boolean {
    return nowMs - this.#knownToMs <= LIVE_MS;
  }

  /**
   * Reads where everybody is; a decision before this would not know.
   *
   * @throws where Redis is away, or Postgres where profiles are wanted.
   */
  async load(): Promise<void> {
    this.#lastIds = undefined;
    const lastIds = await this.#readEnds();
    await this.#loadCouriers();
    await this.#options.profiles?.load();
    this.#lastIds = lastIds;
    while (!this.#options.signal.aborted && await this.#read(undefined)) {
      // Each round reads further, and the stream's bound ends it.
    }
  }

  /** Follows until the signal aborts, through outages too. */
  async follow(): Promise<void> {
    const { redis, log, signal, profiles } = this.#options;
    signal.addEventListener("abort", () => redis.disconnect(), { once: true });
    const reading = profiles?.run(signal);
    while (!signal.aborted) {
      try {
        if (this.#lastIds === undefined || !this.isLive(performance.now())) await this.load();
        await this.#read(BLOCK_MS);
        this.#prune();
      } catch (error) {
        if (signal.aborted) break;
        log.warn("cannot follow couriers; it is tried again", { error });
        // What answers next may be another server, with another clock and other ids, or the same
        // one after the stream was trimmed beyond where we stood.
        this.#lastIds = undefined;
        // One that is away comes back by itself; asking it each time would leave a listener behind.
        if (redis.status === "ready") redis.disconnect(true);
        await pause(RETRY_MS, signal);
      }
    }
    await reading;
  }

  /** Redis's clock, and where the streams end now. */
  async #readEnds(): Promise<Map<string, string>> {
    const { redis, profiles } = this.#options;
    const [seconds, micros] = await this.#ask("TIME", redis.time());
    const redisNowMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    this.#live.syncClock(redisNowMs, performance.now());
    const streams = profiles === undefined ? [this.#positions] : [this.#positions, this.#events];
    const ends = new Map<string, string>();
    for (const stream of streams) {
      const [last] = await this.#ask("XREVRANGE", redis.xrevrange(stream, "+", "-", "COUNT", 1));
      ends.set(stream, last?.[0] ?? "0-0");
    }
    return ends;
  }

  async #loadCouriers(): Promise<void> {
    const { redis, keys, partition, signal } = this.#options;
    const asked = redis.zrange(keys.couriersSeen(partition), 0, String(MAX_LIVE_COURIERS - 1));
    const ids = await this.#ask("ZRANGE", asked);
    for (let start = 0; start < ids.length && !signal.aborted; start += LOAD_COUNT) {
      const some = ids.slice(start, start + LOAD_COUNT);
      const states = await this.#ask("HMGET", redis.hmgetBuffer(keys.couriers(partition), ...some));
      for (const [index, id] of some.entries()) this.#noteState(id, states[index] ?? null);
    }
  }

  /** Takes in what Redis knows of a courier; it may be gone, or never have been heard. */
  #noteState(courierId: string, state: Buffer | null): void {
    if (state === null) return;
    const { status, version, heardAtMs, isReturning, newest } = readCourierState(state);
    this.#live.noteStatus({ courierId, status, version });
    if (newest === undefined) return;
    const receivedAtMs = this.#live.toMonotonicMs(heardAtMs);
    const point = { lat: newest.lat, lon: newest.lon };
    this.#live.note(courierId, { point, receivedAtMs, isReturning });
  }

  /** Reads once; false when it has come to the end. */
  async #read(blockMs: number | undefined): Promise<boolean> {
    const { redis } = this.#options;
    const lastIds = this.#lastIds;
    if (lastIds === undefined) throw new Error("couriers are followed only after they are loaded");
    const from = [...lastIds.keys(), ...lastIds.values()];
    const asked = blockMs === undefined
      ? redis.xread("COUNT", READ_COUNT, "STREAMS", ...from)
      : redis.xread("COUNT", READ_COUNT, "BLOCK", blockMs, "STREAMS", ...from);
    const reply = await this.#ask("XREAD", asked) ?? [];
    let isAtEnd = true;
    for (const [stream, entries] of reply) {
      for (const [id, flat] of entries) {
        lastIds.set(stream, id);
        this.#apply(stream, id, flat);
      }
      const lastId = entries.at(-1)?.[0];
      if (entries.length < READ_COUNT || lastId === undefined) continue;
      isAtEnd = false;
      this.#knownToMs = this.#live.toMonotonicMs(Number(lastId.split("-")[0]));
    }
    if (isAtEnd) this.#knownToMs = performance.now();
    return !isAtEnd;
  }

  #apply(stream: string, id: string, flat: readonly string[]): void {
    const { log, profiles } = this.#options;
    try {
      if (stream === this.#positions) {
        const couriers = parseStreamedCouriers(Object.fromEntries(pairsOf(flat)));
        this.#live.apply(couriers);
        if (profiles === undefined) return;
        for (const { courierId } of couriers) {
          if (!this.#live.hasProfile(courierId)) profiles.want(courierId);
        }
      } else profiles?.noteEvent(flat[flat.indexOf("event") + 1] ?? "");
    } catch (error) {
      // Its consumer group parks it with its cause; here the next one says what is.
      log.warn("an entry cannot be read; it is passed over", { stream, entry: id, error });
    }
  }

  #prune(): void {
    const nowMs = performance.now();
    if (nowMs - this.#prunedAtMs < PRUNE_MS) return;
    this.#prunedAtMs = nowMs;
    this.#live.prune(nowMs);
    if (this.#live.count < MAX_LIVE_COURIERS) return;
    this.#options.log.error("too many couriers in a partition; newcomers are not found", {
      partition: this.#options.partition,
      bound: MAX_LIVE_COURIERS,
    });
  }

  async #ask<T>(what: string, asked: Promise<T>): Promise<T> {
    return await withTimeout(what, READ_TIMEOUT_MS, asked);
  }
}

/** The fields of an entry, which Redis tells as a flat list. */
function* pairsOf(flat: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at + 1 < flat.length; at += 2) yield [flat[at] ?? "", flat[at + 1] ?? ""];
}
