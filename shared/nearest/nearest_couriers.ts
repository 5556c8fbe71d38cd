/** What is asked of every source of nearest couriers, and what each answers. */
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import type { Vehicle } from "shared/streets/vehicle.ts";

/** What a courier is, besides where: Postgres has it. */
export interface CourierProfile {
  readonly id: string;
  readonly vehicle: Vehicle;
  /** Orders that it carries at once. */
  readonly capacity: number;
  readonly activeAssignments: number;
  readonly skills: readonly string[];
  readonly rating: number;
  /** The merchant whose orders alone it carries; null carries for everybody. */
  readonly fleet: string | null;
  readonly status: CourierStatus;
  readonly version: number;
}

/** What a courier must have; what is absent asks for nothing. */
export interface CourierFilter {
  /** One of these. */
  readonly vehicles?: readonly Vehicle[] | undefined;
  /** All of these. */
  readonly skills?: readonly string[] | undefined;
  readonly minRating?: number | undefined;
  /** Orders that it could take besides those it has. */
  readonly minFreeCapacity?: number | undefined;
  /** Only couriers of this merchant's own fleet. */
  readonly fleet?: string | undefined;
}

/**
 * A search for couriers that are available and were heard within 45 s. `radiusM` is at most
 * `MAX_RADIUS_M`, `limit` at most `MAX_FOUND` (point_grid.ts).
 */
export interface NearestQuery {
  readonly center: Point;
  readonly radiusM: number;
  readonly limit: number;
  readonly filter: CourierFilter;
}

export interface NearestCourier {
  readonly profile: CourierProfile;
  readonly position: Point;
  /** Great-circle metres from the centre. */
  readonly distanceM: number;
  readonly heardAgoMs: number;
}

/** The same rule as `filterSql`; ratings are compared as Postgres keeps them, in 32 bits. */
export function fits(profile: CourierProfile, filter: CourierFilter): boolean {
  const { vehicles, skills, minRating, minFreeCapacity, fleet } = filter;
  if (vehicles !== undefined && !vehicles.includes(profile.vehicle)) return false;
  for (const skill of skills ?? []) if (!profile.skills.includes(skill)) return false;
  if (minRating !== undefined && Math.fround(profile.rating) < Math.fround(minRating)) return false;
  const free = profile.capacity - profile.activeAssignments;
  if (minFreeCapacity !== undefined && free < minFreeCapacity) return false;
  return fleet === undefined || profile.fleet === fleet;
}

/** Whether the filter lets everybody through. */
export function isEmptyFilter(filter: CourierFilter): boolean {
  return Object.values(filter).every((value) => value === undefined);
}

/** Orders candidates by distance, then by id, and keeps those that were asked for. */
export function rank(
  candidates: readonly Omit<NearestCourier, "distanceM">[],
  { center, radiusM, limit }: NearestQuery,
): NearestCourier[] {
  return candidates
    .map((candidate) => ({ ...candidate, distanceM: distanceM(center, candidate.position) }))
    .filter((candidate) => candidate.distanceM <= radiusM)
    .sort(byDistance)
    .slice(0, limit);
}

/** The nearer first; of two at the same distance the one with the smaller id. */
export function byDistance(a: NearestCourier, b: NearestCourier): number {
  return a.distanceM - b.distanceM || (a.profile.id < b.profile.id ? -1 : 1);
}
