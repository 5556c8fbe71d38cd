/** Where a courier is: a function of its walk and the time, so that nothing has to be moved along. */
import { destination } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { alongRoute, polylineLengthM } from "shared/geo/polyline.ts";
import type { Fix } from "./api_shapes.ts";
import { normalPair, type Random, uniform } from "./random.ts";

/** A way through the streets, walked at one speed. A walk of one point is standing there. */
export interface Walk {
  readonly points: readonly Point[];
  readonly startedAtMs: number;
  /** On the map, so with the demo's speed factor in it. */
  readonly speedMps: number;
  readonly arrivesAtMs: number;
}

/** A courier's place at one moment. */
export interface Place {
  readonly point: Point;
  /** Null before the courier has moved. */
  readonly headingDeg: number | null;
  readonly speedMps: number;
  readonly arrived: boolean;
}

/** Standing still. */
export function standAt(point: Point, nowMs: number): Walk {
  return { points: [point], startedAtMs: nowMs, speedMps: 0, arrivesAtMs: nowMs };
}

/**
 * A walk that starts now.
 *
 * @throws RangeError when there is no point, or the speed is not above 0.
 */
export function walkAlong(points: readonly Point[], speedMps: number, nowMs: number): Walk {
  if (points.length === 0) throw new RangeError("Cannot walk: the route has no points");
  if (!(speedMps > 0)) {
    throw new RangeError(`Cannot walk: speedMps must be > 0: current value is ${speedMps}`);
  }
  const durationMs = polylineLengthM(points) / speedMps * 1_000;
  return { points, startedAtMs: nowMs, speedMps, arrivesAtMs: nowMs + durationMs };
}

/** The place on the walk at `nowMs`; before its start that is the start, after its end the end. */
export function placeOn(walk: Walk, nowMs: number): Place {
  const travelledM = walk.speedMps * (nowMs - walk.startedAtMs) / 1_000;
  const { point, headingDeg } = alongRoute(walk.points, travelledM);
  // By the same clock as `arrivesAtMs`: a sum of distances may differ from it by a rounding.
  const arrived = nowMs >= walk.arrivesAtMs;
  return { point, headingDeg, speedMps: arrived ? 0 : walk.speedMps, arrived };
}

/** Deviation of each of the two axes of a phone's GPS in a city. */
const NOISE_SIGMA_M = 2.5;
/**
 * Beyond this the noise is cut, so that no fix leaves its street by more than 15 m. A Rayleigh tail:
 * one fix in 100,000.
 */
const MAX_NOISE_M = 12;
/** The API takes no more, which a hundredfold demo can reach. */
const MAX_REPORTED_MPS = 1_000;
const MIN_ACCURACY_M = 3;
const MAX_ACCURACY_M = 12;

/** What a phone reports at this place and time: the truth with noise. */
export function fixAt(place: Place, nowMs: number, random: Random): Fix {
  const [north, east] = normalPair(random);
  const offM = Math.min(MAX_NOISE_M, NOISE_SIGMA_M * Math.hypot(north, east));
  const directionDeg = (Math.atan2(east, north) * 180 / Math.PI + 360) % 360;
  const { lat, lon } = destination(place.point, directionDeg, offM);
  return {
    lat: rounded(lat, 6),
    lon: rounded(lon, 6),
    accuracyM: rounded(uniform(random, MIN_ACCURACY_M, MAX_ACCURACY_M), 1),
    ...(place.headingDeg === null ? {} : { headingDeg: rounded(place.headingDeg, 1) % 360 }),
    speedMps: rounded(Math.min(MAX_REPORTED_MPS, place.speedMps), 1),
    recordedAt: new Date(nowMs).toISOString(),
  };
}

/** Six decimals of a degree are 11 cm: more would only be bytes. */
function rounded(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}
