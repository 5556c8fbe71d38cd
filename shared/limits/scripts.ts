/** The scripts of the limits. All use Redis's own clock, so that processes need not agree on one. */
import type { Script } from "shared/redis/script.ts";

/** Lua shared by the scripts: the Redis clock in microseconds, exact in a double. */
const NOW = `
    local time = redis.call('TIME')
    local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
    local function text(number) return string.format('%.0f', number) end`;

/**
 * Takes one slot of a sliding log.
 *
 * Guarantee: no span of the window, wherever it begins, holds more than `max` slots, under any
 * concurrency and whatever the order of the callers. (A counter per window lets twice as many pass
 * around its edge, a GCRA with burst 10 lets 19 pass.) A refusal takes nothing.
 * The log is a list of the times from which slots count, the newest first; it never has more than
 * `max` entries. Two of one microsecond are set apart, so that each can be given back.
 * KEYS 1 log
 * ARGV 1 max, 2 window us, 3 hold us, 4 what to do with a log that is not there: "begin" a new one,
 *   "ask" for what Postgres knows, "seed" with it; 5.. ages us of what Postgres knows, newest first
 * Returns {1 taken | 0 refused | -1 asked, slot, remaining, us until one comes back}
 */
export const TAKE_SLOT: Script = {
  name: "take_slot",
  lua: `${NOW}
    local max, window, hold = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
    if ARGV[4] ~= 'begin' and redis.call('EXISTS', KEYS[1]) == 0 then
      if ARGV[4] == 'ask' then return {-1, '', 0, 0} end
      for i = 5, #ARGV do
        local at = now - tonumber(ARGV[i])
        if at > now - window then redis.call('RPUSH', KEYS[1], text(at)) end
      end
    end
    local oldest = redis.call('LINDEX', KEYS[1], -1)
    while oldest and tonumber(oldest) <= now - window do
      redis.call('RPOP', KEYS[1])
      oldest = redis.call('LINDEX', KEYS[1], -1)
    end
    local count = redis.call('LLEN', KEYS[1])
    if count > 0 then
      redis.call('PEXPIRE', KEYS[1], text(math.ceil((window + hold) / 1000)))
    end
    if count >= max then
      local leaving = redis.call('LINDEX', KEYS[1], -(count - max + 1))
      return {0, '', 0, leaving and tonumber(leaving) + window - now or window}
    end
    local at = now + hold
    local newest = redis.call('LINDEX', KEYS[1], 0)
    if newest and at <= tonumber(newest) then at = tonumber(newest) + 1 end
    redis.call('LPUSH', KEYS[1], text(at))
    redis.call('PEXPIRE', KEYS[1], text(math.ceil((at + window - now) / 1000)))
    return {1, text(at), max - count - 1, (oldest and tonumber(oldest) or at) + window - now}`,
};

/** Gives one slot back. KEYS 1 log · ARGV 1 slot · Returns how many were there: 1 or 0. */
export const GIVE_BACK_SLOT: Script = {
  name: "give_back_slot",
  lua: `return redis.call('LREM', KEYS[1], 1, ARGV[1])`,
};

/**
 * Counts an attempt and says whether it may be made.
 *
 * Guarantee: attempts are counted before they are made, so that many at once are not all free. One
 * that comes before its time is refused, counts for nothing and does not lengthen the wait: who
 * locks somebody out has to come back after each delay.
 * KEYS 1 hash {attempts, until us}
 * ARGV 1 free attempts, 2 first delay us, 3 longest delay us, 4 forget after us
 * Returns {1 allowed | 0 refused, attempts so far, us until the next may be made}
 */
export const COUNT_ATTEMPT: Script = {
  name: "count_attempt",
  lua: `${NOW}
    local free, first, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
    local state = redis.call('HMGET', KEYS[1], 'attempts', 'until')
    local attempts, wait = tonumber(state[1] or 0), tonumber(state[2] or 0) - now
    if wait > 0 then return {0, attempts, wait} end
    attempts = attempts + 1
    local delay = 0
    if attempts >= free then delay = math.min(longest, first * 2 ^ math.min(attempts - free, 30)) end
    redis.call('HSET', KEYS[1], 'attempts', attempts, 'until', text(now + delay))
    redis.call('PEXPIRE', KEYS[1], text(math.ceil((tonumber(ARGV[4]) + delay) / 1000)))
    return {1, attempts, delay}`,
};
