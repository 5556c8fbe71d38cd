/**
 * Frames of a courier's WebSocket: JSON lists, because a phone sends one every few seconds.
 *
 * From the phone: `["f", seq, fix]`, `["b", seq, [fix, ...]]` (up to 100), `["h", seq]` (heartbeat),
 * where a fix is `[recordedAtMs, lat, lon, accuracyM, headingDeg, speedMps]`, unknown members `null`
 * or left out at the end. `seq` is the phone's own number.
 * To the phone: `["a", seq, [code, ...], more]` with one code for each fix, and
 * `["e", seq, problem, detail]` where a frame could not be taken (`seq` null where it has none).
 */
import { isStored } from "shared/availability/fix.ts";
import type { Fix } from "shared/availability/fix.ts";
import { MAX_INDEXABLE_LAT, MAX_LON, MIN_LON } from "shared/geo/point.ts";
import {
  MAX_BATCH_POINTS as MAX_POINTS,
  MAX_POSTED_ACCURACY_M,
  MAX_POSTED_SPEED_MPS,
} from "shared/live_api/fix_schemas.ts";
import type { ProblemCode } from "shared/problem/problem.ts";
import { fixOf } from "./fix_of.ts";
import { isRecent } from "./parse_fix.ts";
import type { Recorded } from "./record_fix.ts";

/** Characters of a frame; a hundred fixes have about 6,000. */
export const MAX_FRAME_CHARACTERS = 16 * 1024;

/** A frame that can be worked on; a heartbeat has no fixes. */
export interface PositionFrame {
  readonly kind: "fix" | "batch" | "heartbeat";
  readonly seq: number;
  readonly fixes: readonly Fix[];
}

/** What is wrong with a frame. */
export interface BadFrame {
  readonly kind: "bad";
  readonly seq: number | null;
  readonly problem: ProblemCode;
  readonly detail: string;
}

/** Reads a frame; never throws, whatever the text is. */
export function readFrame(text: string): PositionFrame | BadFrame {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return bad(null, "request.malformed", "must be JSON");
  }
  if (!Array.isArray(frame)) return bad(null, "request.malformed", "must be a list");
  const [kind, seq, body]: unknown[] = frame;
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0) {
    return bad(null, "request.invalid", "seq must be a whole number >= 0");
  }
  switch (kind) {
    case "h":
      return { kind: "heartbeat", seq, fixes: [] };
    case "f": {
      const fix = readFix(body);
      return typeof fix === "string"
        ? bad(seq, "request.invalid", fix)
        : { kind: "fix", seq, fixes: [fix] };
    }
    case "b":
      return readBatch(seq, body);
    default:
      return bad(seq, "request.invalid", "the kind must be f, b or h");
  }
}

function readBatch(seq: number, body: unknown): PositionFrame | BadFrame {
  if (!Array.isArray(body) || body.length < 1 || body.length > MAX_POINTS) {
    return bad(seq, "request.invalid", `must have 1 to ${MAX_POINTS} fixes`);
  }
  const fixes: Fix[] = [];
  for (const [index, tuple] of body.entries()) {
    const fix = readFix(tuple);
    if (typeof fix === "string") return bad(seq, "request.invalid", `fix ${index}: ${fix}`);
    fixes.push(fix);
  }
  return { kind: "batch", seq, fixes };
}

/** The fix, or the bound that it breaks. */
function readFix(tuple: unknown): Fix | string {
  if (!Array.isArray(tuple) || tuple.length < 3 || tuple.length > 6) {
    return "a fix must have 3 to 6 members";
  }
  const [recordedAtMs, lat, lon, accuracyM, headingDeg, speedMps]: unknown[] = tuple;
  if (!isWithin(recordedAtMs, 0, 8.64e15) || !Number.isInteger(recordedAtMs)) {
    return "recordedAtMs must be whole milliseconds since 1970";
  }
  if (!isRecent(recordedAtMs)) return "recordedAtMs must be at most 48 hours old";
  if (!isWithin(lat, -MAX_INDEXABLE_LAT, MAX_INDEXABLE_LAT)) {
    return `lat must be from -${MAX_INDEXABLE_LAT} to ${MAX_INDEXABLE_LAT}`;
  }
  if (!isWithin(lon, MIN_LON, MAX_LON)) return `lon must be from ${MIN_LON} to ${MAX_LON}`;
  const accuracy = optional(accuracyM, MAX_POSTED_ACCURACY_M);
  if (accuracy === null) return `accuracyM must be from 0 to ${MAX_POSTED_ACCURACY_M}`;
  const heading = optional(headingDeg, 360);
  if (heading === null) return "headingDeg must be from 0 to 360";
  const speed = optional(speedMps, MAX_POSTED_SPEED_MPS);
  if (speed === null) return `speedMps must be from 0 to ${MAX_POSTED_SPEED_MPS}`;
  const details = { accuracyM: accuracy, headingDeg: heading, speedMps: speed };
  return fixOf({ lat, lon, recordedAtMs }, details);
}

/** The value; undefined where it is left out, null where it is out of bounds. */
function optional(value: unknown, max: number): number | undefined | null {
  if (value === undefined || value === null) return undefined;
  return isWithin(value, 0, max) ? value : null;
}

function isWithin(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && value >= min && value <= max;
}

function bad(seq: number | null, problem: ProblemCode, detail: string): BadFrame {
  return { kind: "bad", seq, problem, detail };
}

/** The answer to a frame that was worked on. */
export function ackFrame(seq: number, recorded: Recorded): string {
  const { codes, retryAfterMs, isDegraded } = recorded;
  // As nearly always.
  if (codes.length === 1 && codes[0] === "accepted" && !isDegraded && retryAfterMs === undefined) {
    return `["a",${seq},["accepted"]]`;
  }
  const more = {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(isDegraded && codes.some(isStored) ? { degraded: true } : {}),
  };
  return JSON.stringify(
    Object.keys(more).length === 0 ? ["a", seq, codes] : ["a", seq, codes, more],
  );
}

/** The answer to a frame that could not be taken. */
export function errorFrame(seq: number | null, problem: ProblemCode, detail?: string): string {
  return JSON.stringify(detail === undefined ? ["e", seq, problem] : ["e", seq, problem, detail]);
}
