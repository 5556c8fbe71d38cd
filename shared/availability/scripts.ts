/**
 * The only writer of the three courier keys (DESIGN §11): geo index, last seen, and the courier's
 * own hash. What a single script does cannot be interleaved, so the rule "the index holds only
 * couriers that are available and fresh" holds whatever order fixes, status changes and sweeps
 * arrive in. All scripts use Redis's own clock.
 */
import type { Script } from "shared/redis/script.ts";

/** A courier silent for this long is not offered (hidden from the index). */
export const HIDDEN_AFTER_MS = 45_000;
/** A courier silent for this long is taken offline. */
export const OFFLINE_AFTER_MS = 120_000;
/** A courier's hash outlives its shift, so that an old fix after a break is still known as old. */
export const COURIER_TTL_S = 48 * 60 * 60;

/** Lua shared by the scripts: the Redis clock in milliseconds. */
const NOW = `
    local time = redis.call('TIME')
    local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)`;

/**
 * Applies fixes and appends the accepted ones to the positions stream as one entry.
 *
 * Guarantee: a fix never changes a status; a courier enters the geo set only while its status is
 * available; an older fix never replaces a newer one; what is answered "accepted" is written.
 * KEYS 1 geo, 2 seen, 3 positions stream, 4.. the courier hash of each fix
 * ARGV 1 hash lifetime s, 2 most entries of the stream, then per fix: courier id, recordedAt ms,
 *   lat, lon, the fix as JSON
 * Returns one code per fix: accepted, stale, off_shift, unknown; or full for each, and then nothing
 * was written: a consumer of the stream is stuck, and unread fixes are not pushed out.
 * A recordedAt in the future counts as now (phones' clocks run ahead); between two such fixes the
 * phone's own clock decides, and a clock that is set right is believed again at once.
 */
export const APPLY_FIXES: Script = {
  name: "apply_fixes",
  lua: `${NOW}
    local codes, accepted = {}, {}
    if redis.call('XLEN', KEYS[3]) >= tonumber(ARGV[2]) then
      for k = 4, #KEYS do codes[#codes + 1] = 'full' end
      return codes
    end
    for k = 4, #KEYS do
      local a = 3 + (k - 4) * 5
      local id, lat, lon, json = ARGV[a], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
      local said = tonumber(ARGV[a + 1])
      local at = math.min(said, now)
      local state = redis.call('HMGET', KEYS[k], 'status', 'recordedAt', 'saidAt')
      local code
      if not state[1] then code = 'unknown'
      elseif state[1] == 'offline' then code = 'off_shift'
      elseif state[2] and at <= tonumber(state[2]) then code = 'stale'
      elseif said > now and state[3] and said <= tonumber(state[3]) then code = 'stale'
      else
        code = 'accepted'
        redis.call('HSET', KEYS[k], 'recordedAt', string.format('%.0f', at),
          'saidAt', string.format('%.0f', said),
          'receivedAt', string.format('%.0f', now), 'lat', lat, 'lon', lon, 'fix', json)
        redis.call('EXPIRE', KEYS[k], ARGV[1])
        if state[1] == 'available' then redis.call('GEOADD', KEYS[1], lon, lat, id) end
        redis.call('ZADD', KEYS[2], string.format('%.0f', now), id)
        accepted[#accepted + 1] = '{"courierId":"' .. id .. '","receivedAtMs":'
          .. string.format('%.0f', now) .. ',"recordedAtMs":' .. string.format('%.0f', at)
          .. ',"fix":' .. json .. '}'
      end
      codes[#codes + 1] = code
    end
    if #accepted > 0 then
      redis.call('XADD', KEYS[3], '*', 'fixes', '[' .. table.concat(accepted, ',') .. ']')
    end
    return codes`,
};

/**
 * Applies a courier's status as Postgres decided it. The highest version wins, so that changes may
 * arrive in any order; one that arrives again says the same and mends what was lost.
 *
 * KEYS 1 geo, 2 seen, 3 courier hash
 * ARGV 1 courier id, 2 status, 3 version, 4 hidden-after ms, 5 hash lifetime s
 * Returns "applied" or "old".
 */
export const APPLY_STATUS: Script = {
  name: "apply_status",
  lua: `${NOW}
    local state = redis.call('HMGET', KEYS[3], 'version', 'receivedAt', 'lat', 'lon')
    if state[1] and tonumber(state[1]) > tonumber(ARGV[3]) then return 'old' end
    redis.call('HSET', KEYS[3], 'status', ARGV[2], 'version', ARGV[3])
    redis.call('EXPIRE', KEYS[3], ARGV[5])
    local fresh = state[2] and now - tonumber(state[2]) < tonumber(ARGV[4])
    if ARGV[2] == 'available' and fresh then
      redis.call('GEOADD', KEYS[1], state[4], state[3], ARGV[1])
    else
      redis.call('ZREM', KEYS[1], ARGV[1])
    end
    if ARGV[2] == 'offline' then
      redis.call('ZREM', KEYS[2], ARGV[1])
    else
      redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', now), ARGV[1])
    end
    return 'applied'`,
};

/**
 * Hides couriers that fell silent and names those silent for too long.
 *
 * KEYS 1 geo, 2 seen · ARGV 1 hidden-after ms, 2 offline-after ms, 3 most ids to name
 * Returns the ids of couriers to take offline, the longest silent first. They stay in "seen" until
 * Postgres has decided and the status came back, so a crash in between forgets nobody.
 */
export const SWEEP_SILENT: Script = {
  name: "sweep_silent",
  lua: `${NOW}
    local hidden = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf',
      string.format('%.0f', now - tonumber(ARGV[1])))
    for i = 1, #hidden, 1000 do
      redis.call('ZREM', KEYS[1], unpack(hidden, i, math.min(i + 999, #hidden)))
    end
    return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf',
      string.format('%.0f', now - tonumber(ARGV[2])), 'LIMIT', 0, ARGV[3])`,
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
