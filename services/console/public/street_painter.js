// @ts-check
/// <reference lib="dom" />
/** @import { MapView, WorldPoint } from "../track_types.ts" */
/** @import { MapCell, MapLine, StreetMap } from "./street_map.js" */
import { MAP_CLASSES } from "./street_map.js";
import { pxPerM, toScreen, toWorld } from "./projection.js";

/**
 * Paints streets: quiet lines by class, casings first so that crossings melt into one another, and
 * names along the longest straight part of a street where there is room.
 */

/**
 * Line widths in CSS pixels at the zooms of `WIDTH_ZOOMS`, 0: not drawn.
 * @type {Readonly<Record<string, readonly number[]>>}
 */
const WIDTHS = {
  motorway: [1.2, 2.4, 4.5, 8, 14, 24],
  main: [0.7, 1.7, 3.4, 7, 13, 24],
  street: [0, 0.6, 1.7, 4, 9, 18],
  service: [0, 0, 0.7, 2, 5, 10],
  path: [0, 0, 0.5, 1, 1.6, 2.4],
};
const WIDTH_ZOOMS = [10, 12, 14, 15.5, 17, 19];
/** Below this width a casing is thicker than what it encases. */
const MIN_CASED_PX = 1.6;
const CASING_PX = 1;

const MIN_LABEL_ZOOM = 14.2;
const MAX_LABELS = 60;
/** No second label of the same street nearer than this. */
const LABEL_REPEAT_PX = 340;

/**
 * @typedef {object} MapTheme
 * @property {string} land
 * @property {string} casing
 * @property {string} label
 * @property {Readonly<Record<string, string>>} streets colour by class
 */

/**
 * Fills the canvas with the streets of the view. `context` is scaled to CSS pixels already.
 * @param {CanvasRenderingContext2D} context
 * @param {{ streets: StreetMap | null, view: MapView, theme: MapTheme, font: string }} options
 */
export function paintStreets(context, { streets, view, theme, font }) {
  context.fillStyle = theme.land;
  context.fillRect(0, 0, view.widthPx, view.heightPx);
  if (streets === null) return;
  const visible = visibleCells(streets.cells, view);
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const mapClass of MAP_CLASSES) {
    const widthPx = widthAt(mapClass, view.zoom);
    if (widthPx < MIN_CASED_PX || mapClass === "path") continue;
    context.strokeStyle = theme.casing;
    strokeClass(context, visible, { mapClass, view, widthPx: widthPx + 2 * CASING_PX });
  }
  for (const mapClass of MAP_CLASSES) {
    const widthPx = widthAt(mapClass, view.zoom);
    if (widthPx === 0) continue;
    context.strokeStyle = theme.streets[mapClass] ?? theme.casing;
    strokeClass(context, visible, { mapClass, view, widthPx });
  }
  if (view.zoom >= MIN_LABEL_ZOOM) paintNames(context, { streets, view, theme, font });
}

/**
 * Width of a class at any zoom, between the given ones growing by a constant factor per zoom.
 * @param {string} mapClass
 * @param {number} zoom
 */
export function widthAt(mapClass, zoom) {
  const widths = WIDTHS[mapClass] ?? [];
  for (let i = 1; i < WIDTH_ZOOMS.length; i++) {
    const from = WIDTH_ZOOMS[i - 1] ?? 0;
    const to = WIDTH_ZOOMS[i] ?? 0;
    if (zoom > to && i < WIDTH_ZOOMS.length - 1) continue;
    const narrow = widths[i - 1] ?? 0;
    const wide = widths[i] ?? 0;
    const share = Math.max(0, Math.min(1, (zoom - from) / (to - from)));
    // A class that begins to show grows evenly: there is no factor from nothing.
    return narrow === 0 ? wide * share : narrow * (wide / narrow) ** share;
  }
  return 0;
}

/**
 * @param {readonly MapCell[]} cells
 * @param {MapView} view
 */
function visibleCells(cells, view) {
  const northWest = toWorld(view, { x: 0, y: 0 });
  const southEast = toWorld(view, { x: view.widthPx, y: view.heightPx });
  return cells.filter(({ extent }) =>
    extent.east >= northWest.x && extent.west <= southEast.x &&
    extent.south >= northWest.y && extent.north <= southEast.y
  );
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {readonly MapCell[]} cells
 * @param {{ mapClass: string, view: MapView, widthPx: number }} options
 */
function strokeClass(context, cells, { mapClass, view, widthPx }) {
  const scale = pxPerM(view.zoom);
  context.lineWidth = widthPx / scale;
  for (const cell of cells) {
    if (cell.mapClass !== mapClass) continue;
    const corner = toScreen(view, cell.corner);
    context.save();
    context.translate(corner.x, corner.y);
    context.scale(scale, scale);
    context.stroke(cell.path);
    context.restore();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{ streets: StreetMap, view: MapView, theme: MapTheme, font: string }} options
 */
function paintNames(context, { streets, view, theme, font }) {
  /** @type {{ name: string, x: number, y: number, radiusPx: number }[]} */
  const taken = [];
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.fillStyle = theme.label;
  context.strokeStyle = theme.land;
  context.lineWidth = 3;
  for (const line of streets.named) {
    if (taken.length >= MAX_LABELS) return;
    const sizePx = labelSizePx(line.mapClass, view.zoom);
    if (sizePx === 0) continue;
    const stretch = longestStretch(line, view);
    if (stretch === null) continue;
    context.font = `500 ${sizePx}px ${font}`;
    const radiusPx = context.measureText(line.name).width / 2 + 6;
    if (stretch.lengthPx < radiusPx * 2) continue;
    const crowded = taken.some(({ name, x, y, radiusPx: other }) =>
      Math.hypot(stretch.x - x, stretch.y - y) <
        (name === line.name ? LABEL_REPEAT_PX : (radiusPx + other) * 0.8)
    );
    if (crowded) continue;
    taken.push({ name: line.name, x: stretch.x, y: stretch.y, radiusPx });
    context.save();
    context.translate(stretch.x, stretch.y);
    context.rotate(stretch.angle);
    context.strokeText(line.name, 0, 0);
    context.fillText(line.name, 0, 0);
    context.restore();
  }
}

/**
 * @param {string} mapClass
 * @param {number} zoom
 */
function labelSizePx(mapClass, zoom) {
  if (mapClass === "main" || mapClass === "motorway") return zoom < 15.5 ? 11 : 12;
  return mapClass === "street" && zoom >= 15.2 ? 11 : 0;
}

/**
 * The longest nearly straight part of a line in view: where a name can be read.
 * @param {MapLine} line
 * @param {MapView} view
 */
function longestStretch({ points }, view) {
  /** @type {{ x: number, y: number, angle: number, lengthPx: number } | null} */
  let best = null;
  for (const { from, to } of straightParts(points)) {
    const a = toScreen(view, from);
    const b = toScreen(view, to);
    const x = (a.x + b.x) / 2;
    const y = (a.y + b.y) / 2;
    const lengthPx = Math.hypot(b.x - a.x, b.y - a.y);
    if (best !== null && lengthPx <= best.lengthPx) continue;
    if (x < 0 || y < 0 || x > view.widthPx || y > view.heightPx) continue;
    const angle = Math.atan2(b.y - a.y, b.x - a.x);
    // Never upside down.
    best = { x, y, lengthPx, angle: Math.abs(angle) > Math.PI / 2 ? angle + Math.PI : angle };
  }
  return best;
}

/** Two steps within this angle of one another read as straight. */
const STRAIGHT_RADIANS = 0.22;

/**
 * @param {readonly WorldPoint[]} points
 * @returns {{ from: WorldPoint, to: WorldPoint }[]}
 */
function straightParts(points) {
  /** @type {{ from: WorldPoint, to: WorldPoint }[]} */
  const parts = [];
  for (let i = 1; i < points.length; i++) {
    const from = /** @type {WorldPoint} */ (points[i - 1]);
    const to = /** @type {WorldPoint} */ (points[i]);
    const last = parts[parts.length - 1];
    if (last !== undefined && Math.abs(bend(last.from, last.to, to)) < STRAIGHT_RADIANS) {
      last.to = to;
    } else {
      parts.push({ from, to });
    }
  }
  return parts;
}

/**
 * How much the way turns at `b`, radians in (-pi, pi].
 * @param {WorldPoint} a
 * @param {WorldPoint} b
 * @param {WorldPoint} c
 */
function bend(a, b, c) {
  const turn = Math.atan2(c.y - b.y, c.x - b.x) - Math.atan2(b.y - a.y, b.x - a.x);
  return Math.atan2(Math.sin(turn), Math.cos(turn));
}
