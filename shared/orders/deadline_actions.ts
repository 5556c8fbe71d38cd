/** What keeper does when a timer of an order fires. Each is silent when it came too late. */
import type { Tx } from "shared/sql/connect.ts";
import { isTerminal } from "./lifecycle.ts";
import { findActiveAssignment, lockOrder } from "./locks.ts";
import { OrderChange } from "./order_change.ts";
import { transitionOrderIn } from "./transition_order.ts";
import type { OrderRow } from "./rows.ts";

/** Shows an order that nobody carries to a dispatcher. */
export async function raiseUnassigned(tx: Tx, orderId: string): Promise<void> {
  const order = await findUncarried(tx, orderId);
  if (order === undefined || order.attention !== null) return;
  const change = new OrderChange(tx, order);
  change.raiseAttention("unassigned");
  await change.save();
}

/** Ends an order that nobody took. */
export async function expireOrder(tx: Tx, orderId: string): Promise<void> {
  if (await findUncarried(tx, orderId) === undefined) return;
  const actor = { role: "system" } as const;
  // Refused where the order has been picked up meanwhile: then there is nothing to expire.
  await transitionOrderIn(tx, { orderId, action: "expire", actor });
}

async function findUncarried(tx: Tx, orderId: string): Promise<OrderRow | undefined> {
  const order = await lockOrder(tx, orderId);
  if (order === undefined || isTerminal(order.status)) return undefined;
  return await findActiveAssignment(tx, orderId) === undefined ? order : undefined;
}
