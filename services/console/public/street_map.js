// @ts-check
/// <reference lib="dom" />
/** @import { WorldPoint } from "../track_types.ts" */
import { project } from "./projection.js";

/**
 * Reads the street map of `GET /api/v1/map/<regionId>` and cuts it into square cells, so that only
 * what is in view is stroked. Cells hold `Path2D`s in metres from their own corner: canvases compute
 * in 32-bit floats, in which world coordinates would shake by whole metres.
 */

/** From the finest to the widest: the order of painting. */
export const MAP_CLASSES = ["path", "service", "street", "main", "motorway"];
const CELL_M = 3_000;
/** A city has some 30,000 lines; a map beyond this is not from us and would stall the page. */
const MAX_LINES = 400_000;

/**
 * @typedef {object} MapLine
 * @property {string} mapClass
 * @property {string} name empty where it has none
 * @property {readonly WorldPoint[]} points
 */

/**
 * @typedef {object} MapCell
 * @property {string} mapClass
 * @property {WorldPoint} corner what the path's coordinates are relative to
 * @property {{ west: number, east: number, north: number, south: number }} extent
 * @property {Path2D} path
 */

/**
 * @typedef {object} StreetMap
 * @property {string} attribution
 * @property {readonly MapCell[]} cells finest class first
 * @property {readonly MapLine[]} named lines that carry a name, widest class first
 */

/**
 * The lines of a drawable map. Points are flat steps in `unitsPerDegree` from the south-west corner;
 * the format is described at `DrawableMap` in the server's code. Lines it cannot read are left out.
 * @param {unknown} value
 * @returns {{ attribution: string, lines: MapLine[] }}
 * @throws {TypeError} when it is not a drawable map of version 1
 */
export function decodeDrawableMap(value) {
  const map = /** @type {Record<string, unknown>} */ (value ?? {});
  const bounds = /** @type {Record<string, unknown>} */ (map.bounds ?? {});
  const { south, west } = bounds;
  const { version, lines, unitsPerDegree } = map;
  if (version !== 1 || typeof south !== "number" || typeof west !== "number") {
    throw new TypeError(`Cannot read the street map: version must be 1: ${String(version)}`);
  }
  if (!Array.isArray(lines) || lines.length > MAX_LINES || typeof unitsPerDegree !== "number") {
    throw new TypeError(`Cannot read the street map: it must have at most ${MAX_LINES} lines`);
  }
  const attribution = typeof map.attribution === "string" ? map.attribution : "";
  return {
    attribution,
    lines: lines.flatMap((line) => {
      if (!MAP_CLASSES.includes(line?.class) || !Array.isArray(line.points)) return [];
      const points = decodePoints(line.points, { south, west, unitsPerDegree });
      const name = typeof line.name === "string" ? line.name : "";
      return points.length < 2 ? [] : [{ mapClass: line.class, name, points }];
    }),
  };
}

/**
 * @param {readonly number[]} steps
 * @param {{ south: number, west: number, unitsPerDegree: number }} frame
 */
function decodePoints(steps, { south, west, unitsPerDegree }) {
  /** @type {WorldPoint[]} */
  const points = [];
  let x = 0, y = 0;
  for (let i = 0; i + 1 < steps.length; i += 2) {
    x += steps[i] ?? 0;
    y += steps[i + 1] ?? 0;
    points.push(project({ lat: south + y / unitsPerDegree, lon: west + x / unitsPerDegree }));
  }
  return points;
}

/**
 * A decoded map made ready to paint.
 * @param {{ attribution: string, lines: readonly MapLine[] }} map
 * @returns {StreetMap}
 */
export function buildStreetMap({ attribution, lines }) {
  /** @type {Map<string, MapCell>} */
  const cells = new Map();
  for (const { mapClass, points } of lines) {
    const first = /** @type {WorldPoint} */ (points[0]);
    const column = Math.floor(first.x / CELL_M);
    const row = Math.floor(first.y / CELL_M);
    const key = `${mapClass}:${column}:${row}`;
    let cell = cells.get(key);
    if (cell === undefined) {
      const corner = { x: column * CELL_M, y: row * CELL_M };
      const extent = { west: Infinity, east: -Infinity, north: Infinity, south: -Infinity };
      cell = { mapClass, corner, extent, path: new Path2D() };
      cells.set(key, cell);
    }
    addLine(cell, points);
  }
  const rank = (/** @type {{ mapClass: string }} */ { mapClass }) => MAP_CLASSES.indexOf(mapClass);
  return {
    attribution,
    cells: [...cells.values()].sort((a, b) => rank(a) - rank(b)),
    named: lines.filter(({ name }) => name !== "").sort((a, b) => rank(b) - rank(a)),
  };
}

/**
 * @param {MapCell} cell
 * @param {readonly WorldPoint[]} points
 */
function addLine({ corner, extent, path }, points) {
  points.forEach((point, index) => {
    const x = point.x - corner.x;
    const y = point.y - corner.y;
    if (index === 0) path.moveTo(x, y);
    else path.lineTo(x, y);
    extent.west = Math.min(extent.west, point.x);
    extent.east = Math.max(extent.east, point.x);
    extent.north = Math.min(extent.north, point.y);
    extent.south = Math.max(extent.south, point.y);
  });
}
