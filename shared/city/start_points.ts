import type { City } from "shared/city/city.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import type { Point } from "shared/geo/point.ts";
import { createStreetSampler } from "shared/streets/street_sampler.ts";
import { type Profile, PROFILE_OF_VEHICLE, type Vehicle } from "shared/streets/vehicle.ts";

export interface CourierStart {
  readonly vehicle: Vehicle;
  /** On a street that the vehicle may use, inside the served area. */
  readonly point: Point;
}

/**
 * Where the couriers of the fleet plan begin, in the plan's order; follows from the plan's seed. A
 * few lie on streets cut off from the rest of the city: a route from there starts at the nearest
 * street that is not.
 */
export function courierStarts(city: City): CourierStart[] {
  const random = createSeededRandom(city.fleet.seed);
  const samplers = new Map<Profile, (random: () => number) => Point>();
  return city.fleet.vehicles.map((vehicle) => {
    const profile = PROFILE_OF_VEHICLE[vehicle];
    const sampler = samplers.get(profile) ??
      createStreetSampler(city.network, { within: city.region.servedArea, profile });
    samplers.set(profile, sampler);
    return { vehicle, point: sampler(random) };
  });
}

/**
 * Where customers live: `count` places on streets one can walk on inside the served area, one per
 * customer of the plan; follows from the plan's seed.
 */
export function customerHomes(city: City): Point[] {
  const random = createSeededRandom(city.customers.seed);
  const sampler = createStreetSampler(city.network, {
    within: city.region.servedArea,
    profile: "foot",
  });
  return Array.from({ length: city.customers.count }, () => sampler(random));
}
