// @ts-check
/// <reference lib="dom" />
/** @import { MapView, WorldPoint } from "../track_types.ts" */
import { ICONS, vehicleIcon } from "./icons.js";
import { toScreen } from "./projection.js";

/** Paints what moves above the streets: the way travelled, the two stops and the courier. */

const STOP_RADIUS_PX = 16;
const COURIER_RADIUS_PX = 20;
const TRAIL_WIDTH_PX = 5;

/**
 * @typedef {object} MarkerTheme
 * @property {string} ink
 * @property {string} onInk
 * @property {string} home
 * @property {string} onHome
 * @property {string} courier
 * @property {string} onCourier
 * @property {string} rim
 * @property {string} shadow
 */

/**
 * @typedef {object} Scene
 * @property {WorldPoint} pickup
 * @property {WorldPoint} dropoff
 * @property {boolean} parcel
 * @property {boolean} showLink a dashed bow between the stops, while nothing is on board
 * @property {boolean} arrived
 * @property {{ at: WorldPoint, headingDeg: number | null, vehicle: string, stale: boolean } | null} courier
 * @property {readonly WorldPoint[]} trail oldest first, ends at the courier
 */

/**
 * Clears the canvas and draws the scene. `context` is scaled to CSS pixels already.
 * @param {CanvasRenderingContext2D} context
 * @param {{ view: MapView, scene: Scene, theme: MarkerTheme }} options
 */
export function paintScene(context, { view, scene, theme }) {
  context.clearRect(0, 0, view.widthPx, view.heightPx);
  context.lineCap = "round";
  context.lineJoin = "round";
  const pickup = toScreen(view, scene.pickup);
  const dropoff = toScreen(view, scene.dropoff);
  if (scene.showLink) paintLink(context, pickup, dropoff, theme);
  paintTrail(context, scene.trail.map((point) => toScreen(view, point)), theme);
  paintStop(context, pickup, {
    fill: theme.ink,
    glyph: theme.onInk,
    icon: scene.parcel ? "box" : "store",
    theme,
  });
  paintStop(context, dropoff, {
    fill: theme.home,
    glyph: theme.onHome,
    icon: scene.arrived ? "check" : "home",
    theme,
  });
  if (scene.courier !== null) {
    paintCourier(context, { ...scene.courier, at: toScreen(view, scene.courier.at) }, theme);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {WorldPoint} from
 * @param {WorldPoint} to
 * @param {MarkerTheme} theme
 */
function paintLink(context, from, to, theme) {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  // Bowed upwards whichever way it goes, so that it reads as a throw and not as a street.
  const side = dx >= 0 ? 1 : -1;
  context.save();
  context.setLineDash([1, 8]);
  context.lineWidth = 3;
  context.strokeStyle = theme.ink;
  context.globalAlpha = 0.55;
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.quadraticCurveTo(
    from.x + dx / 2 + dy * 0.18 * side,
    from.y + dy / 2 - dx * 0.18 * side,
    to.x,
    to.y,
  );
  context.stroke();
  context.restore();
}

/**
 * The way behind the courier, thinner and paler with age.
 * @param {CanvasRenderingContext2D} context
 * @param {readonly WorldPoint[]} points
 * @param {MarkerTheme} theme
 */
function paintTrail(context, points, theme) {
  context.save();
  context.strokeStyle = theme.courier;
  // Butt ends: overlapping round caps would show as dots where the line is see-through.
  context.lineCap = "butt";
  for (let i = 1; i < points.length; i++) {
    const from = points[i - 1];
    const to = points[i];
    if (from === undefined || to === undefined) continue;
    const age = i / points.length;
    context.globalAlpha = 0.15 + 0.75 * age;
    context.lineWidth = TRAIL_WIDTH_PX * (0.45 + 0.55 * age);
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
  }
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {WorldPoint} at
 * @param {{ fill: string, glyph: string, icon: keyof typeof ICONS, theme: MarkerTheme }} options
 */
function paintStop(context, at, { fill, glyph, icon, theme }) {
  context.save();
  context.translate(at.x, at.y);
  withShadow(context, theme, () => {
    context.fillStyle = theme.rim;
    context.beginPath();
    context.arc(0, 0, STOP_RADIUS_PX + 2.5, 0, 2 * Math.PI);
    context.fill();
  });
  context.fillStyle = fill;
  context.beginPath();
  context.arc(0, 0, STOP_RADIUS_PX, 0, 2 * Math.PI);
  context.fill();
  paintIcon(context, icon, { colour: glyph, sizePx: 20 });
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {NonNullable<Scene["courier"]>} courier
 * @param {MarkerTheme} theme
 */
function paintCourier(context, { at, headingDeg, vehicle, stale }, theme) {
  context.save();
  context.translate(at.x, at.y);
  if (stale) context.globalAlpha = 0.6;
  withShadow(context, theme, () => {
    context.fillStyle = theme.rim;
    if (headingDeg !== null) paintBeak(context, headingDeg, COURIER_RADIUS_PX + 14);
    hexagon(context, COURIER_RADIUS_PX + 3);
    context.fill();
  });
  context.fillStyle = theme.courier;
  if (headingDeg !== null) paintBeak(context, headingDeg, COURIER_RADIUS_PX + 9.5);
  hexagon(context, COURIER_RADIUS_PX);
  context.fill();
  paintIcon(context, vehicleIcon(vehicle), { colour: theme.onCourier, sizePx: 25 });
  context.restore();
}

/**
 * A tip that sticks out of the marker in the direction of travel.
 * @param {CanvasRenderingContext2D} context
 * @param {number} headingDeg
 * @param {number} reachPx
 */
function paintBeak(context, headingDeg, reachPx) {
  context.save();
  context.rotate(headingDeg * Math.PI / 180);
  context.beginPath();
  context.moveTo(0, -reachPx);
  context.lineTo(reachPx * 0.36, -reachPx * 0.5);
  context.lineTo(-reachPx * 0.36, -reachPx * 0.5);
  context.closePath();
  context.fill();
  context.restore();
}

/**
 * A hexagon with rounded corners standing on its tip, as a path.
 * @param {CanvasRenderingContext2D} context
 * @param {number} radiusPx
 */
function hexagon(context, radiusPx) {
  const corner = (/** @type {number} */ i) => ({
    x: radiusPx * Math.sin(i * Math.PI / 3),
    y: -radiusPx * Math.cos(i * Math.PI / 3),
  });
  const start = { x: (corner(0).x + corner(5).x) / 2, y: (corner(0).y + corner(5).y) / 2 };
  context.beginPath();
  context.moveTo(start.x, start.y);
  for (let i = 0; i < 6; i++) {
    const next = corner(i + 1);
    context.arcTo(corner(i).x, corner(i).y, next.x, next.y, radiusPx * 0.24);
  }
  context.closePath();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {MarkerTheme} theme
 * @param {() => void} paint
 */
function withShadow(context, theme, paint) {
  context.save();
  context.shadowColor = theme.shadow;
  context.shadowBlur = 8;
  context.shadowOffsetY = 2;
  paint();
  context.restore();
}

/** @type {Map<string, Path2D>} */
const iconPaths = new Map();

/**
 * @param {CanvasRenderingContext2D} context
 * @param {keyof typeof ICONS} name
 * @param {{ colour: string, sizePx: number }} options
 */
function paintIcon(context, name, { colour, sizePx }) {
  let path = iconPaths.get(name);
  if (path === undefined) {
    path = new Path2D(ICONS[name]);
    iconPaths.set(name, path);
  }
  context.save();
  context.scale(sizePx / 24, sizePx / 24);
  context.translate(-12, -12);
  context.strokeStyle = colour;
  context.lineWidth = 1.9;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.stroke(path);
  context.restore();
}
