import type { Tx } from "shared/sql/connect.ts";
import type { Deed } from "./actor.ts";
import { MAX_REDISPATCHES, startDeadlines } from "./deadlines.ts";
import { OrderChange } from "./order_change.ts";
import type { OrderRow } from "./rows.ts";

/** Why an order was taken from its courier before the pickup. */
export type WithdrawReason =
  | "courier_offline"
  | "courier_silent"
  | "courier_suspended"
  | "pickup_overdue"
  | "unassigned";

/**
 * Takes an order away from its courier before the pickup, so that it is dispatched again. A courier
 * who was lost counts: after the third such loss dispatch stops and a dispatcher decides. What a
 * dispatcher takes away does not count. The caller has locked the order.
 *
 * @returns whether there was an assignment to end.
 */
export async function withdrawAssignment(
  tx: Tx,
  order: OrderRow,
  { reason, deed }: { reason: WithdrawReason; deed: Deed },
): Promise<boolean> {
  const change = new OrderChange(tx, order, deed);
  if (await change.endAssignment(reason) === undefined) return false;
  const isLoss = reason !== "unassigned";
  if (isLoss && change.countRedispatch() > MAX_REDISPATCHES) {
    change.holdForDispatcher();
    change.raiseAttention("couriers_lost");
  }
  await change.save();
  startDeadlines(tx, order, change.version);
  return true;
}
