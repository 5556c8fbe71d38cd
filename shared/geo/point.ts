/**
 * A place on Earth, WGS 84, decimal degrees. Every module of the house uses this shape; only Redis,
 * OSRM and GeoJSON edges use lon-lat order.
 */
export interface Point {
  readonly lat: number;
  readonly lon: number;
}

/** IUGG mean Earth radius R1 (GRS 80), so that every distance in the house agrees to the digit. */
export const EARTH_RADIUS_M = 6_371_008.8;

export const MIN_LAT = -90;
export const MAX_LAT = 90;
export const MIN_LON = -180;
export const MAX_LON = 180;

/**
 * Redis GEOADD refuses latitudes beyond this (the limit of Web Mercator, EPSG:3857), so a fix nearer
 * to a pole cannot be indexed and must be refused at the edge.
 */
export const MAX_INDEXABLE_LAT = 85.05112878;

/** True for an object with finite `lat` and `lon` inside the WGS 84 range; other fields are ignored. */
export function isPoint(value: unknown): value is Point {
  if (typeof value !== "object" || value === null) return false;
  const { lat, lon } = value as { lat?: unknown; lon?: unknown };
  return typeof lat === "number" && lat >= MIN_LAT && lat <= MAX_LAT &&
    typeof lon === "number" && lon >= MIN_LON && lon <= MAX_LON;
}

/**
 * Unknown input to a point with exactly `lat` and `lon`.
 *
 * @throws RangeError naming the bound and the value.
 */
export function parsePoint(value: unknown): Point {
  if (isPoint(value)) return { lat: value.lat, lon: value.lon };
  throw new RangeError(
    `Cannot parse a point: lat must be in [${MIN_LAT}, ${MAX_LAT}] and lon in ` +
      `[${MIN_LON}, ${MAX_LON}]: current value is ${JSON.stringify(value)?.slice(0, 80)}`,
  );
}

/** Any finite longitude to [-180, 180), so that sums across the antimeridian stay valid points. */
export function normalizeLonDeg(lonDeg: number): number {
  return ((((lonDeg + 180) % 360) + 360) % 360) - 180;
}
