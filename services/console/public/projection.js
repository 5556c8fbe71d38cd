// @ts-check
/** @import { MapView, Padding, Point, WorldPoint } from "../track_types.ts" */

/** Radius of the sphere of Web Mercator (EPSG:3857), metres. */
const MERCATOR_RADIUS_M = 6_378_137;
const WORLD_WIDTH_M = 2 * Math.PI * MERCATOR_RADIUS_M;
const TILE_WIDTH_PX = 256;
const RADIANS_PER_DEGREE = Math.PI / 180;
/** Web Mercator ends here (the world is a square); nearer to a pole y grows without end. */
const MAX_LAT = 85.05112878;

/** Farther out a city is a blot, nearer there is nothing more to see in street lines. */
export const MIN_ZOOM = 9;
export const MAX_ZOOM = 19;

/**
 * Degrees to Web Mercator metres, y growing southwards (EPSG:3857 with y turned round).
 * @param {Point} point
 * @returns {WorldPoint}
 */
export function project(point) {
  const lat = Math.max(-MAX_LAT, Math.min(MAX_LAT, point.lat)) * RADIANS_PER_DEGREE;
  return {
    x: MERCATOR_RADIUS_M * point.lon * RADIANS_PER_DEGREE,
    y: -MERCATOR_RADIUS_M * Math.log(Math.tan(Math.PI / 4 + lat / 2)),
  };
}

/**
 * The way back from `project`.
 * @param {WorldPoint} world
 * @returns {Point}
 */
export function unproject(world) {
  return {
    lat: (2 * Math.atan(Math.exp(-world.y / MERCATOR_RADIUS_M)) - Math.PI / 2) /
      RADIANS_PER_DEGREE,
    lon: world.x / MERCATOR_RADIUS_M / RADIANS_PER_DEGREE,
  };
}

/**
 * CSS pixels per world metre at a zoom.
 * @param {number} zoom
 */
export function pxPerM(zoom) {
  return TILE_WIDTH_PX * 2 ** zoom / WORLD_WIDTH_M;
}

/** @param {number} zoom */
export function clampZoom(zoom) {
  return Math.max(MIN_ZOOM, Math.min(MAX_ZOOM, zoom));
}

/**
 * Where a world point stands in the view, CSS pixels from its top left corner.
 * @param {MapView} view
 * @param {WorldPoint} world
 */
export function toScreen(view, world) {
  const scale = pxPerM(view.zoom);
  return {
    x: (world.x - view.center.x) * scale + view.widthPx / 2,
    y: (world.y - view.center.y) * scale + view.heightPx / 2,
  };
}

/**
 * The world point under a pixel of the view.
 * @param {MapView} view
 * @param {{ x: number, y: number }} screen
 * @returns {WorldPoint}
 */
export function toWorld(view, screen) {
  const scale = pxPerM(view.zoom);
  return {
    x: (screen.x - view.widthPx / 2) / scale + view.center.x,
    y: (screen.y - view.heightPx / 2) / scale + view.center.y,
  };
}

/**
 * The view after the map was dragged by so many pixels: what was under the finger stays under it.
 * @param {MapView} view
 * @param {number} dxPx
 * @param {number} dyPx
 * @returns {MapView}
 */
export function panBy(view, dxPx, dyPx) {
  const scale = pxPerM(view.zoom);
  return {
    ...view,
    center: { x: view.center.x - dxPx / scale, y: view.center.y - dyPx / scale },
  };
}

/**
 * The view at another zoom with the same world point under `anchor`.
 * @param {MapView} view
 * @param {number} zoom
 * @param {{ x: number, y: number }} anchor
 * @returns {MapView}
 */
export function zoomAround(view, zoom, anchor) {
  const clamped = clampZoom(zoom);
  const held = toWorld(view, anchor);
  const scale = pxPerM(clamped);
  return {
    ...view,
    zoom: clamped,
    center: {
      x: held.x - (anchor.x - view.widthPx / 2) / scale,
      y: held.y - (anchor.y - view.heightPx / 2) / scale,
    },
  };
}

/**
 * The nearest view that shows all points inside the padding, no nearer than `maxZoom`. Where the
 * padding leaves no room at all, half of the view is used.
 * @param {MapView} view
 * @param {readonly WorldPoint[]} points
 * @param {{ padding: Padding, maxZoom: number }} options
 * @returns {MapView}
 */
export function fitPoints(view, points, { padding, maxZoom }) {
  if (points.length === 0) return view;
  const west = Math.min(...points.map((p) => p.x));
  const east = Math.max(...points.map((p) => p.x));
  const north = Math.min(...points.map((p) => p.y));
  const south = Math.max(...points.map((p) => p.y));
  const roomX = Math.max(view.widthPx - padding.leftPx - padding.rightPx, view.widthPx / 2);
  const roomY = Math.max(view.heightPx - padding.topPx - padding.bottomPx, view.heightPx / 2);
  // Two equal points have no extent; a metre keeps the logarithm finite and maxZoom decides.
  const scale = Math.min(roomX / Math.max(east - west, 1), roomY / Math.max(south - north, 1));
  const zoom = clampZoom(Math.min(maxZoom, Math.log2(scale * WORLD_WIDTH_M / TILE_WIDTH_PX)));
  const perM = pxPerM(zoom);
  return {
    ...view,
    zoom,
    center: {
      x: (west + east) / 2 + (padding.rightPx - padding.leftPx) / 2 / perM,
      y: (north + south) / 2 + (padding.bottomPx - padding.topPx) / 2 / perM,
    },
  };
}

/**
 * Metres on the ground between two places by the haversine formula (R. W. Sinnott, Sky and Telescope
 * 68, 1984) on the IUGG mean sphere. For words only ("1.2 km away").
 * @param {Point} a
 * @param {Point} b
 */
export function distanceM(a, b) {
  const latA = a.lat * RADIANS_PER_DEGREE;
  const latB = b.lat * RADIANS_PER_DEGREE;
  const sinLat = Math.sin((latB - latA) / 2);
  const sinLon = Math.sin((b.lon - a.lon) * RADIANS_PER_DEGREE / 2);
  const h = sinLat * sinLat + Math.cos(latA) * Math.cos(latB) * sinLon * sinLon;
  return 2 * 6_371_008.8 * Math.asin(Math.min(1, Math.sqrt(h)));
}
