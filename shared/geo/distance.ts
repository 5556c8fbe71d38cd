import { EARTH_RADIUS_M, normalizeLonDeg, type Point } from "shared/geo/point.ts";

const RADIANS_PER_DEGREE = Math.PI / 180;

/**
 * Great-circle distance in metres on a sphere of radius `EARTH_RADIUS_M` by the haversine formula
 * (R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984). Against the WGS 84
 * ellipsoid it errs by at most about 0.6 %.
 */
export function distanceM(a: Point, b: Point): number {
  const latA = a.lat * RADIANS_PER_DEGREE;
  const latB = b.lat * RADIANS_PER_DEGREE;
  const sinLat = Math.sin((latB - latA) / 2);
  const sinLon = Math.sin((b.lon - a.lon) * RADIANS_PER_DEGREE / 2);
  const h = sinLat * sinLat + Math.cos(latA) * Math.cos(latB) * sinLon * sinLon;
  // Rounding may lift h above 1 for antipodes, where asin would give NaN.
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(h)));
}

/**
 * Initial great-circle bearing from `a` to `b` in degrees, [0, 360), clockwise from north.
 * Two equal points have no bearing; the answer is 0 then, callers that care compare first.
 */
export function bearingDeg(a: Point, b: Point): number {
  const latA = a.lat * RADIANS_PER_DEGREE;
  const latB = b.lat * RADIANS_PER_DEGREE;
  const deltaLon = (b.lon - a.lon) * RADIANS_PER_DEGREE;
  const y = Math.sin(deltaLon) * Math.cos(latB);
  const x = Math.cos(latA) * Math.sin(latB) - Math.sin(latA) * Math.cos(latB) * Math.cos(deltaLon);
  const degrees = (Math.atan2(y, x) / RADIANS_PER_DEGREE + 360) % 360;
  // A tiny negative angle plus 360 rounds to 360 itself.
  return degrees >= 360 ? 0 : degrees;
}

/** The point reached from `start` after `lengthM` metres on the great circle of `headingDeg`. */
export function destination(start: Point, headingDeg: number, lengthM: number): Point {
  const angle = lengthM / EARTH_RADIUS_M;
  const heading = headingDeg * RADIANS_PER_DEGREE;
  const lat = start.lat * RADIANS_PER_DEGREE;
  const sinLat = Math.sin(lat) * Math.cos(angle) +
    Math.cos(lat) * Math.sin(angle) * Math.cos(heading);
  const lat2 = Math.asin(Math.max(-1, Math.min(1, sinLat)));
  const deltaLon = Math.atan2(
    Math.sin(heading) * Math.sin(angle) * Math.cos(lat),
    Math.cos(angle) - Math.sin(lat) * Math.sin(lat2),
  );
  return {
    lat: lat2 / RADIANS_PER_DEGREE,
    lon: normalizeLonDeg(start.lon + deltaLon / RADIANS_PER_DEGREE),
  };
}
