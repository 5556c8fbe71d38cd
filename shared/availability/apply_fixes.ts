import type { Script } from "shared/redis/script.ts";
import {
  FIX_BURST,
  FIX_INTERVAL_MS,
  HIDDEN_AFTER_MS,
  JUMP_SLACK_M,
  MAX_WINDOW_FIXES,
  REORDER_WINDOW_MS,
  RETURN_AFTER_MS,
  SEEN_EVERY_MS,
} from "./cleaning.ts";
import { NOW, SQUARE_METRES_PER_UNIT, STATE_LUA } from "./courier_state.ts";

/** A UUID as text. */
export const ID_CHARS = 36;
/** See `geoScoreOf`. */
export const SCORE_CHARS = 17;
const WHO_CHARS = ID_CHARS + SCORE_CHARS;

/** A courier's fixes one by one: what is believed, the window, and what becomes of each. */
const APPLY_LUA = `
-- One courier's fixes while they are applied.
local window, trusted, suspect, tip, tip_suspect, tip_at, tip_lat, tip_lon, newest, speed, ahead
-- What was appended to the window and is not in its text yet.
local tail, tail_count
-- Whether one of them is where the courier is now, and others had to be judged again: what the
-- stream is told follows from it.
local believes, rejudged

local function fields_of(record)
  return unpack_struct(RECORD .. 'I2I2', record)
end

-- Which of two fixes comes first: by recordedAt, and where that is equal by what they say, so that
-- it does not depend on which arrived first. 0 for the same fix.
local function compare(a, b)
  if a == b then return 0 end
  local x, y = { fields_of(a) }, { fields_of(b) }
  for i = 1, 6 do
    if x[i] ~= y[i] then return x[i] < y[i] and -1 or 1 end
  end
  return 0
end

local function take_tip(record, suspected)
  tip, tip_suspect = record, suspected
  tip_at, tip_lat, tip_lon = unpack_struct('<di4i4', record)
end

local function open(state, at)
  suspect, trusted, window = fixes_of(state, at)
  tail, tail_count, believes, rejudged = {}, 0, false, false
  take_tip(tip_of(window, trusted, suspect))
  newest = #window > 0 and unpack_struct('<d', window, #window - REC) or 0
end

local function append(record, at, lat, lon, accuracy)
  local outcome = judge(tip_at, tip_lat, tip_lon, tip_suspect, at, lat, lon, accuracy, speed)
  local judged = record .. OUTCOME[outcome]
  tail_count = tail_count + 1
  tail[tail_count] = judged
  newest = at
  if outcome == BELIEVED then
    tip, tip_suspect, believes = judged, NONE, true
    tip_at, tip_lat, tip_lon = at, lat, lon
    return 'a'
  end
  if outcome == SUSPECT then tip_suspect = judged return 'j' end
  return 'w'
end

local function flatten()
  if tail_count == 0 then return end
  window = window .. table.concat(tail, '', 1, tail_count)
  tail_count = 0
end

local function judge_all()
  local judged = {}
  take_tip(trusted, suspect)
  for at = 1, #window, JUDGED do
    local record = sub(window, at, at + REC - 1)
    local when, lat, lon, accuracy = unpack_struct(RECORD, record)
    local outcome = judge(tip_at, tip_lat, tip_lon, tip_suspect, when, lat, lon, accuracy, speed)
    record = record .. OUTCOME[outcome]
    judged[#judged + 1] = record
    if outcome == BELIEVED then
      tip, tip_suspect, tip_at, tip_lat, tip_lon = record, NONE, when, lat, lon
    elseif outcome == SUSPECT then tip_suspect = record end
  end
  window, rejudged = table.concat(judged), true
end

local function insert(record, at)
  flatten()
  local place = #window
  while place > 0 do
    local earlier = sub(window, place - JUDGED + 1, place - 1)
    local earlier_at = unpack_struct('<d', earlier)
    if earlier_at < at then break end
    if earlier_at == at then
      local order = compare(earlier, record)
      if order == 0 then return 'd' end
      if order < 0 then break end
    end
    place = place - JUDGED
  end
  window = sub(window, 1, place) .. record .. OUTCOME[KEPT] .. sub(window, place + 1)
  judge_all()
  return 'l'
end

local function apply(record)
  local at, lat, lon, accuracy = unpack_struct(RECORD, record)
  if at > now then
    if at <= ahead then return at == ahead and 'D' or 'S' end
    ahead = at
    return string.upper(append(pack('<d', now) .. sub(record, 9), now, lat, lon, accuracy))
  end
  if at > newest then return append(record, at, lat, lon, accuracy) end
  if at < newest - ${REORDER_WINDOW_MS} then return 's' end
  return insert(record, at)
end

-- Takes what fell out of the window into what was believed before it.
local function fold()
  flatten()
  local cut, most = 0, #window - JUDGED * ${MAX_WINDOW_FIXES}
  local oldest = newest - ${REORDER_WINDOW_MS}
  while cut < #window and (cut < most or unpack_struct('<d', window, cut + 1) < oldest) do
    cut = cut + JUDGED
  end
  if cut == 0 then return end
  trusted, suspect = tip_of(sub(window, 1, cut), trusted, suspect)
  window = sub(window, cut + 1)
end

-- Where the courier is now, for readers of the stream whom the fixes do not tell it.
local function place_text()
  if tip == NONE or believes and not rejudged then return '' end
  return string.format('@%.0f,%.7f,%.7f', tip_at, tip_lat / 1e7, tip_lon / 1e7)
end`;

/**
 * The same in one step for what nearly all calls bring: fixes that follow on one another and on the
 * newest one, which is believed. Then only the first and the last of them need be looked at, and the
 * bytes of all go into the window as they are.
 */
const EXTEND_LUA = `
-- The end of the new state in three parts; nothing where each fix has to be looked at.
local function extend(state, at, groups, first, taken)
  local size, window_at = #state, at + 2 * JUDGED
  local first_at, lat, lon = unpack_struct('<di4i4', groups, first)
  local last = first + (taken - 1) * JUDGED
  local newest_at = first_at
  if taken > 1 then newest_at = unpack_struct('<d', groups, last) end
  if newest_at > now then return end
  -- Without a window nothing was ever believed or suspected.
  if window_at <= size then
    local tip_at, tip_lat, tip_lon, outcome = unpack_struct('<di4i4xxxxxxB', state, size - REC)
    if outcome ~= BELIEVED or first_at <= tip_at then return end
    local d_lat, d_lon = lat - tip_lat, lon - tip_lon
    local reach = speed * (first_at - tip_at) / 1000 + ${JUMP_SLACK_M}
    if (d_lat * d_lat + d_lon * d_lon) * ${SQUARE_METRES_PER_UNIT} > reach * reach
      and not agrees(tip_at, tip_lat, tip_lon, first_at, lat, lon, speed) then return end
  end
  local had = (size - window_at + 1) / JUDGED
  local cut, oldest = had + taken - ${MAX_WINDOW_FIXES}, newest_at - ${REORDER_WINDOW_MS}
  if cut < 0 then cut = 0 end
  while true do
    local at_cut
    if cut < had then at_cut = unpack_struct('<d', state, window_at + cut * JUDGED)
    else at_cut = unpack_struct('<d', groups, first + (cut - had) * JUDGED) end
    if at_cut >= oldest then break end
    cut = cut + 1
  end
  if cut == 0 then return '', sub(state, at), sub(groups, first, last + REC) end
  if cut > had then return NONE, sub(groups, first + (cut - had - 1) * JUDGED, last + REC), '' end
  local believed = window_at + (cut - 1) * JUDGED
  if byte(state, believed + REC) ~= BELIEVED then return end
  return NONE, sub(state, believed), sub(groups, first, last + REC)
end`;

/**
 * Applies what was heard of couriers, and appends it to the positions stream as one entry.
 *
 * Guarantees
 * - A fix never changes a status; a courier enters the geo set only while its status is available
 *   and it is fresh; what is answered as kept is written.
 * - The fixes of a courier are judged in the order of their recordedAt, whatever the order in which
 *   they arrive: one that is at most `REORDER_WINDOW_MS` older than the newest takes its place, and
 *   those after it are judged again. So any permutation and repetition ends in the same state.
 * - At most one fix a second is taken of a courier, and `FIX_BURST` at once (GCRA: one time for
 *   each courier; ITU-T I.371 annex A). What is refused for this changes nothing.
 * - A recordedAt in the future counts as now (phones' clocks run ahead); between two such fixes the
 *   phone's own clock decides, and a clock that is set right is believed again at once.
 *
 * However many couriers, Redis is called at most nine times: what a script calls costs it more than
 * what it computes (ADR 0023).
 *
 * KEYS 1 geo, 2 seen, 3 positions stream, 4 couriers
 * ARGV 1 most entries of the stream, 2 for each group its courier's id and the geo score of its
 *   newest fix (36 and 17 characters), 3 for each group: count of fixes, speed bound (cm/s), whether
 *   each fix surely follows on the one before (1), bytes of its part of the next, then its records
 *   by recordedAt, each with a 1 behind it; none for a heartbeat, 4 a list as JSON: what the stream
 *   is to have of each group
 * Returns the letters (FIX_LETTERS) of all fixes, `h` for a heartbeat that was heard; and a list of
 * group, ms: when one that was limited may send its next fix. Or the text `full`, and then nothing
 * was written: a consumer of the stream is stuck, and unread fixes are not pushed out.
 */
export const APPLY_FIXES: Script = {
  name: "apply_fixes",
  lua: `${NOW}
${STATE_LUA}
if redis.call('XLEN', KEYS[3]) >= tonumber(ARGV[1]) then return 'full' end
${APPLY_LUA}
${EXTEND_LUA}

local call, rep = redis.call, string.rep
local who, groups, cursor, ids = ARGV[2], ARGV[3], 1, {}
for at = 1, #who, ${WHO_CHARS} do ids[#ids + 1] = sub(who, at, at + ${ID_CHARS - 1}) end
local states = call('HMGET', KEYS[4], unpack(ids))
-- What was written by id: a courier may come twice, and what comes second follows on the first.
local written, changed, changed_count = {}, {}, 0
local answers, limits, marks = {}, {}, {}
-- Where each group's part of the text ends, and whose part is left out.
local text_to, ends, refused, refused_count = 0, {}, {}, 0
local scored, placed, hidden, seen = {}, {}, {}, {}
local now_text = string.format('%.0f', now)

local function apply_each(first, taken)
  local letters = {}
  for point = 1, taken do
    local from = first + (point - 1) * JUDGED
    letters[point] = apply(sub(groups, from, from + REC - 1))
  end
  fold()
  return table.concat(letters)
end

for group = 1, #ids do
  local id = ids[group]
  local earlier, count, follows, length = written[id]
  local state = earlier or states[group]
  count, speed, follows, length, cursor = unpack_struct('<I2I4BI4', groups, cursor)
  speed, text_to = speed / 100, text_to + 1 + length
  ends[group] = text_to
  local first = cursor
  cursor = cursor + count * JUDGED
  local points = count == 0 and 1 or count
  local heard, tat, back, said, status, version, at
  if state then heard, tat, ahead, back, said, status, version, at = unpack_struct(HEAD, state) end
  local letters, mark
  if not state then letters = rep('u', points)
  elseif status == OFFLINE then letters = rep('o', points)
  else
    if tat < now then tat = now end
    local spare, taken = now + ${FIX_BURST * FIX_INTERVAL_MS} - tat, points
    if spare < points * ${FIX_INTERVAL_MS} then
      taken = spare < 0 and 0 or floor(spare / ${FIX_INTERVAL_MS})
      limits[#limits + 1] = group
      limits[#limits + 1] = (taken + 1) * ${FIX_INTERVAL_MS} - spare
    end
    tat = tat + taken * ${FIX_INTERVAL_MS}
    if taken > 0 then
      local part, rest, fresh
      local where = ''
      if follows == 1 then part, rest, fresh = extend(state, at, groups, first, taken) end
      local is_plain = part ~= nil
      if is_plain then letters = taken == 1 and 'a' or rep('a', taken)
      else
        open(state, at)
        letters = count == 0 and 'h' or apply_each(first, taken)
        part, rest, fresh, where = suspect, trusted, window, place_text()
      end
      if heard > 0 and now - heard > ${HIDDEN_AFTER_MS} then back = now
      elseif back > 0 and now - back >= ${RETURN_AFTER_MS} then back = 0 end
      state = head(now, tat, ahead, back, said, status, version) .. part .. rest .. fresh
      written[id] = state
      changed_count = changed_count + 2
      changed[changed_count - 1], changed[changed_count] = id, state
      if now % ${SEEN_EVERY_MS} < now - heard then
        local count = #seen
        seen[count + 1], seen[count + 2] = now_text, id
      end
      if back > 0 then hidden[#hidden + 1] = id
      elseif status == AVAILABLE then
        -- The score is that of the newest fix of the group. What has one is placed first.
        if is_plain and taken == count and not earlier then
          local score_at = (group - 1) * ${WHO_CHARS} + ${ID_CHARS + 1}
          scored[#scored + 1] = sub(who, score_at, score_at + ${SCORE_CHARS - 1})
          scored[#scored + 1] = id
        else
          if is_plain then take_tip(sub(state, -JUDGED), NONE) end
          if tip ~= NONE then
            local count = #placed
            placed[count + 1], placed[count + 2] = tip_lon / 1e7, tip_lat / 1e7
            placed[count + 3] = id
          end
        end
      end
      if taken < points then letters = letters .. rep('x', points - taken) end
      mark = LETTER[status] .. version .. (back > 0 and 'r:' or ':') .. letters .. where
    else letters = rep('x', points) end
  end
  answers[group] = letters
  if mark then marks[#marks + 1] = mark
  else refused[group], refused_count = true, refused_count + 1 end
end

-- Of whom nothing is kept, readers are told nothing: an off-shift courier is nobody's business.
local function heard_text()
  if refused_count == 0 then return ARGV[4] end
  local kept = {}
  for group = 1, #ids do
    if not refused[group] then
      kept[#kept + 1] = sub(ARGV[4], (ends[group - 1] or 0) + 2, ends[group])
    end
  end
  return '[' .. table.concat(kept, ',') .. ']'
end

-- At most 400 couriers a call: far below what Lua can pass at once.
if changed_count > 0 then
  call('HSET', KEYS[4], unpack(changed))
  if #seen > 0 then call('ZADD', KEYS[2], unpack(seen)) end
  if #scored > 0 then call('ZADD', KEYS[1], unpack(scored)) end
  if #placed > 0 then call('GEOADD', KEYS[1], unpack(placed)) end
  if #hidden > 0 then call('ZREM', KEYS[1], unpack(hidden)) end
  call('XADD', KEYS[3], '*', 'marks', now_text .. ' ' .. table.concat(marks, ' '),
    'heard', heard_text())
end
return { table.concat(answers), limits }`,
};
