/**
 * How fast each vehicle moves. None of it is measured on the demo city; what the sources do not say
 * is marked as our own estimate. ETAs are corrected by what couriers really took, not here.
 */
import type { StreetClass } from "shared/streets/street_way.ts";
import type { Profile, Vehicle } from "shared/streets/vehicle.ts";

/**
 * Speeds in km/h where no limit is signed: the default speeds of OSRM's car profile
 * (Project-OSRM/osrm-backend, profiles/car.lua, version 5 and later). It has no rows from `road` on;
 * a car on most of those had an explicit permit and crawls (own estimates).
 */
const CAR_KMH: Readonly<Record<StreetClass, number>> = {
  motorway: 90,
  motorway_link: 45,
  trunk: 85,
  trunk_link: 40,
  primary: 65,
  primary_link: 30,
  secondary: 55,
  secondary_link: 25,
  tertiary: 40,
  tertiary_link: 20,
  unclassified: 25,
  residential: 25,
  living_street: 10,
  service: 15,
  road: 25,
  track: 10,
  pedestrian: 5,
  cycleway: 5,
  footway: 5,
  path: 5,
  bridleway: 5,
  steps: 5,
};

/** Share of the signed limit that is driven on average, from the same profile. */
const SHARE_OF_LIMIT = 0.8;

/**
 * A motorcycle passes queues: faster than a car by the ratio of the fallback speeds below, but not
 * faster than the signed limit.
 */
const MOTORCYCLE_FACTOR = 30 / 25;

/**
 * From OSRM's bicycle profile (profiles/bicycle.lua): 15 km/h, 12 on tracks, 13 on paths. Among
 * people on foot, where riding is expressly allowed, it is slower (own estimate).
 */
const BICYCLE_KMH = 15;
const SLOW_BICYCLE_KMH: Readonly<Partial<Record<StreetClass, number>>> = {
  track: 12,
  path: 13,
  footway: 10,
  pedestrian: 10,
  bridleway: 10,
};
/** A bicycle led on foot, from OSRM's bicycle profile. */
const BICYCLE_PUSH_KMH = 4;

/** OSRM's foot profile; steps are our own estimate. */
const FOOT_KMH = 5;
const STEPS_KMH = 2.5;

export interface Stretch {
  readonly streetClass: StreetClass;
  /** 0 where unknown. */
  readonly maxSpeedKmh: number;
  /** A bicycle is led on foot here. */
  readonly pushed: boolean;
}

/** Speed of a profile on a stretch it may use, in metres per second. */
export function streetSpeedMps(profile: Profile, stretch: Stretch): number {
  return streetSpeedKmh(profile, stretch) / 3.6;
}

function streetSpeedKmh(profile: Profile, { streetClass, maxSpeedKmh, pushed }: Stretch): number {
  const car = maxSpeedKmh > 0 ? maxSpeedKmh * SHARE_OF_LIMIT : CAR_KMH[streetClass];
  switch (profile) {
    case "car":
      return car;
    case "motorcycle":
      return Math.min(car * MOTORCYCLE_FACTOR, maxSpeedKmh > 0 ? maxSpeedKmh : Infinity);
    case "bicycle":
      return pushed ? BICYCLE_PUSH_KMH : SLOW_BICYCLE_KMH[streetClass] ?? BICYCLE_KMH;
    case "foot":
      return streetClass === "steps" ? STEPS_KMH : FOOT_KMH;
  }
}

/**
 * Straight-line speeds of the haversine fallback: those of the system that Hexmile replaces, and
 * walking pace. Detours are in them, so they are lower than speeds on streets.
 */
export const STRAIGHT_LINE_KMH: Readonly<Record<Vehicle, number>> = {
  bicycle: 15,
  motorcycle: 30,
  car: 25,
  van: 20,
  foot: 4,
};

/**
 * How much longer a vehicle takes than its profile says: a van drives the car's streets, slower by
 * the ratio of the straight-line speeds.
 */
export const DURATION_FACTOR: Readonly<Record<Vehicle, number>> = {
  bicycle: 1,
  motorcycle: 1,
  car: 1,
  van: STRAIGHT_LINE_KMH.car / STRAIGHT_LINE_KMH.van,
  foot: 1,
};
