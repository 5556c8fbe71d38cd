// @ts-check
/** @import { MapView, Padding, WorldPoint } from "../track_types.ts" */
import { fitPoints, pxPerM, toScreen } from "./projection.js";

/**
 * Decides what the map shows, and moves there gently. Pure: views in, views out.
 *
 * - `fit` keeps everything that matters in view and moves seldom: a map that creeps all the time is
 *   hard to read. It moves when the courier gets near the edge, or when much more could be shown.
 * - `follow` keeps the courier in the middle.
 * - `free` is where the reader has put it; nothing moves by itself.
 */

/** @typedef {"fit" | "follow" | "free"} CameraMode */

/** The camera covers all but 1/e of the way to its goal in this time. */
const EASE_MS = 190;
/** Nearer than this to the goal it is there: no endless tail of tiny repaints. */
const SETTLED_PX = 0.3;
const SETTLED_ZOOM = 0.002;
const MAX_FIT_ZOOM = 16;
const FOLLOW_ZOOM = 16;
/** So much nearer must a new fit be before the camera moves for it. */
const REFIT_ZOOM = 0.7;
/** The courier may use this share of the padding before the camera moves. */
const EDGE_SHARE = 0.55;

/**
 * Where the camera should go.
 * @param {MapView} goal the present goal
 * @param {{ mode: CameraMode, points: readonly WorldPoint[], courier: WorldPoint | null,
 *   padding: Padding, force: boolean }} options `points` is what has to be in view; `force` asks for
 *   a fresh fit, because the scene or the size changed
 * @returns {MapView}
 */
export function nextGoal(goal, { mode, points, courier, padding, force }) {
  if (mode === "free") return goal;
  if (mode === "follow" && courier !== null) {
    const zoom = force ? Math.max(goal.zoom, FOLLOW_ZOOM) : goal.zoom;
    const shift = (padding.bottomPx - padding.topPx) / 2 / pxPerM(zoom);
    return { ...goal, zoom, center: { x: courier.x, y: courier.y + shift } };
  }
  const fitted = fitPoints(goal, points, { padding, maxZoom: MAX_FIT_ZOOM });
  if (force || fitted.zoom > goal.zoom + REFIT_ZOOM) return fitted;
  const outside = points.some((point) => !isComfortable(goal, point, padding));
  return outside ? fitted : goal;
}

/**
 * @param {MapView} view
 * @param {WorldPoint} point
 * @param {Padding} padding
 */
function isComfortable(view, point, padding) {
  const { x, y } = toScreen(view, point);
  return x >= padding.leftPx * EDGE_SHARE && x <= view.widthPx - padding.rightPx * EDGE_SHARE &&
    y >= padding.topPx * EDGE_SHARE && y <= view.heightPx - padding.bottomPx * EDGE_SHARE;
}

/**
 * The view one frame later on its way to the goal.
 * @param {MapView} view
 * @param {MapView} goal
 * @param {number} elapsedMs
 * @returns {MapView}
 */
export function stepCamera(view, goal, elapsedMs) {
  if (isSettled(view, goal)) return goal;
  const share = 1 - Math.exp(-elapsedMs / EASE_MS);
  return {
    ...goal,
    zoom: view.zoom + (goal.zoom - view.zoom) * share,
    center: {
      x: view.center.x + (goal.center.x - view.center.x) * share,
      y: view.center.y + (goal.center.y - view.center.y) * share,
    },
  };
}

/**
 * @param {MapView} view
 * @param {MapView} goal
 */
export function isSettled(view, goal) {
  const offset = toScreen(goal, view.center);
  return Math.abs(view.zoom - goal.zoom) < SETTLED_ZOOM &&
    Math.hypot(offset.x - goal.widthPx / 2, offset.y - goal.heightPx / 2) < SETTLED_PX &&
    view.widthPx === goal.widthPx && view.heightPx === goal.heightPx;
}
