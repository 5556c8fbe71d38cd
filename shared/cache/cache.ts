/**
 * Values kept in Redis in front of Postgres.
 *
 * Contract
 * - A cached value is never the truth: it is asked for only where an old one does no harm, and
 *   nothing is decided from it.
 * - An entry has a version, and the scripts let it only grow. A reader that was slow cannot bring
 *   back what was superseded meanwhile: the announcement outlives every reader.
 * - This process never goes back: it has no entry older than one it has seen of the same thing.
 * - Many readers of a missing entry make one load: in this process they share a promise, between
 *   processes one holds a short lock and the others wait for it, for at most `WAIT_MS`.
 * - Redis away or slow costs at most `REDIS_TIMEOUT_MS`, and then nothing for a moment: readers load
 *   for themselves (BYPASS).
 * - Who may see a value is not known here: check it for each request, on the value.
 */
import { pause } from "shared/clock/timeout.ts";
import type { Redis } from "shared/redis/connect.ts";
import { Patience } from "shared/redis/patience.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import { runScript } from "shared/redis/script.ts";
import { BoundedMap } from "./bounded_map.ts";
import { decode, encode } from "./codec.ts";
import { ANNOUNCE, READ, RELEASE, STORE } from "./scripts.ts";

/** What became of a read: from the cache, loaded and stored, or loaded past the cache. */
export type CacheResult = "HIT" | "MISS" | "BYPASS";

/** One kind of value. */
export interface CacheKind {
  /** Part of the key and label of the metric. Another shape of value needs another name. */
  readonly name: string;
  /** Longer values are not stored. */
  readonly maxCharacters: number;
}

export interface Loaded<T> {
  readonly value: T;
  /** Grows with every change; 0 where changes are not counted and only time makes old. */
  readonly version: number;
  readonly ttlMs: number;
}

export interface CacheDeps {
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly redisTimeoutMs?: number;
  /** On a monotonic clock, in ms. */
  readonly now?: () => number;
  /** Told of every read, for metrics. */
  readonly onRead?: (kind: string, result: CacheResult) => void;
}

const REDIS_TIMEOUT_MS = 25;
/** How long one reader may load before another one is let in. */
const LOCK_MS = 2_000;
/** How long a reader waits for another one's load, and how often it looks. */
const WAIT_MS = 200;
const LOOK_MS = 20;
/** A value that took longer to load is not stored: an announcement might be gone by then. */
const MAX_LOAD_MS = 10_000;
/** Outlives every reader that began before it, with the time its own command may take. */
export const ANNOUNCEMENT_MS = 30_000;
/** Things whose version is remembered. */
const MAX_SEEN = 20_000;

type Reply = ["hit", number, string] | ["load" | "wait", number];

/** What a load brought, and whether it is in the cache now. */
interface Outcome {
  readonly loaded: Loaded<unknown> | undefined;
  readonly result: CacheResult;
}

export class Cache {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #patience: Patience;
  readonly #now: () => number;
  readonly #onRead: (kind: string, result: CacheResult) => void;
  readonly #seen = new BoundedMap<string, number>(MAX_SEEN);
  /** Loads under way; bounded by the requests under way. */
  readonly #loading = new Map<string, Promise<Outcome>>();

  constructor(deps: CacheDeps) {
    this.#redis = deps.redis;
    this.#keys = deps.keys;
    const timeoutMs = deps.redisTimeoutMs ?? REDIS_TIMEOUT_MS;
    this.#patience = new Patience({ timeoutMs, now: deps.now });
    this.#now = deps.now ?? (() => performance.now());
    this.#onRead = deps.onRead ?? (() => {});
  }

  /**
   * The value of `id`, cached or loaded; undefined where `load` finds nothing, which is not kept.
   *
   * @throws what `load` throws.
   */
  async read<T>(
    kind: CacheKind,
    id: string,
    load: () => Promise<Loaded<T> | undefined>,
  ): Promise<{ value: T | undefined; result: CacheResult }> {
    const name = `${kind.name}:${id}`;
    const token = crypto.randomUUID();
    const reply = await this.#readRedis(kind, id, token);
    if (reply?.[0] === "hit") {
      this.#see(name, reply[1]);
      this.#onRead(kind.name, "HIT");
      // Written by this class under the kind's name, which stands for the shape.
      return { value: decode(reply[2]) as T, result: "HIT" };
    }
    const atLeast = Math.max(this.#seen.get(name) ?? 0, reply?.[1] ?? 0);
    const fill = () => this.#fill(kind, id, load, reply === undefined ? undefined : token);
    let outcome = await this.#share(name, fill, reply?.[0] === "load");
    // The shared load may have begun before what is known now; one of our own begins after.
    if (outcome.loaded !== undefined && outcome.loaded.version < atLeast) outcome = await fill();
    this.#onRead(kind.name, outcome.result);
    return { value: outcome.loaded?.value as T | undefined, result: outcome.result };
  }

  /** The load under way, or this one where there is none or this one has the lock. */
  #share(name: string, fill: () => Promise<Outcome>, hasLock: boolean): Promise<Outcome> {
    const underWay = this.#loading.get(name);
    if (underWay !== undefined && !hasLock) return underWay;
    const loading = fill();
    this.#loading.set(name, loading);
    const done = () => {
      if (this.#loading.get(name) === loading) this.#loading.delete(name);
    };
    loading.then(done, done);
    return loading;
  }

  /** Stores a value that was just read from Postgres. */
  async store<T>(kind: CacheKind, id: string, loaded: Loaded<T>): Promise<void> {
    await this.#store(kind, id, loaded, "");
  }

  /**
   * Says that the thing has at least this version: what is older is not shown any more. False where
   * Redis was not told; then only this process knows.
   */
  async announce(kind: CacheKind, id: string, version: number): Promise<boolean> {
    this.#see(`${kind.name}:${id}`, version);
    const key = this.#keys.cache(kind.name, id);
    const args = [version, ANNOUNCEMENT_MS];
    const reply = await this.#patience.ask(() => runScript(this.#redis, ANNOUNCE, [key], args));
    return reply !== undefined;
  }

  /** Loads and stores; without a token past the cache. */
  async #fill<T>(
    kind: CacheKind,
    id: string,
    load: () => Promise<Loaded<T> | undefined>,
    token: string | undefined,
  ): Promise<Outcome> {
    const startedAtMs = this.#now();
    let loaded: Loaded<T> | undefined;
    try {
      loaded = await load();
    } finally {
      if (loaded === undefined && token !== undefined) await this.#release(kind, id, token);
    }
    if (loaded === undefined) return { loaded, result: "MISS" };
    this.#see(`${kind.name}:${id}`, loaded.version);
    const isLate = this.#now() - startedAtMs > MAX_LOAD_MS;
    if (token === undefined || isLate) return { loaded, result: "BYPASS" };
    const isStored = await this.#store(kind, id, loaded, token);
    return { loaded, result: isStored ? "MISS" : "BYPASS" };
  }

  /** Waits for another process's load for a moment; undefined where Redis does not answer. */
  async #readRedis(kind: CacheKind, id: string, token: string): Promise<Reply | undefined> {
    const [entry, lock] = this.#keysOf(kind, id);
    const atLeast = this.#seen.get(`${kind.name}:${id}`) ?? 0;
    const ask = () =>
      this.#patience.ask(async () =>
        await runScript(this.#redis, READ, [entry, lock], [atLeast, token, LOCK_MS]) as Reply
      );
    const untilMs = this.#now() + WAIT_MS;
    let reply = await ask();
    while (
      reply?.[0] === "wait" && !this.#loading.has(`${kind.name}:${id}`) && this.#now() < untilMs
    ) {
      await pause(LOOK_MS);
      reply = await ask();
    }
    return reply;
  }

  /** False where the value is not in the cache now. */
  async #store<T>(
    kind: CacheKind,
    id: string,
    { value, version, ttlMs }: Loaded<T>,
    token: string,
  ): Promise<boolean> {
    this.#see(`${kind.name}:${id}`, version);
    const text = encode(value);
    if (text.length > kind.maxCharacters) {
      if (token !== "") await this.#release(kind, id, token);
      return false;
    }
    const keys = this.#keysOf(kind, id);
    const stored = await this.#patience.ask(() =>
      runScript(this.#redis, STORE, keys, [version, text, ttlMs, token])
    );
    return stored === 1;
  }

  async #release(kind: CacheKind, id: string, token: string): Promise<void> {
    const [, lock] = this.#keysOf(kind, id);
    await this.#patience.ask(() => runScript(this.#redis, RELEASE, [lock], [token]));
  }

  #keysOf(kind: CacheKind, id: string): [string, string] {
    return [this.#keys.cache(kind.name, id), this.#keys.cacheLock(kind.name, id)];
  }

  #see(name: string, version: number): void {
    if (version > (this.#seen.get(name) ?? 0)) this.#seen.set(name, version);
  }
}
