import type { Fix } from "shared/availability/fix.ts";

/** What a fix has besides its place and time; undefined where the phone did not say. */
export interface FixDetails {
  readonly accuracyM: number | undefined;
  readonly headingDeg: number | undefined;
  readonly speedMps: number | undefined;
}

/**
 * A fix of its parts, without the members that are undefined. Nearly all phones say everything, and
 * a literal is made in a fifth of the time that spreading its optional members takes.
 */
export function fixOf(
  { lat, lon, recordedAtMs }: { lat: number; lon: number; recordedAtMs: number },
  { accuracyM, headingDeg, speedMps }: FixDetails,
): Fix {
  if (accuracyM !== undefined && headingDeg !== undefined && speedMps !== undefined) {
    return { lat, lon, accuracyM, headingDeg, speedMps, recordedAtMs };
  }
  return {
    lat,
    lon,
    ...(accuracyM === undefined ? {} : { accuracyM }),
    ...(headingDeg === undefined ? {} : { headingDeg }),
    ...(speedMps === undefined ? {} : { speedMps }),
    recordedAtMs,
  };
}
