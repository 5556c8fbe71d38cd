import { distanceM } from "shared/geo/distance.ts";
import { EARTH_RADIUS_M, normalizeLonDeg, type Point } from "shared/geo/point.ts";

/** Metres per degree of latitude on the house's sphere. */
export const METRES_PER_DEGREE = EARTH_RADIUS_M * Math.PI / 180;

/** The nearest place of a segment: `fraction` 0 is its start, 1 its end. */
export interface SegmentProjection {
  readonly point: Point;
  readonly fraction: number;
  readonly distanceM: number;
}

/**
 * The point of the segment `a`-`b` (straight in degrees, as GeoJSON draws it) nearest to `point`.
 *
 * The foot is found in an equirectangular plane centred on `point`; its distance is then the
 * haversine one. So `distanceM` is exact for the point returned and never less than the true
 * minimum; for segments within 5 km of the point and |lat| <= 70 it exceeds the minimum by less
 * than 0.1 % (property test). Longitudes are taken the short way round, so a segment may cross the
 * antimeridian. Not for the poles.
 */
export function projectOntoSegment(point: Point, a: Point, b: Point): SegmentProjection {
  const lonScale = Math.cos(point.lat * Math.PI / 180);
  const lonA = shortWayLonDeg(point.lon, a.lon);
  const lonB = shortWayLonDeg(point.lon, b.lon);
  const ax = (lonA - point.lon) * lonScale;
  const ay = a.lat - point.lat;
  const dx = (lonB - lonA) * lonScale;
  const dy = b.lat - a.lat;
  const lengthSquared = dx * dx + dy * dy;
  const along = lengthSquared === 0 ? 0 : -(ax * dx + ay * dy) / lengthSquared;
  const fraction = Math.max(0, Math.min(1, along));
  const foot = {
    lat: a.lat + (b.lat - a.lat) * fraction,
    lon: normalizeLonDeg(lonA + (lonB - lonA) * fraction),
  };
  return { point: foot, fraction, distanceM: distanceM(point, foot) };
}

/** Metres from `point` to the nearest place of the segment `a`-`b`; see `projectOntoSegment`. */
export function distanceToSegmentM(point: Point, a: Point, b: Point): number {
  return projectOntoSegment(point, a, b).distanceM;
}

/** `lonDeg` shifted by whole turns so that it lies within 180 degrees of `nearLonDeg`. */
function shortWayLonDeg(nearLonDeg: number, lonDeg: number): number {
  const delta = lonDeg - nearLonDeg;
  if (delta > 180) return lonDeg - 360;
  if (delta < -180) return lonDeg + 360;
  return lonDeg;
}
