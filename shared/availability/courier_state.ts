/**
 * What Redis knows of a courier: one value in the partition's hash of couriers, which only the
 * scripts write. One value, because each look into Redis for another field or key costs a script
 * more than what it does with it.
 *
 * First the fixes, 23 bytes each: those of the reorder window, the newest first; then the newest one
 * believed before the window (zeros: none). Then, only where one of it is needed, and then the letter
 * of the status is upper case:
 *
 * | bytes | what                                                                                  |
 * | ----- | ------------------------------------------------------------------------------------- |
 * | 23    | the fix suspected since the one believed before the window; zeros: none               |
 * | 8     | back since, ms, while it comes back after silence; else 0                             |
 * | 8     | newest recordedAt, as the phone said it, if it is still ahead of Redis's clock; else 0 |
 * | 7     | nothing: what stands before the next table is a multiple of 23                        |
 *
 * Then:
 *
 * | bytes   | what                                                                |
 * | ------- | ------------------------------------------------------------------- |
 * | 1       | first letter of its status                                          |
 * | 1 and n | the status's version, as decimal digits after their number, 1 to 22 |
 * | 4       | when its status was last said, Redis's clock, s                     |
 * | 8       | limiter: theoretical arrival time of the next fix, ms               |
 * | 8       | heard last, Redis's clock, ms; 0: never                             |
 *
 * So what a new fix leaves of the value is its beginning, which Lua can pack without cutting it out
 * first: each text that it makes costs more than what stands in it.
 *
 * A fix is a record (fix_record.ts) and a byte for what came of it: 0 kept only, 1 believed,
 * 2 suspected of a jump. So what is true at the end of any part of the window is found without
 * judging it again; and where the last fix that falls out of the window was believed, all that stands
 * before its end is what is to be kept.
 */
import { COURIER_STATUSES, type CourierStatus } from "shared/orders/rows.ts";
import { JUMP_SLACK_M, MAX_ACCURACY_M } from "./cleaning.ts";
import type { Fix } from "./fix.ts";
import { JUDGED_BYTES, readRecord, RECORD_BYTES } from "./fix_record.ts";

/** Of what follows on the fixes, without the digits of the version. */
const HEAD_BYTES = 22;
/** Of what is there only where the status has an upper case letter. */
const RARE_BYTES = 2 * JUDGED_BYTES;
/** From an upper case letter to its lower case. */
const UPPER = 32;
const BELIEVED = 1;
/** Metres of latitude in 1e-7 degree, on the mean radius of geo/point.ts. */
const METRES_PER_UNIT = 0.0111195080;
/** From 1e-7 degree to radians, and the half of it that makes a mean of a sum. */
const HALF_RADIANS_PER_UNIT = Math.PI / 180 * 1e-7 / 2;
/** A little more than it is, so that what is within by this is so by every way of rounding. */
export const SQUARE_METRES_PER_UNIT = METRES_PER_UNIT ** 2 * (1 + 1e-6);

const codeOf = (status: CourierStatus) => status.charCodeAt(0);
const [AVAILABLE, OFFLINE] = [codeOf("available"), codeOf("offline")];
/** Their letters differ, which a test holds. */
const LETTERS_LUA = COURIER_STATUSES.map((status) => `[${codeOf(status)}] = '${status.charAt(0)}'`)
  .join();

/** What a reader may want to know of a courier's state. */
export interface CourierState {
  readonly status: CourierStatus;
  readonly version: number;
  /** 0 for never. */
  readonly heardAtMs: number;
  /** It was silent for long, and has not been heard for long enough since. */
  readonly isReturning: boolean;
  /** The newest fix that is believed. */
  readonly newest: Fix | undefined;
}

/** Reads the value. */
export function readCourierState(state: Buffer): CourierState {
  const headAt = state.length - HEAD_BYTES - (state.length - HEAD_BYTES) % JUDGED_BYTES;
  const digitsFrom = headAt + 2;
  const letter = String.fromCharCode(state.readUInt8(headAt));
  const hasMore = letter !== letter.toLowerCase();
  const moreAt = hasMore ? headAt - RARE_BYTES : headAt;
  const facts = {
    status: statusOfLetter(letter.toLowerCase()),
    version: Number(
      state.toString("latin1", digitsFrom, digitsFrom + state.readUInt8(headAt + 1)),
    ),
    heardAtMs: state.readDoubleLE(state.length - 8),
    isReturning: hasMore && state.readDoubleLE(moreAt + JUDGED_BYTES) > 0,
  };
  const trustedAt = moreAt - JUDGED_BYTES;
  for (let at = 0; at < trustedAt; at += JUDGED_BYTES) {
    if (state[at + RECORD_BYTES] === BELIEVED) return { ...facts, newest: readRecord(state, at) };
  }
  return { ...facts, newest: readRecord(state, trustedAt) };
}

/**
 * When the newest fix that is kept was recorded, whatever it was taken for; 0 for none. It may be
 * newer than where the courier is: a fix that comes late can make a later one doubtful.
 */
export function newestKeptMs(state: Buffer): number {
  // The window has it; while nothing was heard, the place of the one believed before has zeros.
  return state.readDoubleLE(0);
}

const STATUSES: ReadonlyMap<string, CourierStatus> = new Map(
  COURIER_STATUSES.map((status) => [status.charAt(0), status]),
);

/** The status that begins with the letter. @throws TypeError for none. */
export function statusOfLetter(letter: string): CourierStatus {
  const status = STATUSES.get(letter);
  if (status === undefined) throw new TypeError(`no status of a courier begins with ${letter}`);
  return status;
}

/**
 * Whether a courier could surely have come from one fix to the next, as `agrees` below would say:
 * without a cosine the way east is taken for longer than it is. False where that is to be asked.
 */
export function surelyAgrees(from: Fix, to: Fix, maxSpeedMps: number): boolean {
  const lat = (to.lat - from.lat) * 1e7;
  const lon = (to.lon - from.lon) * 1e7;
  const reachM = maxSpeedMps * (to.recordedAtMs - from.recordedAtMs) / 1000 + JUMP_SLACK_M;
  // Records have whole units and the script whole cm/s: a metre less makes up for that.
  return reachM > 1 && (lat * lat + lon * lon) * SQUARE_METRES_PER_UNIT <= (reachM - 1) ** 2;
}

/** Lua shared by the scripts: Redis's clock in milliseconds. */
export const NOW = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)`;

/** Lua shared by the scripts: when the courier of a state was last heard, in milliseconds; 0 for never. */
export const HEARD_LUA = `
local function heard_at(state)
  return (struct.unpack('<d', state, #state - 7))
end`;

/** Lua shared by the scripts that read or write the state. */
export const STATE_LUA = `${HEARD_LUA}
local REC, JUDGED, NONE = ${RECORD_BYTES}, ${JUDGED_BYTES}, string.rep('\\0', ${JUDGED_BYTES})
local KEPT, BELIEVED, SUSPECT = 0, 1, 2
local AVAILABLE, OFFLINE = ${AVAILABLE}, ${OFFLINE}
local LETTER = { ${LETTERS_LUA} }
local RECORD = '<di4i4I2'
-- status, digits of the version, status said, limiter, heard
local HEAD, HEAD_BYTES = '<BBc0I4dd', ${HEAD_BYTES}
local pack, unpack_struct, sub, byte, char = struct.pack, struct.unpack, string.sub, string.byte,
  string.char
-- back since, newest ahead
local RARE, FIRST_LOWER = '<ddxxxxxxx', byte('a')
local abs, cos, sqrt, floor = math.abs, math.cos, math.sqrt, math.floor
local OUTCOME = { [0] = char(0), char(1), char(2) }

-- Where the head of a state begins.
local function head_at(state)
  local size = #state - HEAD_BYTES
  return size - size % JUDGED + 1
end

-- Of a state that says by its status that there is more: its status, where its fixes end, suspect,
-- back since, newest ahead.
local function rare_of(state, status, at)
  return status + ${UPPER}, at - 2 * JUDGED, sub(state, at - 2 * JUDGED, at - JUDGED - 1),
    unpack_struct(RARE, state, at - JUDGED)
end

local function state_of(fixes, suspect, back, ahead, status, version, said, tat, heard)
  -- Passed by the clock, it decides nothing any more.
  if ahead <= now then ahead = 0 end
  if suspect ~= NONE or back > 0 or ahead > 0 then
    fixes, status = fixes .. suspect .. pack(RARE, back, ahead), status - ${UPPER}
  end
  return fixes .. pack(HEAD, status, #version, version, said, tat, heard)
end

-- What is believed and suspected at the end of a window (or of its beginning).
local function tip_of(window, trusted, suspect)
  local found
  for at = 1, #window, JUDGED do
    local outcome = byte(window, at + REC)
    if outcome == BELIEVED then return sub(window, at, at + REC), found or NONE end
    if outcome == SUSPECT and not found then found = sub(window, at, at + REC) end
  end
  return trusted, found or suspect
end

-- The fixes of a state that end before 'at': trusted, window.
local function fixes_of(state, at)
  return sub(state, at - JUDGED, at - 1), sub(state, 1, at - JUDGED - 1)
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
