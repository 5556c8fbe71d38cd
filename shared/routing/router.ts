/**
 * The `Router` port. One contract suite (`router_contract.ts`) runs on every implementation:
 * `createEmbeddedRouter` (streets in memory) and `createHaversineRouter` (last resort); a contraction
 * hierarchy in a worker and OSRM over HTTP are meant to fit here unchanged, hence the promises.
 *
 * - Points off the streets are first moved to the nearest street of the vehicle ("snapped"); routes
 *   start and end at those places, and their figures do not include the way to them.
 * - What a caller must expect is a value with a code. A rejected promise is a bug.
 * - The same input gives the same answer, byte for byte, on every machine.
 */
import type { Point } from "shared/geo/point.ts";
import type { Vehicle } from "shared/streets/vehicle.ts";

/** Who answered. `haversine` means: no streets were used, the figures are a straight-line guess. */
export type RouterName = "embedded" | "haversine";

export interface RouteOptions {
  readonly vehicle: Vehicle;
  /** Farther than this from a street of the vehicle is refused; default `MAX_SNAP_M`. */
  readonly maxSnapM?: number;
}

/** How far a point may lie from the nearest street of its vehicle. */
export const MAX_SNAP_M = 500;

/** Bound of `table`: `from.length * to.length`. A 100 x 100 table is the largest one. */
export const MAX_TABLE_CELLS = 10_000;

/** A point moved onto a street. */
export interface Snap {
  readonly ok: true;
  readonly point: Point;
  /** From the point asked for to `point`. */
  readonly distanceM: number;
  /** Absent where the street has no name or the router knows no streets. */
  readonly streetName?: string;
  readonly router: RouterName;
}

export interface Route {
  readonly ok: true;
  /** Length of `points`. */
  readonly distanceM: number;
  /** Free-flow travel time, without the demo's `speed` factor. */
  readonly durationS: number;
  /** At least two points, from the snapped start to the snapped end; they may be equal. */
  readonly points: readonly Point[];
  /** How far the snapped ends lie from the points asked for. */
  readonly fromSnapM: number;
  readonly toSnapM: number;
  readonly router: RouterName;
}

export interface Table {
  readonly ok: true;
  /** `durationsS[i][j]` from `from[i]` to `to[j]`; null where an end has no street or no way leads. */
  readonly durationsS: readonly (readonly (number | null)[])[];
  readonly router: RouterName;
}

export type RoutingRefusalCode =
  /** An end is farther than `maxSnapM` from any street of the vehicle. */
  | "no_street_near"
  /** Both ends are on streets, but no way leads from one to the other. */
  | "no_route"
  /** More than `MAX_TABLE_CELLS` cells. */
  | "table_too_large"
  /** The engine behind the router cannot be asked now. */
  | "router_unavailable";

export interface RoutingRefusal {
  readonly ok: false;
  readonly code: RoutingRefusalCode;
  /** Which end of the route, where the code is about one. */
  readonly end?: "from" | "to";
  readonly router: RouterName;
}

export interface Router {
  readonly name: RouterName;
  /** The quickest way for the vehicle. */
  route(from: Point, to: Point, options: RouteOptions): Promise<Route | RoutingRefusal>;
  /** The nearest place on a street from which the vehicle can reach the rest of the city. */
  nearest(point: Point, options: RouteOptions): Promise<Snap | RoutingRefusal>;
  /** Durations of all pairs, without geometry. */
  table(
    from: readonly Point[],
    to: readonly Point[],
    options: RouteOptions,
  ): Promise<Table | RoutingRefusal>;
}
