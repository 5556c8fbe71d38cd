import { scheduleTimer, scheduleTimers, type Timer } from "shared/timers/schedule.ts";
import type { Tx } from "shared/sql/connect.ts";
import { isUnconfirmed, type OrderKind, type OrderState } from "./lifecycle.ts";

/** An order its merchant has not answered is shown to a dispatcher after this long. */
export const UNCONFIRMED_AFTER_MS = 5 * 60_000;
/** An order nobody carries is shown to a dispatcher after this long (DESIGN §3). */
export const ATTENTION_AFTER_MS = 15 * 60_000;
/** ... or after this many offers. */
export const ATTENTION_AFTER_OFFERS = 5;
/** An order nobody confirms or carries ends after this long (DESIGN §3). */
export const EXPIRE_AFTER_MS = 2 * 60 * 60_000;
/** A courier who accepted must have come to the pickup this long after the goods are ready. */
export const PICKUP_WITHIN_MS = 45 * 60_000;
/** Couriers lost before the pickup after whom the order is dispatched again by itself. */
export const MAX_REDISPATCHES = 3;
/** How long a courier must be away before what it carries may be given to another. */
export const REASSIGN_AFTER_MS = 10 * 60_000;

/** What the deadlines of an order depend on. */
export interface WaitingOrder {
  readonly id: string;
  readonly kind: OrderKind;
  readonly status: OrderState;
}

/**
 * Starts the deadlines of an order that nobody carries: when it is placed (a scheduled one when it
 * is released), and again when a courier is lost before the pickup.
 *
 * @param version the order's version that began the wait; keeps the timers of two waits apart.
 */
export function startDeadlines(
  tx: Tx,
  order: WaitingOrder,
  version: number,
): void {
  scheduleTimers(tx, deadlinesOf(order, version));
}

/** The deadlines as timers; see `startDeadlines`. */
export function deadlinesOf(order: WaitingOrder, version: number): Timer[] {
  const base = { key: order.id, version };
  const alert: Timer = isUnconfirmed(order.kind, order.status)
    ? { ...base, kind: "order.unconfirmed", delayMs: UNCONFIRMED_AFTER_MS }
    : { ...base, kind: "order.attention", delayMs: ATTENTION_AFTER_MS };
  return [alert, { ...base, kind: "order.expire", delayMs: EXPIRE_AFTER_MS }];
}

/** A merchant took the order: from now on it waits for a courier. The end stays where it was. */
export function startSearch(tx: Tx, orderId: string, version: number): void {
  scheduleTimer(tx, {
    kind: "order.attention",
    key: orderId,
    version,
    delayMs: ATTENTION_AFTER_MS,
  });
}

/** A courier accepted: it must come for the goods. */
export function startPickupDeadline(
  tx: Tx,
  order: { readonly id: string; readonly preparationMinutes: number },
  version: number,
): void {
  scheduleTimer(tx, {
    kind: "assignment.overdue",
    key: order.id,
    version,
    delayMs: PICKUP_WITHIN_MS + order.preparationMinutes * 60_000,
  });
}
