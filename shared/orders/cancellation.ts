/**
 * Who may cancel when, and what it costs. Pure. The table is total: a standing or a state without
 * a decision is a type error.
 */
import type { SettlementPolicy } from "shared/regions/region.ts";
import type { OrderState } from "./lifecycle.ts";
import type { Standing } from "./standing.ts";

export const CANCEL_CODES = [
  "changed_mind",
  "ordered_by_mistake",
  "wrong_address",
  "too_slow",
  "merchant_closed",
  "out_of_stock",
  "no_courier",
  "fraud",
  "other",
] as const;
/** Why an order was cancelled, for programs. */
export type CancelCode = (typeof CANCEL_CODES)[number];

/** One part of what a cancellation costs; a list, so that others can join. */
export interface FeePart {
  readonly code: "courier_assigned" | "courier_arrived";
  readonly amountMinor: number;
}

/** How an order was cancelled, as it is kept on the order. */
export interface Cancellation {
  readonly by: Standing;
  readonly code: CancelCode;
  readonly reason: string | null;
  readonly feeMinor: number;
  readonly parts: readonly FeePart[];
}

const NEVER: Record<OrderState, boolean> = {
  placed: false,
  confirmed: false,
  preparing: false,
  ready_for_pickup: false,
  picked_up: false,
  in_transit: false,
  delivered: false,
  failed_attempt: false,
  returning: false,
  returned: false,
  cancelled: false,
  failed: false,
  expired: false,
};

const UNTIL_PICKUP = {
  ...NEVER,
  placed: true,
  confirmed: true,
  preparing: true,
  ready_for_pickup: true,
};

const MAY_CANCEL: Record<Standing, Record<OrderState, boolean>> = {
  // From the kitchen's start on food is wasted, so the merchant or a dispatcher decides.
  customer: { ...NEVER, placed: true, confirmed: true },
  merchant: UNTIL_PICKUP,
  dispatcher: UNTIL_PICKUP,
  courier: NEVER,
  system: NEVER,
  robot: NEVER,
};

/** Whether somebody with this standing may cancel an order in this state. */
export function mayCancel(standing: Standing, state: OrderState): boolean {
  return MAY_CANCEL[standing][state];
}

/** What the fee depends on. */
export interface CancelFacts {
  readonly by: Standing;
  readonly hasCourier: boolean;
  readonly courierArrived: boolean;
}

/**
 * What a cancellation costs who placed the order. It is free until a courier has accepted, and
 * always when the merchant or a dispatcher cancels: the customer did not cause it.
 */
export function cancellationFee(
  { by, hasCourier, courierArrived }: CancelFacts,
  policy: SettlementPolicy["cancellation"],
): readonly FeePart[] {
  if (by !== "customer" || !hasCourier) return [];
  const part: FeePart = courierArrived
    ? { code: "courier_arrived", amountMinor: policy.arrivedMinor }
    : { code: "courier_assigned", amountMinor: policy.acceptedMinor };
  return part.amountMinor === 0 ? [] : [part];
}
