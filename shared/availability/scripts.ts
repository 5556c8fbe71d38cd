/**
 * The only writers of the three courier keys (DESIGN §11), with APPLY_FIXES: geo index, last seen,
 * and the courier's own hash. What a single script does cannot be interleaved, so the rule "the
 * index holds only couriers that are available and fresh" holds whatever order fixes, status
 * changes and sweeps arrive in. All scripts use Redis's own clock.
 */
import type { Script } from "shared/redis/script.ts";
import { COURIER_TTL_S, HIDDEN_AFTER_MS, OFFLINE_AFTER_MS } from "./cleaning.ts";
import { NOW, STATE_LUA } from "./courier_state.ts";

/** Lua shared by the scripts that say a status. Whether it was newer than what was known. */
const STATUS_LUA = `
local function apply_status(key, id, status, version)
  local row = redis.call('HMGET', key, 'status', 'version', 'state')
  if row[2] and tonumber(row[2]) > tonumber(version) then return false end
  redis.call('HSET', key, 'status', status, 'version', version)
  redis.call('EXPIRE', key, ${COURIER_TTL_S})
  local heard, tat, said, back, trusted, suspect, window = read_state(row[3])
  -- Who comes online does so by its own deed: it need not be heard for a while first.
  if row[1] == 'offline' and back > 0 then
    back = 0
    redis.call('HSET', key, 'state', pack('<dddd', heard, tat, said, back) .. sub(row[3], 33))
  end
  local tip = tip_of(window, trusted, suspect)
  local fresh = back == 0 and tip ~= NONE and now - heard < ${HIDDEN_AFTER_MS}
  if status == 'available' and fresh then
    local _, lat, lon = unpack_struct('<di4i4', tip)
    redis.call('GEOADD', KEYS[1], lon / 1e7, lat / 1e7, id)
  else
    redis.call('ZREM', KEYS[1], id)
  end
  if status == 'offline' then
    redis.call('ZREM', KEYS[2], id)
  else
    redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', now), id)
  end
  return true
end`;

/**
 * Applies a courier's status as Postgres decided it. The highest version wins, so that changes may
 * arrive in any order; one that arrives again says the same and mends what was lost.
 *
 * KEYS 1 geo, 2 seen, 3 courier hash
 * ARGV 1 courier id, 2 status, 3 version
 * Returns "applied" or "old".
 */
export const APPLY_STATUS: Script = {
  name: "apply_status",
  lua: `${NOW}
${STATE_LUA}
${STATUS_LUA}
return apply_status(KEYS[3], ARGV[1], ARGV[2], ARGV[3]) and 'applied' or 'old'`,
};

/** Lua shared by the scripts that give back a place. Whether Redis had none. */
const RESTORE_LUA = `
local function restore(key, record)
  local row = redis.call('HMGET', key, 'status', 'state')
  if not row[1] or row[2] then return false end
  redis.call('HSET', key, 'state',
    pack('<dddd', 0, 0, 0, 0) .. NONE .. NONE .. record .. char(BELIEVED))
  return true
end`;

/**
 * Gives a courier whose state is lost its last known place. It is stale: the courier enters the
 * index when it is heard, be it by a heartbeat.
 *
 * KEYS 1 courier hash · ARGV 1 record of the fix
 * Returns 1, or 0 where Redis knows better.
 */
export const RESTORE_FIX: Script = {
  name: "restore_fix",
  lua: `${STATE_LUA}
${RESTORE_LUA}
return restore(KEYS[1], ARGV[1]) and 1 or 0`,
};

/**
 * Both of many couriers in one call, for a rebuild: thirty thousand round trips take as many times
 * longer as the way to Redis is longer than the work.
 *
 * KEYS 1 geo, 2 seen, 3.. courier hashes
 * ARGV 1 where the id begins in a courier's key, 2.. for each hash status, version and the record of
 *   its last fix; empty where Postgres has none
 */
export const LOAD_COURIERS: Script = {
  name: "load_couriers",
  lua: `${NOW}
${STATE_LUA}
${STATUS_LUA}
${RESTORE_LUA}
local id_at = tonumber(ARGV[1])
for i = 3, #KEYS do
  local at = 3 * i - 7
  apply_status(KEYS[i], sub(KEYS[i], id_at), ARGV[at], ARGV[at + 1])
  if ARGV[at + 2] ~= '' then restore(KEYS[i], ARGV[at + 2]) end
end`,
};

/**
 * Hides couriers that fell silent and names those silent for too long.
 *
 * KEYS 1 geo, 2 seen · ARGV 1 most ids to name
 * Returns the ids of couriers to take offline, the longest silent first. They stay in "seen" until
 * Postgres has decided and the status came back, so a crash in between forgets nobody.
 */
export const SWEEP_SILENT: Script = {
  name: "sweep_silent",
  lua: `${NOW}
local hidden = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf',
  string.format('%.0f', now - ${HIDDEN_AFTER_MS}))
for i = 1, #hidden, 1000 do
  redis.call('ZREM', KEYS[1], unpack(hidden, i, math.min(i + 999, #hidden)))
end
return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf',
  string.format('%.0f', now - ${OFFLINE_AFTER_MS}), 'LIMIT', 0, ARGV[1])`,
};

/**
 * Begins to watch for the silence of couriers that are on shift in Postgres but unknown here
 * (Redis was lost, or an event is still under way): their silence counts from now.
 *
 * KEYS 1 seen · ARGV courier ids · Returns how many were unknown.
 */
export const WATCH_SILENCE: Script = {
  name: "watch_silence",
  lua: `${NOW}
local added = 0
for i = 1, #ARGV do
  added = added + redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', now), ARGV[i])
end
return added`,
};

/**
 * Forgets a courier that Postgres does not know, so that nobody asks about it again. One that comes
 * to exist meanwhile is unknown here, and read from Postgres with its next fix.
 *
 * KEYS 1 geo, 2 seen, 3 courier hash · ARGV 1 courier id
 */
export const FORGET_COURIER: Script = {
  name: "forget_courier",
  lua: `
    redis.call('ZREM', KEYS[1], ARGV[1])
    redis.call('ZREM', KEYS[2], ARGV[1])
    return redis.call('DEL', KEYS[3])`,
};
