/** What there is to know about a stream and its groups, for an operator. */
import type { Redis } from "shared/redis/connect.ts";
import { runScript, type Script } from "shared/redis/script.ts";

/** Entries counted per script call: Redis does nothing else meanwhile. */
const COUNT_PAGE = 5_000;
/** Pages counted at most; streams are bounded to a million entries. */
const MAX_PAGES = 200;

/**
 * Counts the entries after one.
 * KEYS 1 stream · ARGV 1 id, 2 most · Returns {how many, id of the last one}.
 */
const COUNT_AFTER: Script = {
  name: "count_after",
  lua: `
    local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
    return {#entries, #entries > 0 and entries[#entries][1] or ARGV[1]}`,
};

export interface GroupFacts {
  readonly name: string;
  /** Handed out and not acknowledged. */
  readonly pending: number;
  /** Not handed out yet, counted. */
  readonly lag: number;
  /** Age of the oldest pending entry; undefined when nothing is pending. */
  readonly oldestPendingMs: number | undefined;
}

export interface StreamFacts {
  readonly stream: string;
  readonly length: number;
  readonly groups: readonly GroupFacts[];
}

/** Reads a stream; undefined when there is none. */
export async function readStreamFacts(
  redis: Redis,
  stream: string,
): Promise<StreamFacts | undefined> {
  if (await redis.exists(stream) === 0) return undefined;
  const [seconds, microseconds] = await redis.time();
  const nowMs = Number(seconds) * 1_000 + Number(microseconds) / 1_000;
  const groups: GroupFacts[] = [];
  for (const flat of await redis.xinfo("GROUPS", stream) as unknown[][]) {
    const field = (name: string) => String(flat[flat.indexOf(name) + 1]);
    const name = field("name");
    const [pending, lowest] = await redis.xpending(stream, name) as [number, string | null];
    groups.push({
      name,
      pending,
      lag: await countAfter(redis, stream, field("last-delivered-id")),
      oldestPendingMs: lowest === null ? undefined : Math.max(0, nowMs - Number.parseInt(lowest)),
    });
  }
  return { stream, length: await redis.xlen(stream), groups };
}

/** XINFO's own `lag` is wrong or absent once entries were removed from the middle of a stream. */
async function countAfter(redis: Redis, stream: string, id: string): Promise<number> {
  let count = 0;
  let after = id;
  for (let page = 0; page < MAX_PAGES; page++) {
    const reply = await runScript(redis, COUNT_AFTER, [stream], [after, COUNT_PAGE]);
    const [found, last] = reply as [number, string];
    count += found;
    after = last;
    if (found < COUNT_PAGE) break;
  }
  return count;
}
