import type { Point } from "shared/geo/point.ts";

/** A box of degrees. `west > east` means that it crosses the antimeridian. */
export interface Bounds {
  readonly south: number;
  readonly west: number;
  readonly north: number;
  readonly east: number;
}

/** True when the point is inside the box or on its edge; boxes over the antimeridian work. */
export function boundsContain(bounds: Bounds, point: Point): boolean {
  if (point.lat < bounds.south || point.lat > bounds.north) return false;
  if (bounds.west <= bounds.east) return point.lon >= bounds.west && point.lon <= bounds.east;
  return point.lon >= bounds.west || point.lon <= bounds.east;
}

/**
 * The smallest box around the points. It does not look for a box across the antimeridian: points on
 * both sides of it give a box round the whole Earth.
 *
 * @throws RangeError when there is no point.
 */
export function boundsOf(points: Iterable<Point>): Bounds {
  let south = Infinity, west = Infinity, north = -Infinity, east = -Infinity;
  for (const { lat, lon } of points) {
    if (lat < south) south = lat;
    if (lat > north) north = lat;
    if (lon < west) west = lon;
    if (lon > east) east = lon;
  }
  if (south === Infinity) throw new RangeError("Cannot bound an area: it has no points");
  return { south, west, north, east };
}

/**
 * True when `point` is inside the ring, by the even-odd rule on straight lines in degrees (the ring
 * may be open or closed, and wound either way). Points on an edge may count as either. Longitudes
 * are read relative to the first vertex, so a ring may cross the antimeridian as long as all of it
 * lies within 180 degrees of longitude of that vertex; a ring around a pole is not supported.
 */
export function polygonContains(ring: readonly Point[], point: Point): boolean {
  const first = ring[0];
  let previous = ring[ring.length - 1];
  if (first === undefined || previous === undefined) return false;
  const pointLon = relativeLonDeg(point.lon, first.lon);
  let inside = false;
  for (const vertex of ring) {
    if ((vertex.lat > point.lat) !== (previous.lat > point.lat)) {
      const lon = relativeLonDeg(vertex.lon, first.lon);
      const previousLon = relativeLonDeg(previous.lon, first.lon);
      const along = (point.lat - vertex.lat) / (previous.lat - vertex.lat);
      if (lon + (previousLon - lon) * along > pointLon) inside = !inside;
    }
    previous = vertex;
  }
  return inside;
}

/** Degrees from `originDeg` east to `lonDeg`, the short way: (-180, 180]. */
function relativeLonDeg(lonDeg: number, originDeg: number): number {
  const delta = lonDeg - originDeg;
  if (delta > 180) return delta - 360;
  if (delta <= -180) return delta + 360;
  return delta;
}
