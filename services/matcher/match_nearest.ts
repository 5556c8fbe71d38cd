/** The `nearest` policy: each order asks the nearest courier that may take it, the oldest first. */
import { HIDDEN_AFTER_MS } from "shared/availability/cleaning.ts";
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import type { RegionPolicy } from "shared/regions/region.ts";
import type { Vehicle } from "shared/streets/vehicle.ts";

/** An order that waits for a courier. */
export interface OpenOrder {
  readonly id: string;
  readonly pickup: Point;
  /** From pickup to dropoff. */
  readonly tripM: number;
  readonly merchantId: string | null;
  /** Only couriers of the merchant's own fleet may carry it. */
  readonly ownFleet: boolean;
  readonly needs: OrderNeeds;
  /** Couriers who had the order and did not come for it, or from whom a dispatcher took it. */
  readonly lostBy: readonly string[];
  /** Couriers asked before for this order, and what came of it. */
  readonly asked: readonly AskedCourier[];
}

/** What a courier must have to carry an order; empty lists ask for nothing. */
export interface OrderNeeds {
  readonly weightG: number | null;
  readonly vehicles: readonly string[];
  readonly skills: readonly string[];
}

export interface AskedCourier {
  readonly courierId: string;
  readonly outcome: "rejected" | "expired" | "withdrawn" | "accepted";
  readonly closedAtMs: number;
}

/** A courier who is available and has no offer waiting. */
export interface IdleCourier {
  readonly id: string;
  readonly version: number;
  readonly vehicle: Vehicle;
  /** The merchant whose orders alone this courier carries; null carries for everybody. */
  readonly fleet: string | null;
  readonly skills: readonly string[];
  /** Heaviest load in grams; null means what the vehicle usually carries. */
  readonly maxLoadG: number | null;
  readonly loadG: number;
  /** Undefined until the first fix. */
  readonly position: { readonly point: Point; readonly receivedAtMs: number } | undefined;
}

export interface MatchInput {
  readonly orders: readonly OpenOrder[];
  readonly couriers: readonly IdleCourier[];
  readonly policy: RegionPolicy["dispatch"];
  readonly nowMs: number;
}

/** Why a courier was not a candidate for an order. */
export type Exclusion =
  | "no_position"
  | "silent"
  | "other_fleet"
  | "declined"
  | "asked_lately"
  | "had_it"
  | "wrong_vehicle"
  | "lacks_skill"
  | "too_heavy"
  | "trip_too_long"
  | "too_far"
  | "taken";

export interface Match {
  readonly orderId: string;
  readonly courierId: string;
  readonly courierVersion: number;
  readonly distanceM: number;
  readonly explanation: Explanation;
}

/** What is stored with the decision, so that "why this courier" has an answer. */
export interface Explanation {
  readonly policy: "nearest";
  /** The nearest candidates, the chosen one first. */
  readonly candidates: readonly { readonly courierId: string; readonly distanceM: number }[];
  /** How many couriers were left out, by reason. */
  readonly excluded: Readonly<Partial<Record<Exclusion, number>>>;
  /** What would have changed it: the runner-up would have to be this much nearer. */
  readonly runnerUpBehindM: number | null;
}

const SHOWN_CANDIDATES = 5;

/**
 * What a vehicle usually carries, in grams, where the courier has said nothing: a delivery bag on
 * foot, a rack, a top box, a boot, and the payload of a small van.
 */
const USUAL_LOAD_G: Record<Vehicle, number> = {
  foot: 10_000,
  bicycle: 15_000,
  motorcycle: 30_000,
  car: 200_000,
  van: 800_000,
};

/**
 * Matches orders to couriers, at most one order per courier. Pure: the same input gives the same
 * matches. Distances are straight lines in metres; ties go to the smaller courier id.
 */
export function matchNearest(input: MatchInput): Match[] {
  const taken = new Set<string>();
  const matches: Match[] = [];
  // Ids are UUIDv7, so their order is the order of placement.
  const orders = [...input.orders].sort((a, b) => a.id < b.id ? -1 : 1);
  for (const order of orders) {
    const match = matchOne(order, input, taken);
    if (match === undefined) continue;
    taken.add(match.courierId);
    matches.push(match);
  }
  return matches;
}

interface Candidate {
  readonly courier: IdleCourier;
  readonly distanceM: number;
}

function matchOne(order: OpenOrder, input: MatchInput, taken: ReadonlySet<string>) {
  const excluded: Partial<Record<Exclusion, number>> = {};
  const candidates: Candidate[] = [];
  for (const courier of input.couriers) {
    const judged = judge(order, courier, input, taken);
    if (typeof judged === "number") candidates.push({ courier, distanceM: judged });
    else excluded[judged] = (excluded[judged] ?? 0) + 1;
  }
  candidates.sort((a, b) => a.distanceM - b.distanceM || (a.courier.id < b.courier.id ? -1 : 1));
  const [best, runnerUp] = candidates;
  if (best === undefined) return undefined;
  const explanation: Explanation = {
    policy: "nearest",
    candidates: candidates.slice(0, SHOWN_CANDIDATES).map((candidate) => ({
      courierId: candidate.courier.id,
      distanceM: Math.round(candidate.distanceM),
    })),
    excluded,
    runnerUpBehindM: runnerUp === undefined
      ? null
      : Math.round(runnerUp.distanceM - best.distanceM),
  };
  return {
    orderId: order.id,
    courierId: best.courier.id,
    courierVersion: best.courier.version,
    distanceM: best.distanceM,
    explanation,
  };
}

/** The distance to the pickup, or why the courier is out. */
function judge(
  order: OpenOrder,
  courier: IdleCourier,
  { policy, nowMs }: MatchInput,
  taken: ReadonlySet<string>,
): number | Exclusion {
  if (taken.has(courier.id)) return "taken";
  if (courier.position === undefined) return "no_position";
  if (nowMs - courier.position.receivedAtMs > HIDDEN_AFTER_MS) return "silent";
  if (!isOfFleet(order, courier)) return "other_fleet";
  for (const asked of order.asked) {
    if (asked.courierId !== courier.id) continue;
    if (asked.outcome === "rejected") return "declined";
    if (nowMs - asked.closedAtMs < policy.askAgainAfterMs) return "asked_lately";
  }
  if (order.lostBy.includes(courier.id)) return "had_it";
  const lack = findLack(order.needs, courier);
  if (lack !== undefined) return lack;
  if (order.tripM > (policy.maxTripM[courier.vehicle] ?? Infinity)) return "trip_too_long";
  const lengthM = distanceM(courier.position.point, order.pickup);
  return lengthM > policy.maxRadiusM ? "too_far" : lengthM;
}

/** What the courier lacks to carry the order. */
function findLack(needs: OrderNeeds, courier: IdleCourier): Exclusion | undefined {
  if (needs.vehicles.length > 0 && !needs.vehicles.includes(courier.vehicle)) {
    return "wrong_vehicle";
  }
  if (needs.skills.some((skill) => !courier.skills.includes(skill))) return "lacks_skill";
  const maxLoadG = courier.maxLoadG ?? USUAL_LOAD_G[courier.vehicle];
  return needs.weightG !== null && courier.loadG + needs.weightG > maxLoadG
    ? "too_heavy"
    : undefined;
}

/** A fleet's couriers carry for their merchant only; an own fleet's orders go to nobody else. */
function isOfFleet({ merchantId, ownFleet }: OpenOrder, { fleet }: IdleCourier): boolean {
  if (fleet !== null) return fleet === merchantId;
  return !ownFleet;
}
