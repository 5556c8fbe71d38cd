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
  trusted, window = fixes_of(state, at)
  tail, tail_count, believes, rejudged = {}, 0, false, false
  take_tip(tip_of(window, trusted, suspect))
  newest = window ~= '' and unpack_struct('<d', window) or 0
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
  local newest_first = {}
  for at = 1, tail_count do newest_first[at] = tail[tail_count + 1 - at] end
  window = table.concat(newest_first) .. window
  tail_count = 0
end

local function judge_all()
  local judged, count = {}, #window / JUDGED
  for at = 1, count do judged[at] = NONE end
  take_tip(trusted, suspect)
  for place = count, 1, -1 do
    local at = (place - 1) * JUDGED + 1
    local record = sub(window, at, at + REC - 1)
    local when, lat, lon, accuracy = unpack_struct(RECORD, record)
    local outcome = judge(tip_at, tip_lat, tip_lon, tip_suspect, when, lat, lon, accuracy, speed)
    record = record .. OUTCOME[outcome]
    judged[place] = record
    if outcome == BELIEVED then
      tip, tip_suspect, tip_at, tip_lat, tip_lon = record, NONE, when, lat, lon
    elseif outcome == SUSPECT then tip_suspect = record end
  end
  window, rejudged = table.concat(judged), true
end

local function insert(record, at)
  flatten()
  local place = 1
  while place < #window do
    local later = sub(window, place, place + REC - 1)
    local later_at = unpack_struct('<d', later)
    if later_at < at then break end
    if later_at == at then
      local order = compare(later, record)
      if order == 0 then return 'd' end
      if order < 0 then break end
    end
    place = place + JUDGED
  end
  window = sub(window, 1, place - 1) .. record .. OUTCOME[KEPT] .. sub(window, place)
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
  local size = #window
  local keep, oldest = math.min(size, JUDGED * ${MAX_WINDOW_FIXES}), newest - ${REORDER_WINDOW_MS}
  while keep > 0 and unpack_struct('<d', window, keep - REC) < oldest do keep = keep - JUDGED end
  if keep == size then return end
  trusted, suspect = tip_of(sub(window, keep + 1), trusted, suspect)
  window = sub(window, 1, keep)
end

-- Where the courier is now, for readers of the stream whom the fixes do not tell it.
local function place_text()
  if tip == NONE or believes and not rejudged then return '' end
  return string.format('@%.0f,%.7f,%.7f', tip_at, tip_lat / 1e7, tip_lon / 1e7)
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
 * what it computes. And of a plain fix only five texts are made (ADR 0023): its id, its score, its
 * bytes, the old state and the new one.
 *
 * KEYS 1 geo, 2 seen, 3 positions stream, 4 couriers
 * ARGV 1 most entries of the stream, 2 for each group its courier's id (36 characters), 3 the geo
 *   score of its newest fix (17 characters), 4 for each group: count of fixes, speed bound (cm/s),
 *   whether each fix surely follows on the one before (1), then its records, the newest first, each
 *   with a 1 behind it; none for a heartbeat; after the last group 16 bytes that say nothing, 5 a
 *   list as JSON: what the stream is to have of each group, 6 whether a courier may be there twice
 *   (1)
 * Returns the letters (FIX_LETTERS) of all fixes, the oldest first, `h` for a heartbeat that was
 * heard; and a list of group, ms: when one that was limited may send its next fix. Or the text
 * `full`, and then nothing was written: a consumer of the stream is stuck, and unread fixes are not
 * pushed out.
 */
export const APPLY_FIXES: Script = {
  name: "apply_fixes",
  lua: `${NOW}
${STATE_LUA}
if redis.call('XLEN', KEYS[3]) >= tonumber(ARGV[1]) then return 'full' end
${APPLY_LUA}

local call, rep = redis.call, string.rep
local groups, cursor, may_repeat = ARGV[4], 1, ARGV[6] == '1'
local count_of_groups = #ARGV[2] / ${ID_CHARS}
-- The last of what is unpacked is where the text ends.
local ids = { unpack_struct(rep('c${ID_CHARS}', count_of_groups), ARGV[2]) }
local scores = { unpack_struct(rep('c${SCORE_CHARS}', count_of_groups), ARGV[3]) }
ids[count_of_groups + 1] = nil
local states = call('HMGET', KEYS[4], unpack(ids))
-- What was written by id: where a courier comes twice, what comes second follows on the first.
local written, changed, changed_count = {}, {}, 0
local answers, limits, marks, marks_count = {}, {}, {}, 1
local refused = {}
local scored, scored_count, placed, hidden, seen = {}, 0, {}, {}, {}
local now_text = string.format('%.0f', now)
marks[1] = now_text
-- How a new state is packed, by how many bytes of the old one's fixes go on in it.
local BEFORE = {}
-- What the stream is told of an available courier with one plain fix, by its version.
local PLAIN_MARKS = {}

local function apply_each(first, count, taken)
  local letters = {}
  for point = 1, taken do
    local from = first + (count - point) * JUDGED
    letters[point] = apply(sub(groups, from, from + REC - 1))
  end
  fold()
  return table.concat(letters)
end

-- How many of the oldest fixes fall out of the window where plain ones are added.
local function cut_of(state, had, first, taken, oldest)
  local cut = had + taken - ${MAX_WINDOW_FIXES}
  if cut < 0 then cut = 0 end
  while true do
    local at
    if cut < had then at = unpack_struct('<d', state, (had - 1 - cut) * JUDGED + 1)
    else at = unpack_struct('<d', groups, first + (had + taken - 1 - cut) * JUDGED) end
    if at >= oldest then return cut end
    cut = cut + 1
  end
end

for group = 1, count_of_groups do
  local id = ids[group]
  local earlier = may_repeat and written[id]
  local state = earlier or states[group]
  local count, cmps, follows, newest_at, lat, lon, after =
    unpack_struct('<I2I4Bdi4i4', groups, cursor)
  local first, points = after - 16, count
  cursor = first + count * JUDGED
  if count == 0 then points = 1 end
  local letters, mark
  if not state then letters = rep('u', points)
  else
    local fixes = #state - HEAD_BYTES
    fixes = fixes - fixes % JUDGED
    local status, version, said, tat, heard = unpack_struct(HEAD, state, fixes + 1)
    local back, is_plain = 0, follows == 1
    ahead, suspect = 0, NONE
    if status < FIRST_LOWER then
      local ends_at
      status, ends_at, suspect, back, ahead = rare_of(state, status, fixes + 1)
      fixes, is_plain = ends_at - 1, false
    end
    if tat < now then tat = now end
    local spare, taken = now + ${FIX_BURST * FIX_INTERVAL_MS} - tat, points
    if status == OFFLINE then taken = 0 letters = rep('o', points)
    elseif spare < points * ${FIX_INTERVAL_MS} then
      taken = spare < 0 and 0 or floor(spare / ${FIX_INTERVAL_MS})
      limits[#limits + 1] = group
      limits[#limits + 1] = (taken + 1) * ${FIX_INTERVAL_MS} - spare
      if taken == 0 then letters = rep('x', points) end
    end
    if taken > 0 then
      tat = tat + taken * ${FIX_INTERVAL_MS}
      if heard > 0 and now - heard > ${HIDDEN_AFTER_MS} then back = now
      elseif back > 0 and now - back >= ${RETURN_AFTER_MS} then back = 0 end
      speed = cmps / 100
      local where, had = '', fixes / JUDGED - 1
      is_plain = is_plain and back == 0
      if is_plain then
        local first_at = newest_at
        if count > 1 then
          first_at, lat, lon = unpack_struct('<di4i4', groups, cursor - JUDGED)
          first = first + (count - taken) * JUDGED
          newest_at = unpack_struct('<d', groups, first)
        end
        if newest_at > now then is_plain = false
        -- Without a window nothing was ever believed or suspected.
        elseif had > 0 then
          local tip_at, tip_lat, tip_lon, outcome = unpack_struct('<di4i4xxxxxxB', state)
          if outcome ~= BELIEVED or first_at <= tip_at then is_plain = false
          else
            local d_lat, d_lon = lat - tip_lat, lon - tip_lon
            local reach = speed * (first_at - tip_at) / 1000 + ${JUMP_SLACK_M}
            is_plain = (d_lat * d_lat + d_lon * d_lon) * ${SQUARE_METRES_PER_UNIT} <= reach * reach
              or agrees(tip_at, tip_lat, tip_lon, first_at, lat, lon, speed)
          end
        end
      end
      local last, cut, keep = cursor - 1, 0, fixes
      if is_plain then
        local oldest = newest_at - ${REORDER_WINDOW_MS}
        if taken > 1 or had >= ${MAX_WINDOW_FIXES}
          or had > 0 and unpack_struct('<d', state, fixes - 2 * JUDGED + 1) < oldest then
          cut = cut_of(state, had, first, taken, oldest)
        end
        if cut > had then keep, last = 0, last - (cut - had - 1) * JUDGED
        elseif cut > 0 then
          keep = (had - cut + 1) * JUDGED
          is_plain = byte(state, keep) == BELIEVED
        end
      end
      if is_plain then
        local fresh = sub(groups, first, last)
        if keep > 0 then
          local format = BEFORE[keep]
          if not format then format = '<c0c' .. keep .. HEAD BEFORE[keep] = format end
          state = pack(format, fresh, state, status, #version, version, said, tat, now)
        else state = state_of(fresh, NONE, 0, 0, status, version, said, tat, now) end
        letters = taken == 1 and 'a' or rep('a', taken)
      else
        open(state, fixes + 1)
        letters = count == 0 and 'h' or apply_each(after - 16, count, taken)
        state = state_of(window .. trusted, suspect, back, ahead, status, version, said, tat, now)
        where = place_text()
      end
      if may_repeat then written[id] = state end
      changed[changed_count + 1], changed[changed_count + 2] = id, state
      changed_count = changed_count + 2
      if now % ${SEEN_EVERY_MS} < now - heard then
        local count = #seen
        seen[count + 1], seen[count + 2] = now_text, id
      end
      if back > 0 then hidden[#hidden + 1] = id
      elseif status == AVAILABLE then
        -- The score is that of the newest fix of the group. What has one is placed first.
        if is_plain and taken == count and not earlier then
          scored[scored_count + 1], scored[scored_count + 2] = scores[group], id
          scored_count = scored_count + 2
        else
          if is_plain then take_tip(sub(state, 1, JUDGED), NONE) end
          if tip ~= NONE then
            local count = #placed
            placed[count + 1], placed[count + 2] = tip_lon / 1e7, tip_lat / 1e7
            placed[count + 3] = id
          end
        end
      end
      if taken < points then letters = letters .. rep('x', points - taken) end
      if letters == 'a' and where == '' and back == 0 and status == AVAILABLE then
        mark = PLAIN_MARKS[version]
        if not mark then mark = LETTER[status] .. version .. ':a' PLAIN_MARKS[version] = mark end
      else
        mark = LETTER[status] .. version .. (back > 0 and 'r:' or ':') .. letters .. where
      end
    end
  end
  answers[group] = letters
  if mark then marks_count = marks_count + 1 marks[marks_count] = mark
  else refused[group] = true end
end

-- Of whom nothing is kept, readers are told nothing: an off-shift courier is nobody's business.
local function heard_text()
  if marks_count > count_of_groups then return ARGV[5] end
  local kept, from = {}, 2
  for group = 1, count_of_groups do
    local next_from = string.find(ARGV[5], '["', from + 1, true) or #ARGV[5] + 1
    if not refused[group] then kept[#kept + 1] = sub(ARGV[5], from, next_from - 2) end
    from = next_from
  end
  return '[' .. table.concat(kept, ',') .. ']'
end

-- At most 400 couriers a call: far below what Lua can pass at once.
if changed_count > 0 then
  call('HSET', KEYS[4], unpack(changed))
  if #seen > 0 then call('ZADD', KEYS[2], unpack(seen)) end
  if scored_count > 0 then call('ZADD', KEYS[1], unpack(scored)) end
  if #placed > 0 then call('GEOADD', KEYS[1], unpack(placed)) end
  if #hidden > 0 then call('ZREM', KEYS[1], unpack(hidden)) end
  call('XADD', KEYS[3], '*', 'marks', table.concat(marks, ' '), 'heard', heard_text())
end
return { table.concat(answers), limits }`,
};
