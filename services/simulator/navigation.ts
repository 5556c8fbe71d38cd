/** A courier's own navigation and a customer's choice of address: the streets, in this process. */
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import type { Router } from "shared/routing/router.ts";
import type { Vehicle } from "shared/streets/vehicle.ts";
import type { Random } from "./random.ts";

/** What a courier takes where no way through the streets is known: cycling speed of OSRM's profile. */
const STRAIGHT_LINE_MPS = 15 / 3.6;
/** Draws until a place lies at the distance asked for; a miss of all is answered with undefined. */
const MAX_DRAWS = 200;

export interface Way {
  readonly points: readonly Point[];
  /** Free flow, at the vehicle's own pace. */
  readonly speedMps: number;
  /** False for a straight line because the streets gave no way. */
  readonly onStreets: boolean;
}

export interface NavigationOptions {
  readonly router: Router;
  /** A random place on a street inside the served area. */
  readonly streetPoint: (random: Random) => Point;
  /** What couriers amble towards. */
  readonly landmarks: readonly Point[];
}

export class Navigation {
  readonly #router: Router;
  readonly #streetPoint: (random: Random) => Point;
  readonly landmarks: readonly Point[];

  constructor(options: NavigationOptions) {
    this.#router = options.router;
    this.#streetPoint = options.streetPoint;
    this.landmarks = options.landmarks;
  }

  /** The quickest way; it ends on the street nearest to `to`, so fixes stay on streets. */
  async way(from: Point, to: Point, vehicle: Vehicle): Promise<Way> {
    const route = await this.#router.route(from, to, { vehicle });
    if (!route.ok) return { points: [from, to], speedMps: STRAIGHT_LINE_MPS, onStreets: false };
    const speedMps = route.durationS > 0 ? route.distanceM / route.durationS : 0;
    return {
      points: route.points,
      // Both ends on one spot: any speed arrives at once.
      speedMps: speedMps > 0 ? speedMps : STRAIGHT_LINE_MPS,
      onStreets: true,
    };
  }

  /** The nearest place from which the vehicle can reach the city. */
  async onStreet(point: Point, vehicle: Vehicle): Promise<Point> {
    const snap = await this.#router.nearest(point, { vehicle });
    return snap.ok ? snap.point : point;
  }

  /** A random street point between the two distances from `centre`, as the crow flies. */
  addressAround(
    centre: Point,
    distance: { readonly minM: number; readonly maxM: number },
    random: Random,
  ): Point | undefined {
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      const point = this.#streetPoint(random);
      const awayM = distanceM(centre, point);
      if (awayM >= distance.minM && awayM <= distance.maxM) return point;
    }
    return undefined;
  }
}
