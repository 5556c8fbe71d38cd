import type { Tx } from "shared/sql/connect.ts";
import type { Actor } from "./actor.ts";
import type { OrderRow } from "./rows.ts";

/**
 * What an actor is to one order. A shop that orders a parcel for itself is its customer, whatever
 * the role of its account.
 */
export type Standing = Actor["role"];

/** What the actor is to the order; undefined for who must not learn that it exists. */
export async function standingOf(
  tx: Tx,
  order: OrderRow,
  actor: Actor,
): Promise<Standing | undefined> {
  if ("mode" in actor && actor.mode !== undefined && actor.mode !== order.mode) return undefined;
  switch (actor.role) {
    case "customer":
      return order.customerId === actor.accountId ? "customer" : undefined;
    case "merchant":
      if (order.merchantId !== null && actor.merchantIds.includes(order.merchantId)) {
        return "merchant";
      }
      return order.customerId === actor.accountId ? "customer" : undefined;
    case "courier":
      return await isCourierOf(tx, order, actor.accountId) ? "courier" : undefined;
    case "robot":
      return order.mode === "test" ? "robot" : undefined;
    case "dispatcher":
    case "system":
      return actor.role;
  }
}

/**
 * The courier who has the order, or had it when it ended: who repeats a delivery whose answer was
 * lost must learn that it is delivered, not that the order does not exist.
 */
async function isCourierOf(tx: Tx, order: OrderRow, courierId: string): Promise<boolean> {
  const [latest] = await tx<{ courierId: string; endReason: string | null }[]>`
    select courier_id, end_reason from assignments where order_id = ${order.id}
    order by created_at desc limit 1`;
  if (latest?.courierId !== courierId) return false;
  return latest.endReason === null || latest.endReason === order.status;
}
