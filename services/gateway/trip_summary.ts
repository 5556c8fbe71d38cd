/**
 * What a track amounts to. Pure.
 *
 * Standing is told by places and not by speeds, because a phone that lies still reports both: the
 * courier stands where it stays within `STOP_RADIUS_M` for `STOP_MS` (stay points: Li et al., "Mining
 * User Similarity Based on Location History", ACM GIS 2008). What a standing phone wanders counts as
 * no way. A silence counts as neither.
 */
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";

const STOP_RADIUS_M = 25;
const STOP_MS = 60_000;
/** Rows of a courier that is heard are at most 30 s apart. */
const SILENCE_MS = 120_000;
/** Over less than this, what two fixes are off by looks like speed. */
const SPEED_WINDOW_MS = 5_000;

/** A place and its time. */
export interface TrackPlace extends Point {
  readonly recordedAtMs: number;
}

export interface TripSummary {
  readonly startedAtMs: number | undefined;
  readonly endedAtMs: number | undefined;
  readonly start: Point | undefined;
  readonly end: Point | undefined;
  readonly distanceM: number;
  readonly movingMs: number;
  readonly standingMs: number;
  readonly silentMs: number;
  readonly maxSpeedMps: number | undefined;
  readonly stops: number;
  readonly positions: number;
}

/** Summarises tracks that follow one another, as of couriers who took an order over. */
export function summariseTrips(tracks: readonly (readonly TrackPlace[])[]): TripSummary {
  const trips = tracks.filter((track) => track.length > 0).map(summarise);
  const sum = (of: (trip: TripSummary) => number) =>
    trips.reduce((total, trip) => total + of(trip), 0);
  const speeds = trips.flatMap(({ maxSpeedMps }) => maxSpeedMps ?? []);
  return {
    startedAtMs: trips[0]?.startedAtMs,
    endedAtMs: trips.at(-1)?.endedAtMs,
    start: trips[0]?.start,
    end: trips.at(-1)?.end,
    distanceM: sum((trip) => trip.distanceM),
    movingMs: sum((trip) => trip.movingMs),
    standingMs: sum((trip) => trip.standingMs),
    silentMs: sum((trip) => trip.silentMs),
    maxSpeedMps: speeds.length === 0 ? undefined : Math.max(...speeds),
    stops: sum((trip) => trip.stops),
    positions: sum((trip) => trip.positions),
  };
}

function summarise(track: readonly TrackPlace[]): TripSummary {
  const totals = { distanceM: 0, movingMs: 0, standingMs: 0, silentMs: 0, stops: 0 };
  let maxSpeedMps: number | undefined;
  let stayedUntil: number | undefined;
  for (let from = 0; from < track.length - 1;) {
    const stayEnd = endOfStay(track, from);
    if (stayEnd !== undefined) {
      totals.standingMs += elapsedMs(track[from], track[stayEnd]);
      // Who drifts while standing has not stopped again.
      if (stayedUntil !== from) totals.stops++;
      stayedUntil = stayEnd;
      from = stayEnd;
      continue;
    }
    const stepMs = elapsedMs(track[from], track[from + 1]);
    if (stepMs > SILENCE_MS) totals.silentMs += stepMs;
    else {
      totals.movingMs += stepMs;
      totals.distanceM += between(track[from], track[from + 1]);
      const speedMps = speedFrom(track, from);
      if (speedMps !== undefined) maxSpeedMps = Math.max(maxSpeedMps ?? 0, speedMps);
    }
    from++;
  }
  const [first, last] = [track[0], track.at(-1)];
  return {
    ...totals,
    startedAtMs: first?.recordedAtMs,
    endedAtMs: last?.recordedAtMs,
    start: first && { lat: first.lat, lon: first.lon },
    end: last && { lat: last.lat, lon: last.lon },
    maxSpeedMps,
    positions: track.length,
  };
}

/** The last place of a stay that begins here; undefined where none does. */
function endOfStay(track: readonly TrackPlace[], from: number): number | undefined {
  let end = from;
  while (
    end + 1 < track.length && elapsedMs(track[end], track[end + 1]) <= SILENCE_MS &&
    between(track[from], track[end + 1]) <= STOP_RADIUS_M
  ) end++;
  return elapsedMs(track[from], track[end]) >= STOP_MS ? end : undefined;
}

/** Mean speed of the shortest stretch from here that is long enough to tell. */
function speedFrom(track: readonly TrackPlace[], from: number): number | undefined {
  let wayM = 0;
  for (let at = from; at + 1 < track.length; at++) {
    if (elapsedMs(track[at], track[at + 1]) > SILENCE_MS) return undefined;
    wayM += between(track[at], track[at + 1]);
    const durationMs = elapsedMs(track[from], track[at + 1]);
    if (durationMs >= SPEED_WINDOW_MS) return wayM / (durationMs / 1_000);
  }
  return undefined;
}

function elapsedMs(a: TrackPlace | undefined, b: TrackPlace | undefined): number {
  return (b?.recordedAtMs ?? 0) - (a?.recordedAtMs ?? 0);
}

function between(a: TrackPlace | undefined, b: TrackPlace | undefined): number {
  return a === undefined || b === undefined ? 0 : distanceM(a, b);
}
