import { bearingDeg, distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { METRES_PER_DEGREE } from "shared/geo/segment.ts";

/** A place on a route: `headingDeg` is null only where the route has no extent. */
export interface PlaceOnRoute {
  readonly point: Point;
  readonly headingDeg: number | null;
  /** True at or past the end, so that a walker knows when to stop. */
  readonly finished: boolean;
}

/** Length of a line of points in metres: the sum of its haversine distances. */
export function polylineLengthM(points: readonly Point[]): number {
  let lengthM = 0;
  for (let i = 1; i < points.length; i++) {
    lengthM += distanceM(points[i - 1] as Point, points[i] as Point);
  }
  return lengthM;
}

/**
 * The point and heading after `travelledM` metres on a route. Distances below 0 give the start and
 * beyond the length the end, each with the heading of its first or last stretch; repeated points are
 * passed over. One walk over the points: a caller that moves in steps pays for the route's points
 * each time, which is right for routes of some hundred points.
 *
 * @throws RangeError when the route has no points.
 */
export function alongRoute(points: readonly Point[], travelledM: number): PlaceOnRoute {
  let from = points[0];
  if (from === undefined) throw new RangeError("Cannot walk along a route: it has no points");
  let leftM = Math.max(0, travelledM);
  let headingDeg: number | null = null;
  for (let i = 1; i < points.length; i++) {
    const to = points[i] as Point;
    const stepM = distanceM(from, to);
    if (stepM > 0) {
      headingDeg = bearingDeg(from, to);
      if (leftM < stepM) {
        return { point: between(from, to, leftM / stepM), headingDeg, finished: false };
      }
    }
    leftM -= stepM;
    from = to;
  }
  return { point: { lat: from.lat, lon: from.lon }, headingDeg, finished: true };
}

/**
 * The line with every point left out that lies within `toleranceM` of what remains (D. Douglas and
 * T. Peucker, "Algorithms for the reduction of the number of points ...", 1973). First and last
 * point always stay. Distances are planar around the first point: for lines of a city's size.
 */
export function simplifyLine(points: readonly Point[], toleranceM: number): Point[] {
  const last = points.length - 1;
  if (last < 2) return points.slice();
  const keep = new Uint8Array(points.length);
  keep[0] = 1;
  keep[last] = 1;
  const { x, y } = toPlane(points);
  // An explicit stack, as a line of many points could exhaust the call stack.
  const pending: [number, number][] = [[0, last]];
  for (let span = pending.pop(); span !== undefined; span = pending.pop()) {
    const [start, end] = span;
    const farthest = farthestFromChord(x, y, start, end);
    if (farthest.squaredM <= toleranceM * toleranceM) continue;
    keep[farthest.index] = 1;
    pending.push([start, farthest.index], [farthest.index, end]);
  }
  return points.filter((_, i) => keep[i] === 1);
}

function between(from: Point, to: Point, fraction: number): Point {
  return {
    lat: from.lat + (to.lat - from.lat) * fraction,
    lon: from.lon + (to.lon - from.lon) * fraction,
  };
}

function toPlane(points: readonly Point[]): { x: Float64Array; y: Float64Array } {
  const origin = points[0] as Point;
  const lonScale = METRES_PER_DEGREE * Math.cos(origin.lat * Math.PI / 180);
  return {
    x: Float64Array.from(points, (p) => (p.lon - origin.lon) * lonScale),
    y: Float64Array.from(points, (p) => (p.lat - origin.lat) * METRES_PER_DEGREE),
  };
}

function farthestFromChord(
  x: Float64Array,
  y: Float64Array,
  start: number,
  end: number,
): { index: number; squaredM: number } {
  const ax = x[start] as number, ay = y[start] as number;
  const dx = (x[end] as number) - ax, dy = (y[end] as number) - ay;
  const chordSquared = dx * dx + dy * dy;
  let index = start, squaredM = 0;
  for (let i = start + 1; i < end; i++) {
    const px = (x[i] as number) - ax, py = (y[i] as number) - ay;
    const along = chordSquared === 0
      ? 0
      : Math.max(0, Math.min(1, (px * dx + py * dy) / chordSquared));
    const ox = px - along * dx, oy = py - along * dy;
    const offSquared = ox * ox + oy * oy;
    if (offSquared > squaredM) {
      squaredM = offSquared;
      index = i;
    }
  }
  return { index, squaredM };
}
