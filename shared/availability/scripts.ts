/**
 * The only writers of the three courier keys (DESIGN §11), with APPLY_FIXES: geo index, last seen,
 * and what is known of each. What a single script does cannot be interleaved, so the rule "the
 * index holds only couriers that are available and fresh" holds whatever order fixes, status
 * changes and sweeps arrive in. All scripts use Redis's own clock.
 */
import type { Script } from "shared/redis/script.ts";
import { ID_CHARS } from "./apply_fixes.ts";
import { COURIER_TTL_S, HIDDEN_AFTER_MS, OFFLINE_AFTER_MS } from "./cleaning.ts";
import { NOW, STATE_LUA } from "./courier_state.ts";

/** Lua shared by the scripts that say a status. The new state; nothing where a newer one is known. */
const STATUS_LUA = `
-- What the sets are to be told of all couriers at once.
local now_text = string.format('%.0f', now)
local placed, hidden, on_shift, off_shift = {}, {}, {}, {}

local function apply_status(state, id, status, version)
  local heard, tat, ahead, back, was, known = 0, 0, 0, 0
  local suspect, trusted, window = NONE, NONE, ''
  if state then
    local at, _ = head_at(state)
    was, known, _, tat, heard = unpack_struct(HEAD, state, at)
    if tonumber(known) > tonumber(version) then return end
    if was < FIRST_LOWER then was, at, suspect, back, ahead = rare_of(state, was, at) end
    trusted, window = fixes_of(state, at)
  end
  -- Who comes online does so by its own deed: it need not be heard for a while first.
  if was == OFFLINE then back = 0 end
  local tip = tip_of(window, trusted, suspect)
  local fresh = back == 0 and tip ~= NONE and now - heard < ${HIDDEN_AFTER_MS}
  if status == AVAILABLE and fresh then
    local _, lat, lon = unpack_struct('<di4i4', tip)
    local count = #placed
    placed[count + 1], placed[count + 2], placed[count + 3] = lon / 1e7, lat / 1e7, id
  else
    hidden[#hidden + 1] = id
  end
  if status == OFFLINE then
    off_shift[#off_shift + 1] = id
  else
    local count = #on_shift
    on_shift[count + 1], on_shift[count + 2] = now_text, id
  end
  return state_of(window .. trusted, suspect, back, ahead, status, version, floor(now / 1000), tat,
    heard)
end

local function tell_sets()
  if #placed > 0 then redis.call('GEOADD', KEYS[1], unpack(placed)) end
  if #hidden > 0 then redis.call('ZREM', KEYS[1], unpack(hidden)) end
  if #off_shift > 0 then redis.call('ZREM', KEYS[2], unpack(off_shift)) end
  if #on_shift > 0 then redis.call('ZADD', KEYS[2], 'NX', unpack(on_shift)) end
end`;

/**
 * Applies a courier's status as Postgres decided it. The highest version wins, so that changes may
 * arrive in any order; one that arrives again says the same and mends what was lost.
 *
 * KEYS 1 geo, 2 seen, 3 couriers
 * ARGV 1 courier id, 2 status's letter, 3 version
 * Returns "applied" or "old".
 */
export const APPLY_STATUS: Script = {
  name: "apply_status",
  lua: `${NOW}
${STATE_LUA}
${STATUS_LUA}
local state = apply_status(redis.call('HGET', KEYS[3], ARGV[1]), ARGV[1], byte(ARGV[2]), ARGV[3])
if not state then return 'old' end
redis.call('HSET', KEYS[3], ARGV[1], state)
tell_sets()
return 'applied'`,
};

/** Lua shared by the scripts that give back a place. The new state; nothing where Redis had one. */
const RESTORE_LUA = `
local function restore(state, record)
  -- Of whom nothing was heard there is nothing rare.
  if heard_at(state) > 0 or head_at(state) > JUDGED + 1 then return end
  return record .. state
end`;

/**
 * Gives a courier whose state is lost its last known place. It is stale: the courier enters the
 * index when it is heard, be it by a heartbeat.
 *
 * KEYS 1 couriers · ARGV 1 courier id, 2 record of the fix, with a 1 behind it
 * Returns 1, or 0 where Redis knows better.
 */
export const RESTORE_FIX: Script = {
  name: "restore_fix",
  lua: `${STATE_LUA}
${RESTORE_LUA}
local known = redis.call('HGET', KEYS[1], ARGV[1])
local state = known and restore(known, ARGV[2])
if not state then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], state)
return 1`,
};

/**
 * Both of many couriers in one call, for a rebuild: thirty thousand round trips take as many times
 * longer as the way to Redis is longer than the work.
 *
 * KEYS 1 geo, 2 seen, 3 couriers
 * ARGV 1 the ids, 36 characters each, 2 for each status's letter, version as digits after their
 *   number, and the record of its last fix with a 1 behind it; zeros where Postgres has none
 */
export const LOAD_COURIERS: Script = {
  name: "load_couriers",
  lua: `${NOW}
${STATE_LUA}
${STATUS_LUA}
${RESTORE_LUA}
local ids, changed, facts, cursor = {}, {}, ARGV[2], 1
for at = 1, #ARGV[1], ${ID_CHARS} do ids[#ids + 1] = sub(ARGV[1], at, at + ${ID_CHARS - 1}) end
local states = redis.call('HMGET', KEYS[3], unpack(ids))
for index = 1, #ids do
  local status, version
  status, version, cursor = unpack_struct('<BBc0', facts, cursor)
  local record = sub(facts, cursor, cursor + REC)
  cursor = cursor + JUDGED
  local state = apply_status(states[index], ids[index], status, version) or states[index]
  if record ~= NONE then state = restore(state, record) or state end
  changed[2 * index - 1], changed[2 * index] = ids[index], state
end
redis.call('HSET', KEYS[3], unpack(changed))
tell_sets()`,
};

/**
 * Hides couriers that fell silent and names those silent for too long. And forgets, of some couriers
 * at each call, those of whom nothing was heard for a long time: fields of a hash have no time to
 * live before Redis 7.4.
 *
 * KEYS 1 geo, 2 seen, 3 couriers
 * ARGV 1 most ids to name, 2 where to go on looking for couriers to forget ("0" at first), 3 about
 *   how many to look at
 * Returns the ids of couriers to take offline, the longest silent first, and where to go on. They
 * stay in "seen" until Postgres has decided and the status came back, so a crash in between forgets
 * nobody.
 */
export const SWEEP_SILENT: Script = {
  name: "sweep_silent",
  lua: `${NOW}
${STATE_LUA}
-- Of these those who were not heard since either; what was heard of the others is noted.
local function unheard(ids, since)
  local silent, heard_of = {}, {}
  if #ids == 0 then return silent end
  local states = redis.call('HMGET', KEYS[3], unpack(ids))
  for at = 1, #ids do
    local heard = states[at] and heard_at(states[at]) or 0
    if heard > since then
      heard_of[#heard_of + 1] = string.format('%.0f', heard)
      heard_of[#heard_of + 1] = ids[at]
    else silent[#silent + 1] = ids[at] end
  end
  if #heard_of > 0 then redis.call('ZADD', KEYS[2], 'XX', unpack(heard_of)) end
  return silent
end

local since = now - ${HIDDEN_AFTER_MS}
local noted = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', since))
for from = 1, #noted, 500 do
  local ids, to = {}, math.min(from + 499, #noted)
  local places = redis.call('ZMSCORE', KEYS[1], unpack(noted, from, to))
  for at = from, to do
    if places[at - from + 1] then ids[#ids + 1] = noted[at] end
  end
  local hidden = unheard(ids, since)
  if #hidden > 0 then redis.call('ZREM', KEYS[1], unpack(hidden)) end
end
local scan = redis.call('HSCAN', KEYS[3], ARGV[2], 'COUNT', ARGV[3])
local found, oldest = scan[2], now - ${COURIER_TTL_S * 1000}
for at = 1, #found, 2 do
  local state = found[at + 1]
  local _, _, said, _, heard = unpack_struct(HEAD, state, head_at(state))
  if heard < oldest and said * 1000 < oldest then redis.call('HDEL', KEYS[3], found[at]) end
end
since = now - ${OFFLINE_AFTER_MS}
local silent = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', since),
  'LIMIT', 0, ARGV[1])
return { unheard(silent, since), scan[1] }`,
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
local members, now_text = {}, string.format('%.0f', now)
for i = 1, #ARGV do
  members[2 * i - 1], members[2 * i] = now_text, ARGV[i]
end
return redis.call('ZADD', KEYS[1], 'NX', unpack(members))`,
};

/**
 * Forgets a courier that Postgres does not know, so that nobody asks about it again. One that comes
 * to exist meanwhile is unknown here, and read from Postgres with its next fix.
 *
 * KEYS 1 geo, 2 seen, 3 couriers · ARGV 1 courier id
 */
export const FORGET_COURIER: Script = {
  name: "forget_courier",
  lua: `
    redis.call('ZREM', KEYS[1], ARGV[1])
    redis.call('ZREM', KEYS[2], ARGV[1])
    return redis.call('HDEL', KEYS[3], ARGV[1])`,
};
