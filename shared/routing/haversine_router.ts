import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { MAX_TABLE_CELLS, type Router } from "shared/routing/router.ts";
import { STRAIGHT_LINE_KMH } from "shared/routing/speeds.ts";
import type { Vehicle } from "shared/streets/vehicle.ts";

/**
 * The last resort where streets are unknown: straight lines at one speed per vehicle. It refuses
 * nothing but too large tables, and every answer says `router: "haversine"`, so that whoever shows
 * or stores a figure can tell a guess from a route.
 */
export function createHaversineRouter(): Router {
  return {
    name: "haversine",
    route: (from, to, { vehicle }) =>
      Promise.resolve({
        ok: true,
        distanceM: distanceM(from, to),
        durationS: durationS(from, to, vehicle),
        points: [from, to],
        fromSnapM: 0,
        toSnapM: 0,
        router: "haversine",
      }),
    nearest: (point) => Promise.resolve({ ok: true, point, distanceM: 0, router: "haversine" }),
    table: (from, to, { vehicle }) => {
      if (from.length * to.length > MAX_TABLE_CELLS) {
        return Promise.resolve({ ok: false, code: "table_too_large", router: "haversine" });
      }
      const durationsS = from.map((a) => to.map((b) => durationS(a, b, vehicle)));
      return Promise.resolve({ ok: true, durationsS, router: "haversine" });
    },
  };
}

function durationS(from: Point, to: Point, vehicle: Vehicle): number {
  return distanceM(from, to) / (STRAIGHT_LINE_KMH[vehicle] / 3.6);
}
