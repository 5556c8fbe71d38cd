/**
 * Which fixes of a courier become rows of the position history. Pure: a track and a fix in, rows out.
 *
 * Free couriers: a row every 10 s, every 30 s while standing, and one where they set off.
 *
 * Carrying couriers: besides, as many as it takes to draw every fix between two rows where it was at
 * its time, to within `ERROR_BOUND_M`. That is the swing filter (Elmeleegy et al., "Online
 * Piece-wise Linear Approximation of Numerical Streams with Precision Guarantees", VLDB 2009) in the
 * plane: each fix bounds the velocity of a straight line from the last row; while the velocity to
 * the newest fix is inside all bounds, no row is needed; when it is not, the fix before becomes a
 * row. The bounds are boxes, so a track needs a few numbers whatever it has seen. So rows are dense
 * at bends and where a courier stops or sets off, and sparse on a straight.
 *
 * The bound is promised for fixes that arrive in order, at least `MIN_SPACING_MS` apart. A late fix
 * that agrees with the line costs nothing; one that does not is a row itself, and its neighbours on
 * the line may be off by as much as it disagreed. Fixes that are not believed stay beside the line.
 */
import { JUMP_SLACK_M, MAX_ACCURACY_M, MAX_SPEED_MPS } from "shared/availability/cleaning.ts";
import type { StreamedFix } from "shared/availability/streamed_fixes.ts";
import { METRES_PER_DEGREE } from "shared/geo/segment.ts";
import type { PositionKind } from "shared/history/position_kind.ts";

/** What a carrying courier's fix may be off the line between rows; a good fix is about as precise. */
export const ERROR_BOUND_M = 10;
/** Longest stretch between rows of a courier that is heard. */
export const ROW_INTERVAL_MS = 10_000;
/** The same while the courier stands. */
export const STANDING_INTERVAL_MS = 30_000;
/** Phones fix once a second, give or take; what comes sooner adds nothing. So at most 67 a minute. */
export const MIN_SPACING_MS = 900;
/** Within this of the last row a courier stands. */
const STANDING_M = 15;
/** Silence in a track: both of its ends are rows. */
const SILENCE_MS = 30_000;
/** Inside a circle of the bound's radius. */
const HALF_BOX_M = ERROR_BOUND_M / Math.SQRT2;
/** Faster than any vehicle: a late fix like that was not judged by its neighbours, so it is here. */
const MAX_LATE_SPEED_MPS = Math.max(...Object.values(MAX_SPEED_MPS));

/** What the history knows of one courier. */
export interface CourierTrack {
  /** The newest row of the line; undefined before the first. */
  row: StreamedFix | undefined;
  /** The newest fix of the line: the row itself, or one after it. */
  newest: StreamedFix | undefined;
  /** Bounds of the velocity from `row`, in m/s to the east and to the north. */
  minEast: number;
  maxEast: number;
  minNorth: number;
  maxNorth: number;
  isCarrying: boolean;
  /** Fixes since the last row of any kind. */
  fixes: number;
  /** Times of the last rows beside the line. */
  markedAtMs: number;
  lateAtMs: number;
  /** When it was last heard, on the process's own clock. */
  touchedAtMs: number;
}

/** Takes rows. */
export type RowSink = (row: StreamedFix, kind: PositionKind, fixes: number) => void;

/** A courier nothing is known of. */
export function newTrack(): CourierTrack {
  return {
    row: undefined,
    newest: undefined,
    minEast: -Infinity,
    maxEast: Infinity,
    minNorth: -Infinity,
    maxNorth: Infinity,
    isCarrying: false,
    fixes: 0,
    markedAtMs: -Infinity,
    lateAtMs: -Infinity,
    touchedAtMs: 0,
  };
}

/** A track as it was when this row was written. */
export function trackFrom(row: StreamedFix, markedAtMs: number): CourierTrack {
  return { ...newTrack(), row, newest: row, markedAtMs };
}

/** Takes one fix into the track; rows go to the sink. */
export function sampleFix(track: CourierTrack, fix: StreamedFix, sink: RowSink): void {
  const { row, newest } = track;
  const kind = kindOf(fix);
  if (kind === "low_accuracy" || kind === "jump") {
    track.fixes++;
    return sampleMarked(track, fix, kind, sink);
  }
  if (row === undefined || newest === undefined) {
    track.fixes++;
    return writeRow(track, fix, sink);
  }
  const sinceNewestMs = fix.recordedAtMs - newest.recordedAtMs;
  if (sinceNewestMs <= 0) {
    track.fixes++;
    if (sinceNewestMs < 0) sampleLate(track, fix, sink);
    return;
  }
  if (sinceNewestMs < MIN_SPACING_MS) {
    track.fixes++;
    return;
  }
  if (needsNewest(track, fix, sinceNewestMs)) closeStretch(track, sink);
  track.fixes++;
  track.newest = fix;
  if (track.isCarrying) narrow(track, fix);
  if (isDue(track, fix)) writeRow(track, fix, sink);
}

/**
 * Makes the newest fix a row, if it is none: before a change of class, and when nothing more is
 * heard. @returns whether there was one to write.
 */
export function closeStretch(track: CourierTrack, sink: RowSink): boolean {
  if (track.newest === undefined || track.newest === track.row) return false;
  writeRow(track, track.newest, sink);
  return true;
}

/** Changes the class of a track; the bound holds from its newest fix on. */
export function setCarrying(track: CourierTrack, isCarrying: boolean, sink: RowSink): void {
  if (track.isCarrying === isCarrying) return;
  closeStretch(track, sink);
  track.isCarrying = isCarrying;
}

function kindOf({ code, fix }: StreamedFix): PositionKind {
  if (code === "low_accuracy" || code === "jump") return code;
  // A late fix is only called so, whatever else there is to say of it.
  if (code === "late" && (fix.accuracyM ?? 0) > MAX_ACCURACY_M) return "low_accuracy";
  return "usual";
}

function writeRow(track: CourierTrack, row: StreamedFix, sink: RowSink): void {
  sink(row, "usual", track.fixes);
  track.fixes = 0;
  track.row = row;
  track.newest = row;
  track.minEast = track.minNorth = -Infinity;
  track.maxEast = track.maxNorth = Infinity;
}

function sampleMarked(
  track: CourierTrack,
  fix: StreamedFix,
  kind: PositionKind,
  sink: RowSink,
): void {
  if (Math.abs(fix.recordedAtMs - track.markedAtMs) < ROW_INTERVAL_MS) return;
  sink(fix, kind, track.fixes);
  track.fixes = 0;
  track.markedAtMs = fix.recordedAtMs;
}

/** A fix from before the newest one; there are rows on both sides of it, or will be. */
function sampleLate(track: CourierTrack, fix: StreamedFix, sink: RowSink): void {
  const { row, newest, isCarrying } = track;
  if (row === undefined || newest === undefined) return;
  if (isCarrying && agreesWithLine(track, row, newest, fix)) return;
  const spacingMs = isCarrying ? MIN_SPACING_MS : ROW_INTERVAL_MS;
  if (Math.abs(fix.recordedAtMs - track.lateAtMs) < spacingMs) return;
  const isJump = !couldReach(row, fix) || !couldReach(newest, fix);
  sink(fix, isJump ? "jump" : "late", track.fixes);
  track.fixes = 0;
  if (isJump) track.markedAtMs = fix.recordedAtMs;
  else track.lateAtMs = fix.recordedAtMs;
}

/** Whether the open line passes the fix closely enough, and keeps doing so from now on. */
function agreesWithLine(
  track: CourierTrack,
  row: StreamedFix,
  newest: StreamedFix,
  fix: StreamedFix,
): boolean {
  if (fix.recordedAtMs <= row.recordedAtMs) return false;
  const line = velocity(row, newest);
  const own = velocity(row, fix);
  const slack = HALF_BOX_M / own.seconds;
  if (Math.abs(line.east - own.east) > slack || Math.abs(line.north - own.north) > slack) {
    return false;
  }
  narrow(track, fix);
  return true;
}

function couldReach(from: StreamedFix, to: StreamedFix): boolean {
  const { east, north, seconds } = velocity(from, to);
  return Math.hypot(east, north) * seconds <= MAX_LATE_SPEED_MPS * seconds + JUMP_SLACK_M;
}

/** Whether the newest fix must be a row, now that another one follows. */
function needsNewest(track: CourierTrack, fix: StreamedFix, sinceNewestMs: number): boolean {
  const { row, newest } = track;
  if (row === undefined || newest === undefined || newest === row) return false;
  if (sinceNewestMs > SILENCE_MS) return true;
  if (track.isCarrying) return !isInside(track, row, fix);
  // Set off after standing: without a row here the way would seem to begin long before.
  return newest.recordedAtMs - row.recordedAtMs >= ROW_INTERVAL_MS && !isNear(row, fix);
}

function isDue({ row }: CourierTrack, fix: StreamedFix): boolean {
  if (row === undefined) return true;
  const sinceRowMs = fix.recordedAtMs - row.recordedAtMs;
  if (sinceRowMs < ROW_INTERVAL_MS) return false;
  return sinceRowMs >= STANDING_INTERVAL_MS || !isNear(row, fix);
}

function isNear(row: StreamedFix, fix: StreamedFix): boolean {
  const { east, north, seconds } = velocity(row, fix);
  return Math.hypot(east, north) * seconds <= STANDING_M;
}

function isInside(track: CourierTrack, row: StreamedFix, fix: StreamedFix): boolean {
  const { east, north } = velocity(row, fix);
  return east >= track.minEast && east <= track.maxEast &&
    north >= track.minNorth && north <= track.maxNorth;
}

/** From now on the line from the row must pass this fix. */
function narrow(track: CourierTrack, fix: StreamedFix): void {
  if (track.row === undefined) return;
  const { east, north, seconds } = velocity(track.row, fix);
  const slack = HALF_BOX_M / seconds;
  track.minEast = Math.max(track.minEast, east - slack);
  track.maxEast = Math.min(track.maxEast, east + slack);
  track.minNorth = Math.max(track.minNorth, north - slack);
  track.maxNorth = Math.min(track.maxNorth, north + slack);
}

/** Mean velocity in m/s, in the plane that touches the earth at `from`; `seconds` is never 0. */
function velocity(from: StreamedFix, to: StreamedFix) {
  const elapsedMs = Math.abs(to.recordedAtMs - from.recordedAtMs);
  const seconds = Math.max(1, elapsedMs) / 1_000;
  let degreesEast = to.fix.lon - from.fix.lon;
  if (degreesEast > 180) degreesEast -= 360;
  else if (degreesEast < -180) degreesEast += 360;
  const scale = METRES_PER_DEGREE / seconds;
  return {
    east: degreesEast * Math.cos(from.fix.lat * Math.PI / 180) * scale,
    north: (to.fix.lat - from.fix.lat) * scale,
    seconds,
  };
}
