/**
 * The durable log of one order's live stream.
 *
 * Contract: one script gives a frame its sequence number, appends it and publishes it, so what a
 * subscriber hears and what a reader finds have the same numbers in the same order. Frames from
 * events carry the order's version, frames from fixes the time of the fix; a repeat or an older
 * one is not appended. The epoch changes when the log was lost, and when Redis was rebuilt (a log that
 * survived may lack its tail), so that a client which resumes from another epoch is told so instead of
 * missing frames in silence. The generation is read in the script from where the relay has it: no
 * event of a generation stands on the stream before that says so, and what a process remembers may be
 * older than the events that it reads.
 */
import type { Redis } from "shared/redis/connect.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import { runScript, type Script } from "shared/redis/script.ts";
import { uuidv7 } from "shared/ids/uuid.ts";

/** Frames kept per order: an hour of fixes every 3 s is 1,200. */
const MAX_FRAMES = 5_000;
const TRACK_TTL_S = 3_600;
const META_TTL_S = 4 * 3_600;
const WATCH_TTL_S = 3_600;

/**
 * Lua shared by the scripts: a log of another generation is begun anew. The last key is the relay's
 * hash, which tells the generation of what Redis holds, once it does; ARGV[4] is the epoch if new.
 */
const RENEW = `
    local generation = redis.call('HGET', KEYS[#KEYS], 'generation')
    local known = redis.call('HMGET', KEYS[2], 'epoch', 'generation')
    local epoch, began = known[1], known[2]
    if epoch and began and generation and began ~= generation then
      redis.call('DEL', KEYS[1], KEYS[2])
      epoch, began = false, false
    end
    if not epoch then
      epoch = ARGV[4]
      redis.call('HSET', KEYS[2], 'epoch', epoch)
    end
    if generation and not began then redis.call('HSET', KEYS[2], 'generation', generation) end`;

/**
 * KEYS 1 track, 2 meta, 3 watch, 4 relay hash
 * ARGV 1 kind (status, courier, position, parcel), 2 version, 3 frame JSON, 4 epoch if new, 5 channel,
 *   6 most frames, 7 track lifetime s, 8 meta lifetime s, 9 courier id or empty, 10 the order's
 *   last status or empty
 * Returns the sequence number, or 0 when nothing was appended: an old version, a position of a
 * courier who is not the order's any more, or one that nobody watches (it is kept for the next
 * snapshot).
 */
const APPEND: Script = {
  name: "track_append",
  lua: `${RENEW}
    local kind = ARGV[1]
    local last = redis.call('HGET', KEYS[2], kind .. 'Version')
    if last and tonumber(last) >= tonumber(ARGV[2]) then return 0 end
    local courier = redis.call('HGET', KEYS[2], 'courierId')
    if kind == 'position' and courier and courier ~= ARGV[9] then return 0 end
    redis.call('HSET', KEYS[2], kind .. 'Version', ARGV[2])
    redis.call('EXPIRE', KEYS[2], ARGV[8])
    if kind == 'courier' then
      redis.call('HDEL', KEYS[2], 'position', 'positionVersion')
      redis.call('HSET', KEYS[2], 'courierId', ARGV[9])
    end
    if kind == 'position' or kind == 'parcel' then
      redis.call('HSET', KEYS[2], kind, ARGV[3])
      if redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
    end
    local seq = redis.call('HINCRBY', KEYS[2], 'seq', 1)
    local frame = '{"epoch":"' .. epoch .. '","seq":' .. seq .. ',' .. string.sub(ARGV[3], 2)
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[6], seq .. '-0', 'frame', frame)
    redis.call('EXPIRE', KEYS[1], ARGV[7])
    if ARGV[10] ~= '' then redis.call('HSET', KEYS[2], 'ended', ARGV[10]) end
    redis.call('PUBLISH', ARGV[5], frame)
    return seq`,
};

/**
 * KEYS 1 track, 2 meta, 3 relay hash · ARGV 1 to 3 unused, 4 epoch if new, 5 meta lifetime s
 * Returns epoch, sequence number, newest position frame, the order's last status, the newest frame of
 * a device that travels with the order.
 */
const HEAD: Script = {
  name: "track_head",
  lua: `${RENEW}
    redis.call('EXPIRE', KEYS[2], ARGV[5])
    return redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'position', 'ended', 'parcel')`,
};

export type FrameKind = "status" | "courier" | "position" | "parcel";

/** Where a log stands. */
export interface TrackHead {
  readonly epoch: string;
  readonly seq: number;
  /** The newest position frame, whether or not anybody watched; undefined before the first. */
  readonly position: string | undefined;
  /** The same of a device that travels with the order. */
  readonly parcel: string | undefined;
  /** The status with which the track ended; undefined while it goes on. */
  readonly ended: string | undefined;
}

/** Where a client stopped. */
export interface Cursor {
  readonly epoch: string;
  readonly seq: number;
}

/** The tracks of one partition. */
export class TrackLog {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;

  constructor(redis: Redis, keys: RedisKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Appends a frame unless it is old or unwatched.
   *
   * @param version grows with every frame of the kind: the order's version, or the fix's time.
   * @returns whether it was appended.
   */
  async append(
    partition: Partition,
    orderId: string,
    frame: {
      kind: FrameKind;
      version: number;
      body: Readonly<Record<string, unknown>>;
      /** Whose position it is, or who has the order from now on; absent: nobody. */
      courierId?: string;
      /** The terminal status this frame tells, after which nothing comes. */
      ended?: string;
    },
  ): Promise<boolean> {
    const keys = [
      this.#keys.track(partition, orderId),
      this.#keys.trackMeta(partition, orderId),
      this.#keys.watch(partition, orderId),
      this.#keys.relay(partition),
    ];
    const seq = await runScript(this.#redis, APPEND, keys, [
      frame.kind,
      frame.version,
      JSON.stringify(frame.body),
      uuidv7(),
      this.#keys.trackChannel(partition, orderId),
      MAX_FRAMES,
      TRACK_TTL_S,
      META_TTL_S,
      frame.courierId ?? "",
      frame.ended ?? "",
    ]);
    return Number(seq) > 0;
  }

  /** Says that somebody watches: from now on positions are appended too. */
  async watch(partition: Partition, orderId: string): Promise<void> {
    await this.#redis.set(this.#keys.watch(partition, orderId), "1", "EX", WATCH_TTL_S);
  }

  /** Where the log stands; starts an empty log, so that a snapshot always has a place in it. */
  async head(partition: Partition, orderId: string): Promise<TrackHead> {
    const keys = [
      this.#keys.track(partition, orderId),
      this.#keys.trackMeta(partition, orderId),
      this.#keys.relay(partition),
    ];
    const args = ["", "", "", uuidv7(), META_TTL_S];
    const reply = await runScript(this.#redis, HEAD, keys, args);
    const [epoch, seq, position, ended, parcel] = reply as (string | null)[];
    if (typeof epoch !== "string") throw new Error("track head has no epoch");
    return {
      epoch,
      seq: Number(seq ?? 0),
      position: position ?? undefined,
      parcel: parcel ?? undefined,
      ended: ended ?? undefined,
    };
  }

  /**
   * The frames after a cursor, or undefined when the log no longer holds all of them (another
   * epoch, trimmed, or a cursor from nowhere).
   */
  async since(
    partition: Partition,
    orderId: string,
    cursor: Cursor,
  ): Promise<string[] | undefined> {
    const head = await this.head(partition, orderId);
    if (head.epoch !== cursor.epoch || cursor.seq > head.seq) return undefined;
    if (cursor.seq === head.seq) return [];
    const entries = await this.#redis.xrange(
      this.#keys.track(partition, orderId),
      `${cursor.seq + 1}-0`,
      "+",
    );
    const isWhole = entries[0]?.[0] === `${cursor.seq + 1}-0`;
    return isWhole ? entries.map(([, fields]) => fields[1] ?? "") : undefined;
  }
}

/** Reads `<epoch>:<seq>`, as clients send it back. */
export function parseCursor(text: string | null): Cursor | undefined {
  const match = /^([\w.-]{1,80}):(\d{1,15})$/.exec(text ?? "");
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { epoch: match[1], seq: Number(match[2]) };
}
