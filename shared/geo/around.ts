import type { Bounds } from "./area.ts";
import { EARTH_RADIUS_M, MAX_LAT, MIN_LAT, type Point } from "./point.ts";

const DEGREES_PER_RADIAN = 180 / Math.PI;
/** Keeps a point at exactly the radius inside, whatever the rounding: about a millimetre. */
const MARGIN_DEG = 1e-8;

/**
 * Boxes that together hold every point within `radiusM` of `center`, and more: an index looks into
 * them, then distances decide. Two boxes where the circle crosses the antimeridian, and all
 * longitudes where it holds a pole (J. P. Matuschek, "Finding Points Within a Distance of a
 * Latitude/Longitude Using Bounding Coordinates").
 */
export function boxesAround(center: Point, radiusM: number): Bounds[] {
  const angle = radiusM / EARTH_RADIUS_M;
  const latDeg = angle * DEGREES_PER_RADIAN + MARGIN_DEG;
  const south = Math.max(MIN_LAT, center.lat - latDeg);
  const north = Math.min(MAX_LAT, center.lat + latDeg);
  const allAround = [{ south, north, west: -180, east: 180 }];
  if (south === MIN_LAT || north === MAX_LAT) return allAround;
  const ratio = Math.sin(angle) / Math.cos(center.lat / DEGREES_PER_RADIAN);
  if (ratio >= 1) return allAround;
  const lonDeg = Math.asin(ratio) * DEGREES_PER_RADIAN + MARGIN_DEG;
  const west = center.lon - lonDeg;
  const east = center.lon + lonDeg;
  if (west < -180) {
    return [{ south, north, west: west + 360, east: 180 }, { south, north, west: -180, east }];
  }
  if (east > 180) {
    return [{ south, north, west, east: 180 }, { south, north, west: -180, east: east - 360 }];
  }
  return [{ south, north, west, east }];
}
