import { scheduleTimer } from "shared/timers/schedule.ts";
import type { Tx } from "shared/sql/connect.ts";

/** An order nobody carries is shown to a dispatcher after this long (DESIGN §3). */
export const ATTENTION_AFTER_MS = 15 * 60_000;
/** ... or after this many offers. */
export const ATTENTION_AFTER_OFFERS = 5;
/** An order nobody carries ends after this long (DESIGN §3). */
export const EXPIRE_AFTER_MS = 2 * 60 * 60_000;

/**
 * Starts the deadlines of an order that nobody carries: when it is placed, and again when a
 * courier is lost before the pickup.
 *
 * @param version the order's version that began the wait; keeps the timers of two waits apart.
 */
export async function startDeadlines(tx: Tx, orderId: string, version: number): Promise<void> {
  const base = { key: orderId, version };
  await scheduleTimer(tx, { ...base, kind: "order.attention", delayMs: ATTENTION_AFTER_MS });
  await scheduleTimer(tx, { ...base, kind: "order.expire", delayMs: EXPIRE_AFTER_MS });
}
