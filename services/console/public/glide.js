// @ts-check
/** @import { Glide, WorldPoint } from "../track_types.ts" */

/**
 * Contract: a marker never jumps from one fix to the next. It moves at constant speed along every
 * fix received, and reaches the newest one about when the next is due; so what is shown is one
 * interval old at most, which is the price of calm. After a reconnect many fixes come at once: the
 * marker then runs along all of them within one interval. Pure: time comes in, positions come out.
 */

/** Couriers report each 3 s. */
const DEFAULT_INTERVAL_MS = 3_000;
/** Fixes nearer than this came in one burst and say nothing about the usual interval. */
const MIN_INTERVAL_MS = 400;
const MAX_INTERVAL_MS = 5_000;
/** A little slower than the fixes, so that a late one does not make the marker stop. */
const SLACK = 1.08;
/** Farther than this is no ride but a correction or a new courier: go there at once. */
const MAX_GLIDE_M = 4_000;
/** A burst longer than this loses its oldest corners. */
const MAX_PATH_POINTS = 200;
/** Below this a step has no direction worth showing. */
const MIN_HEADING_STEP_M = 1.5;

/**
 * A marker that stands still.
 * @param {WorldPoint} at
 * @param {number | null} headingDeg
 * @param {number} nowMs
 * @returns {Glide}
 */
export function startGlide(at, headingDeg, nowMs) {
  return {
    path: [at],
    startMs: nowMs,
    endMs: nowMs,
    fromHeadingDeg: headingDeg,
    toHeadingDeg: headingDeg,
    lastFixMs: nowMs,
    intervalMs: DEFAULT_INTERVAL_MS,
  };
}

/**
 * The glide after a fix. Where the fix carries no heading, the direction of the step is taken.
 * @param {Glide} glide
 * @param {WorldPoint} fix
 * @param {{ headingDeg: number | null, nowMs: number }} options
 * @returns {Glide}
 */
export function extendGlide(glide, fix, { headingDeg, nowMs }) {
  const here = sampleGlide(glide, nowMs);
  const last = glide.path[glide.path.length - 1] ?? fix;
  const toHeadingDeg = headingDeg ?? stepHeadingDeg(last, fix) ?? here.headingDeg;
  if (Math.hypot(fix.x - here.x, fix.y - here.y) > MAX_GLIDE_M) {
    return { ...startGlide(fix, toHeadingDeg, nowMs), intervalMs: glide.intervalMs };
  }
  const sinceLastMs = nowMs - glide.lastFixMs;
  const intervalMs = sinceLastMs < MIN_INTERVAL_MS
    ? glide.intervalMs
    : glide.intervalMs * 0.6 + Math.min(sinceLastMs, MAX_INTERVAL_MS) * 0.4;
  const ahead = [...remainingPath(glide, nowMs), fix].slice(-MAX_PATH_POINTS);
  return {
    path: [{ x: here.x, y: here.y }, ...ahead],
    startMs: nowMs,
    endMs: nowMs + intervalMs * SLACK,
    fromHeadingDeg: here.headingDeg,
    toHeadingDeg,
    lastFixMs: nowMs,
    intervalMs,
  };
}

/**
 * Where the marker is now, where it looks, and how many fixes still lie ahead of it.
 * @param {Glide} glide
 * @param {number} nowMs
 * @returns {{ x: number, y: number, headingDeg: number | null, moving: boolean, ahead: number }}
 */
export function sampleGlide(glide, nowMs) {
  const share = progress(glide, nowMs);
  const { point, next } = walk(glide.path, share);
  const headingDeg = blendHeadingDeg(glide.fromHeadingDeg, glide.toHeadingDeg, share);
  const ahead = share < 1 ? glide.path.length - next : 0;
  return { ...point, headingDeg, moving: share < 1, ahead };
}

/**
 * @param {Glide} glide
 * @param {number} nowMs
 */
function progress(glide, nowMs) {
  if (nowMs >= glide.endMs) return 1;
  return Math.max(0, (nowMs - glide.startMs) / (glide.endMs - glide.startMs));
}

/**
 * Corners of the path that the marker has not passed yet.
 * @param {Glide} glide
 * @param {number} nowMs
 */
function remainingPath(glide, nowMs) {
  const share = progress(glide, nowMs);
  if (share >= 1) return [];
  return glide.path.slice(walk(glide.path, share).next);
}

/**
 * The point at a share of the path's length, and the index of the corner that follows it.
 * @param {readonly WorldPoint[]} path
 * @param {number} share
 * @returns {{ point: WorldPoint, next: number }}
 */
function walk(path, share) {
  const end = path[path.length - 1] ?? { x: 0, y: 0 };
  let totalM = 0;
  for (let i = 1; i < path.length; i++) totalM += stepM(path, i);
  let leftM = totalM * share;
  for (let i = 1; i < path.length; i++) {
    const lengthM = stepM(path, i);
    const from = path[i - 1];
    const to = path[i];
    if (from !== undefined && to !== undefined && leftM < lengthM) {
      const t = leftM / lengthM;
      const point = { x: from.x + (to.x - from.x) * t, y: from.y + (to.y - from.y) * t };
      return { point, next: i };
    }
    leftM -= lengthM;
  }
  return { point: { x: end.x, y: end.y }, next: path.length };
}

/**
 * @param {readonly WorldPoint[]} path
 * @param {number} index
 */
function stepM(path, index) {
  const from = path[index - 1];
  const to = path[index];
  return from === undefined || to === undefined ? 0 : Math.hypot(to.x - from.x, to.y - from.y);
}

/**
 * Degrees clockwise from north, or null where the step is too short to tell.
 * @param {WorldPoint} from
 * @param {WorldPoint} to
 */
function stepHeadingDeg(from, to) {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  if (Math.hypot(dx, dy) < MIN_HEADING_STEP_M) return null;
  return (Math.atan2(dx, -dy) * 180 / Math.PI + 360) % 360;
}

/**
 * Turns the short way, and is done after a third of the glide: a courier turns at the corner, not
 * all along the next street.
 * @param {number | null} fromDeg
 * @param {number | null} toDeg
 * @param {number} share
 */
function blendHeadingDeg(fromDeg, toDeg, share) {
  if (toDeg === null) return fromDeg;
  if (fromDeg === null) return toDeg;
  const turnDeg = ((toDeg - fromDeg) % 360 + 540) % 360 - 180;
  return (fromDeg + turnDeg * Math.min(1, share * 3) + 360) % 360;
}
