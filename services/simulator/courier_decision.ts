/** What a simulated courier does next: pure functions of what it knows, the time and chance. */
import type { Point } from "shared/geo/point.ts";
import type { OrderState } from "shared/orders/lifecycle.ts";
import type { Milestone } from "./api_client.ts";
import type { Assignment } from "./api_shapes.ts";
import { type Random, uniform } from "./random.ts";

/** What the courier is about. Where it stands follows from its walk, not from here. */
export type CourierPhase =
  | { readonly kind: "idle" }
  | { readonly kind: "to_pickup"; readonly orderId: string }
  | { readonly kind: "at_pickup"; readonly orderId: string }
  | { readonly kind: "to_dropoff"; readonly orderId: string }
  /** Handing over; leaves at the time given. */
  | { readonly kind: "at_dropoff"; readonly orderId: string; readonly leaveAtMs: number };

export const IDLE: CourierPhase = { kind: "idle" };

/** One thing to do. `phase` is the one to be in, as soon as it is begun. */
export type CourierStep =
  | { readonly do: "walk"; readonly phase: CourierPhase; readonly to: Point }
  | {
    readonly do: "report";
    readonly phase: CourierPhase;
    readonly orderId: string;
    readonly milestone: Milestone;
  }
  /** The assignment is over: stand where you are. */
  | { readonly do: "stop"; readonly phase: CourierPhase }
  /** Nothing until something changes, or until the time given. */
  | { readonly do: "wait"; readonly phase: CourierPhase; readonly untilMs?: number };

export interface CourierSituation {
  readonly phase: CourierPhase;
  readonly assignments: readonly Assignment[];
  /** Whether the walk of the phase has come to its end. */
  readonly arrived: boolean;
  readonly nowMs: number;
  /** How long handing over takes. */
  readonly serviceMs: number;
}

/**
 * What an assigned order asks of its courier: `fetch` go and wait, `take` may be picked up, `carry`
 * picked up but not yet announced as under way, `bring` under way, `hold` somebody else must decide
 * (the public API has no call for a courier then), `over` nothing more.
 */
type Ask = "fetch" | "take" | "carry" | "bring" | "hold" | "over";

const ASKS: Record<OrderState, Ask> = {
  placed: "fetch",
  confirmed: "fetch",
  preparing: "fetch",
  ready_for_pickup: "take",
  picked_up: "carry",
  in_transit: "bring",
  failed_attempt: "hold",
  returning: "hold",
  delivered: "over",
  returned: "over",
  cancelled: "over",
  failed: "over",
  expired: "over",
};

function asks(assignment: Assignment): Ask {
  const { kind, status } = assignment.order;
  // Nobody prepares a parcel: it goes from placed to picked_up.
  return kind === "parcel" && status === "placed" ? "take" : ASKS[status];
}

/** Whether the order is already in the courier's hands. */
export function isCarried(assignment: Assignment): boolean {
  return asks(assignment) === "carry" || asks(assignment) === "bring";
}

/**
 * The next step. Performing a step and asking again leads from any state, also the one after a
 * restart (`idle` with assignments), to the delivery; an order once begun is finished before the
 * next, and what is already carried goes first.
 */
export function decideCourierStep(situation: CourierSituation): CourierStep {
  const { phase, assignments } = situation;
  if (phase.kind !== "idle") {
    const current = assignments.find(({ orderId }) => orderId === phase.orderId);
    if (current === undefined || asks(current) === "over") return { do: "stop", phase: IDLE };
    return continueWith(current, situation);
  }
  const open = assignments.filter((assignment) => asks(assignment) !== "over");
  const next = open.find(isCarried) ?? open.find((assignment) => asks(assignment) !== "hold");
  return next === undefined ? { do: "wait", phase } : continueWith(next, situation);
}

function continueWith(assignment: Assignment, situation: CourierSituation): CourierStep {
  const { phase } = situation;
  const { orderId } = assignment;
  const ask = asks(assignment);
  switch (ask) {
    case "fetch":
    case "take":
      return fetchOrder(assignment, ask, situation);
    case "carry":
      // Reported before the walk begins, so that the walk is the one of an order in transit.
      return {
        do: "report",
        phase: { kind: "at_pickup", orderId },
        orderId,
        milestone: "in-transit",
      };
    case "bring":
      return bringOrder(assignment, situation);
    case "hold":
    case "over":
      return { do: "wait", phase };
  }
}

function fetchOrder(
  { orderId, order }: Assignment,
  ask: "fetch" | "take",
  { phase, arrived }: CourierSituation,
): CourierStep {
  const there: CourierPhase = { kind: "at_pickup", orderId };
  if (phase.kind === "to_pickup" && !arrived) return { do: "wait", phase };
  if (phase.kind !== "to_pickup" && phase.kind !== "at_pickup") {
    return { do: "walk", phase: { kind: "to_pickup", orderId }, to: order.pickup };
  }
  return ask === "take"
    ? { do: "report", phase: there, orderId, milestone: "picked-up" }
    : { do: "wait", phase: there };
}

function bringOrder({ orderId, order }: Assignment, situation: CourierSituation): CourierStep {
  const { phase, arrived, nowMs, serviceMs } = situation;
  if (phase.kind === "to_dropoff") {
    if (!arrived) return { do: "wait", phase };
    const leaveAtMs = nowMs + serviceMs;
    return { do: "wait", phase: { kind: "at_dropoff", orderId, leaveAtMs }, untilMs: leaveAtMs };
  }
  if (phase.kind === "at_dropoff") {
    return nowMs < phase.leaveAtMs
      ? { do: "wait", phase, untilMs: phase.leaveAtMs }
      : { do: "report", phase, orderId, milestone: "delivered" };
  }
  return { do: "walk", phase: { kind: "to_dropoff", orderId }, to: order.dropoff };
}

export type OfferDecision = "accept" | "reject" | "ignore";

const ACCEPT_SHARE = 0.92;
const REJECT_SHARE = 0.05;
/** How long a person needs to look at an offer; real time, as offers are not sped up. */
const MIN_THINKING_MS = 1_000;
const MAX_THINKING_MS = 4_000;

/** What a courier makes of an offer, and after how long. The rest (3 %) is left to expire. */
export function decideOffer(random: Random): { decision: OfferDecision; delayMs: number } {
  const delayMs = uniform(random, MIN_THINKING_MS, MAX_THINKING_MS);
  const chance = random();
  if (chance < ACCEPT_SHARE) return { decision: "accept", delayMs };
  return { decision: chance < ACCEPT_SHARE + REJECT_SHARE ? "reject" : "ignore", delayMs };
}

const MIN_REST_MS = 60_000;
const MAX_REST_MS = 240_000;
const AMBLE_SHARE = 0.5;

/**
 * What an idle courier does with its time: how long it stays, and whether it then ambles towards a
 * merchant. Rare enough that the routes of a whole fleet cost next to nothing.
 */
export function decideRest(random: Random): { restMs: number; thenAmble: boolean } {
  return {
    restMs: uniform(random, MIN_REST_MS, MAX_REST_MS),
    thenAmble: random() < AMBLE_SHARE,
  };
}
