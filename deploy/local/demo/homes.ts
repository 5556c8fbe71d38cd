import type { City } from "shared/city/city.ts";
import { customerHomes } from "shared/city/start_points.ts";
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";

/** The customer's home whose straight distance from a place is nearest to the wanted one. */
export function homeAt(city: City, from: Point, wantedM: number): Point {
  const homes = customerHomes(city).map((home) => ({
    home,
    offByM: Math.abs(distanceM(from, home) - wantedM),
  }));
  homes.sort((a, b) => a.offByM - b.offByM);
  const [best] = homes;
  if (best === undefined) throw new Error("the city has no customer");
  return { lat: best.home.lat, lon: best.home.lon };
}
