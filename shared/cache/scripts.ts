/** The scripts of the cache. An entry is a string `version:value`; without a value it only bounds. */
import type { Script } from "shared/redis/script.ts";

/** Lua shared by the scripts: the version of an entry, and whether it has a value. */
const PARSE = `
    local held = redis.call('GET', KEYS[1])
    local version, value = nil, ''
    if held then
      local colon = string.find(held, ':', 1, true)
      version, value = tonumber(string.sub(held, 1, colon - 1)), string.sub(held, colon + 1)
    end`;

/**
 * Reads an entry, or makes the caller the one who fills it.
 * Guarantee: of many readers of a missing entry one at a time is told to load it, until it has
 * stored the value, given up, or used up its time.
 * KEYS 1 entry, 2 lock · ARGV 1 version the reader needs at least, 2 token, 3 lock's life ms
 * Returns {"hit", version, value}, or {"load" | "wait", least version the thing is known to have}.
 */
export const READ: Script = {
  name: "cache_read",
  lua: `${PARSE}
    if version and value ~= '' and version >= tonumber(ARGV[1]) then
      return {'hit', version, value}
    end
    local known = version or 0
    if redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then return {'load', known} end
    return {'wait', known}`,
};

/**
 * Stores a value unless the entry is known to be newer.
 * Guarantee: the version of an entry never falls while it lives, so that a slow reader cannot bring
 * an old value back after a newer one was stored or announced.
 * KEYS 1 entry, 2 lock · ARGV 1 version, 2 value, 3 life ms, 4 token
 * Returns 1 when stored, 0 when the entry is newer.
 */
export const STORE: Script = {
  name: "cache_store",
  lua: `${PARSE}
    if redis.call('GET', KEYS[2]) == ARGV[4] then redis.call('DEL', KEYS[2]) end
    if version and version > tonumber(ARGV[1]) then return 0 end
    redis.call('SET', KEYS[1], ARGV[1] .. ':' .. ARGV[2], 'PX', ARGV[3])
    return 1`,
};

/**
 * Announces a version: an older value goes, and none comes back while the announcement lives.
 * KEYS 1 entry · ARGV 1 version, 2 life ms · Returns 1 when the entry was older or missing.
 */
export const ANNOUNCE: Script = {
  name: "cache_announce",
  lua: `${PARSE}
    if version and version >= tonumber(ARGV[1]) then return 0 end
    redis.call('SET', KEYS[1], ARGV[1] .. ':', 'PX', ARGV[2])
    return 1`,
};

/** Gives the lock of a load that failed free. KEYS 1 lock · ARGV 1 token. */
export const RELEASE: Script = {
  name: "cache_release",
  lua: `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 0`,
};
