/**
 * The `state` field of a courier's hash, which only the scripts write: what was heard, the limiter,
 * and the fixes of the reorder window in the order of their recordedAt.
 *
 * | at | bytes   | what                                                                    |
 * | -- | ------- | ----------------------------------------------------------------------- |
 * | 0  | 8       | heard last, Redis's clock, ms                                           |
 * | 8  | 8       | limiter: theoretical arrival time of the next fix, ms                   |
 * | 16 | 8       | newest recordedAt that was ahead of Redis's clock, as the phone said it |
 * | 24 | 8       | back since, ms, while it comes back after silence; else 0               |
 * | 32 | 23      | newest fix believed before the window; zeros: none                      |
 * | 55 | 23      | suspect since then; zeros: none                                         |
 * | 78 | 23 each | fixes of the window                                                     |
 *
 * A fix is a record (fix_record.ts) and a byte for what came of it: 0 kept only, 1 believed,
 * 2 suspected of a jump. So what is true at the end of any part of the window is found without
 * judging it again.
 */
import { JUMP_SLACK_M, MAX_ACCURACY_M } from "./cleaning.ts";
import type { Fix } from "./fix.ts";
import { readRecord, RECORD_BYTES } from "./fix_record.ts";

const JUDGED_BYTES = RECORD_BYTES + 1;
const TRUSTED_AT = 32;
const WINDOW_AT = TRUSTED_AT + 2 * JUDGED_BYTES;
const BELIEVED = 1;
/** Metres of latitude in 1e-7 degree, on the mean radius of geo/point.ts. */
const METRES_PER_UNIT = 0.0111195080;
/** From 1e-7 degree to radians, and the half of it that makes a mean of a sum. */
const HALF_RADIANS_PER_UNIT = Math.PI / 180 * 1e-7 / 2;

/** What a reader may want to know of a courier's state. */
export interface CourierState {
  readonly heardAtMs: number;
  /** It was silent for long, and has not been heard for long enough since. */
  readonly isReturning: boolean;
  /** The newest fix that is believed. */
  readonly newest: Fix | undefined;
}

/** Reads the field. */
export function readCourierState(state: Buffer): CourierState {
  const heard = { heardAtMs: state.readDoubleLE(0), isReturning: state.readDoubleLE(24) > 0 };
  for (let at = state.length - JUDGED_BYTES; at >= WINDOW_AT; at -= JUDGED_BYTES) {
    if (state[at + RECORD_BYTES] === BELIEVED) return { ...heard, newest: readRecord(state, at) };
  }
  return { ...heard, newest: readRecord(state, TRUSTED_AT) };
}

/**
 * When the newest fix that is kept was recorded, whatever it was taken for; 0 for none. It may be
 * newer than where the courier is: a fix that comes late can make a later one doubtful.
 */
export function newestKeptMs(state: Buffer): number {
  if (state.length > WINDOW_AT) return state.readDoubleLE(state.length - JUDGED_BYTES);
  return Math.max(state.readDoubleLE(TRUSTED_AT), state.readDoubleLE(TRUSTED_AT + JUDGED_BYTES));
}

/** Lua shared by the scripts: Redis's clock in milliseconds. */
export const NOW = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)`;

/** Lua shared by the scripts that read or write the state. */
export const STATE_LUA = `
local REC, JUDGED, NONE = ${RECORD_BYTES}, ${JUDGED_BYTES}, string.rep('\\0', ${JUDGED_BYTES})
local KEPT, BELIEVED, SUSPECT = 0, 1, 2
local RECORD = '<di4i4I2'
local pack, unpack_struct, sub, byte, char = struct.pack, struct.unpack, string.sub, string.byte,
  string.char
local abs, cos, sqrt, floor = math.abs, math.cos, math.sqrt, math.floor
local OUTCOME = { [0] = char(0), char(1), char(2) }

-- What is believed and suspected at the end of a window (or of its beginning).
local function tip_of(window, trusted, suspect)
  local found
  for at = #window - JUDGED + 1, 1, -JUDGED do
    local outcome = byte(window, at + REC)
    if outcome == BELIEVED then return sub(window, at, at + REC), found or NONE end
    if outcome == SUSPECT and not found then found = sub(window, at, at + REC) end
  end
  return trusted, found or suspect
end

local function read_state(state)
  if not state then return 0, 0, 0, 0, NONE, NONE, '' end
  local heard, tat, said, back = unpack_struct('<dddd', state)
  return heard, tat, said, back, sub(state, 33, 32 + JUDGED), sub(state, 33 + JUDGED, 32 + 2 * JUDGED),
    sub(state, 33 + 2 * JUDGED)
end

-- Whether a courier could have come from one place to the other in the time (plane geometry: what
-- it errs by, where it errs, is a jump all the same).
local function agrees(from_at, from_lat, from_lon, at, lat, lon, speed)
  local d_lon = abs(lon - from_lon)
  if d_lon > 1.8e9 then d_lon = 3.6e9 - d_lon end
  local d_lat, x = lat - from_lat, d_lon * cos((lat + from_lat) * ${HALF_RADIANS_PER_UNIT})
  return sqrt(x * x + d_lat * d_lat) * ${METRES_PER_UNIT}
    <= speed * abs(at - from_at) / 1000 + ${JUMP_SLACK_M}
end

-- Judges a fix that follows on what is believed (at 0: nothing is) and suspected; its outcome.
local function judge(believed_at, believed_lat, believed_lon, suspect, at, lat, lon, accuracy, speed)
  if accuracy > ${MAX_ACCURACY_M * 10} and accuracy < 65535 then return KEPT end
  if believed_at == 0 or agrees(believed_at, believed_lat, believed_lon, at, lat, lon, speed) then
    return BELIEVED
  end
  -- Two in a row that agree with one another: it is the earlier place that was wrong.
  if suspect ~= NONE then
    local from_at, from_lat, from_lon = unpack_struct('<di4i4', suspect)
    if agrees(from_at, from_lat, from_lon, at, lat, lon, speed) then return BELIEVED end
  end
  return SUSPECT
end`;
