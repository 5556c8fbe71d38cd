import type { Script } from "shared/redis/script.ts";
import {
  COURIER_TTL_S,
  FIX_BURST,
  FIX_INTERVAL_MS,
  HIDDEN_AFTER_MS,
  MAX_WINDOW_FIXES,
  REORDER_WINDOW_MS,
  RETURN_AFTER_MS,
} from "./cleaning.ts";
import { NOW, STATE_LUA } from "./courier_state.ts";

const HOUR_MS = 3_600_000;

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
 * KEYS 1 geo, 2 seen, 3 positions stream, 4.. the courier hash of each group
 * ARGV 1 most entries of the stream, 2 where the id begins in a courier's key,
 *   3 for each group: count of fixes and speed bound (cm/s), then its records by recordedAt,
 *   4.. for each group its fixes as text; empty for a heartbeat
 * Returns the letters (FIX_LETTERS) of all fixes, `h` for a heartbeat that was heard; and a list of
 * group, ms: when one that was limited may send its next fix. Or the text `full`, and then nothing
 * was written: a consumer of the stream is stuck, and unread fixes are not pushed out.
 */
export const APPLY_FIXES: Script = {
  name: "apply_fixes",
  lua: `${NOW}
${STATE_LUA}

if redis.call('XLEN', KEYS[3]) >= tonumber(ARGV[1]) then return 'full' end

-- One courier's fixes while they are applied.
local window, trusted, suspect, tip, tip_suspect, tip_at, tip_lat, tip_lon, newest, speed, said
-- What was appended to the window and is not in its text yet.
local tail, tail_count
-- Whether all of them are kept, one of them is where the courier is now, and others had to be judged
-- again: what the stream is told follows from it.
local all_kept, believes, rejudged

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
      if order == 0 then
        all_kept = false
        return 'd'
      end
      if order < 0 then break end
    end
    place = place - JUDGED
  end
  window = sub(window, 1, place) .. record .. '\\0' .. sub(window, place + 1)
  judge_all()
  return 'l'
end

local function apply(record)
  local at, lat, lon, accuracy = unpack_struct(RECORD, record)
  if at > now then
    if at <= said then
      all_kept = false
      return at == said and 'D' or 'S'
    end
    said = at
    return string.upper(append(pack('<d', now) .. sub(record, 9), now, lat, lon, accuracy))
  end
  if at > newest then return append(record, at, lat, lon, accuracy) end
  if at < newest - ${REORDER_WINDOW_MS} then
    all_kept = false
    return 's'
  end
  return insert(record, at)
end

-- Takes what fell out of the window into what was believed before it.
local function fold()
  flatten()
  local cut, most = 0, #window - JUDGED * ${MAX_WINDOW_FIXES}
  local oldest = newest - ${REORDER_WINDOW_MS}
  -- Nearly always nothing or one.
  while cut < #window and (cut < most or unpack_struct('<d', window, cut + 1) < oldest) do
    cut = cut + JUDGED
  end
  if cut == 0 then return end
  trusted, suspect = tip_of(sub(window, 1, cut), trusted, suspect)
  window = sub(window, cut + 1)
end

local function place_of(record)
  local at, lat, lon = unpack_struct('<di4i4', record)
  return at, lat / 1e7, lon / 1e7
end

-- What readers of the stream are told of one courier.
local function element(id, status, version, back, text, letters)
  local kept, letters_kept = text, letters
  if not all_kept then
    local pieces, at = {}, 0
    for piece in string.gmatch(text, '%b[]') do
      at = at + 1
      if string.find(sub(letters, at, at), '[alwjALWJ]') then pieces[#pieces + 1] = piece end
    end
    kept, letters_kept = table.concat(pieces, ','), string.gsub(letters, '[^alwjALWJ]', '')
  end
  local where = ''
  if tip ~= NONE and (rejudged or not believes) then
    where = string.format(',"t":[%.0f,%.7f,%.7f]', place_of(tip))
  end
  return '{"c":"' .. id .. '","s":"' .. status .. '","v":' .. version
    .. (back > 0 and ',"r":1,"f":[' or ',"r":0,"f":[') .. kept .. '],"k":"' .. letters_kept .. '"'
    .. where .. '}'
end

local answers, limits, elements = {}, {}, {}
local placed, hidden, seen = {}, {}, {}
local heard_count, placed_count = 0, 0
local call, rep = redis.call, string.rep
local id_at, groups, cursor = tonumber(ARGV[2]), ARGV[3], 1
local now_text = string.format('%.0f', now)

for group = 1, #KEYS - 3 do
  local key, text = KEYS[group + 3], ARGV[group + 3]
  local count
  count, speed, cursor = unpack_struct('<I2I4', groups, cursor)
  speed = speed / 100
  local first = cursor
  cursor = cursor + count * REC
  local points = count == 0 and 1 or count
  local row = call('HMGET', key, 'status', 'version', 'state')
  local status = row[1]
  if not status then answers[group] = rep('u', points)
  elseif status == 'offline' then answers[group] = rep('o', points)
  else
    local heard, tat, back
    heard, tat, said, back, trusted, suspect, window = read_state(row[3])
    tail, tail_count = {}, 0
    take_tip(tip_of(window, trusted, suspect))
    all_kept, believes, rejudged = true, false, false
    newest = #window > 0 and unpack_struct('<d', window, #window - REC) or 0
    local letters = {}
    if tat < now then tat = now end
    local room = floor((now + ${FIX_BURST * FIX_INTERVAL_MS} - tat) / ${FIX_INTERVAL_MS})
    local taken = room < points and room or points
    tat = tat + taken * ${FIX_INTERVAL_MS}
    if taken < points then
      limits[#limits + 1] = group
      limits[#limits + 1] = tat + ${FIX_INTERVAL_MS} - now - ${FIX_BURST * FIX_INTERVAL_MS}
      for point = taken + 1, points do letters[point] = 'x' end
      all_kept = false
    end
    if count == 0 then letters[1] = letters[1] or 'h'
    else
      for point = 1, taken do
        local at = first + (point - 1) * REC
        letters[point] = apply(sub(groups, at, at + REC - 1))
      end
    end
    answers[group] = points == 1 and letters[1] or table.concat(letters)
    if taken > 0 then
      fold()
      local id = sub(key, id_at)
      if heard > 0 and now - heard > ${HIDDEN_AFTER_MS} then back = now
      elseif back > 0 and now - back >= ${RETURN_AFTER_MS} then back = 0 end
      if floor(heard / ${HOUR_MS}) < floor(now / ${HOUR_MS}) then
        call('EXPIRE', key, ${COURIER_TTL_S})
      end
      call('HSET', key, 'state', pack('<dddd', now, tat, said, back) .. trusted .. suspect .. window)
      heard_count = heard_count + 1
      seen[2 * heard_count - 1], seen[2 * heard_count] = now_text, id
      if back > 0 then hidden[#hidden + 1] = id
      elseif status == 'available' and tip ~= NONE then
        placed[placed_count + 1], placed[placed_count + 2] = tip_lon / 1e7, tip_lat / 1e7
        placed[placed_count + 3], placed_count = id, placed_count + 3
      end
      elements[heard_count] = element(id, status, row[2], back, text,
        count == 0 and '' or answers[group])
    end
  end
end

-- At most 400 couriers a call: far below what Lua can pass at once.
if #placed > 0 then redis.call('GEOADD', KEYS[1], unpack(placed)) end
if #hidden > 0 then redis.call('ZREM', KEYS[1], unpack(hidden)) end
if #seen > 0 then redis.call('ZADD', KEYS[2], unpack(seen)) end
if #elements > 0 then
  redis.call('XADD', KEYS[3], '*', 'at', now_text, 'couriers',
    '[' .. table.concat(elements, ',') .. ']')
end
return { table.concat(answers), limits }`,
};
