/** What keeper does when a timer of an order fires. Each is silent when it came too late. */
import type { Tx } from "shared/sql/connect.ts";
import type { TimerKind } from "shared/timers/schedule.ts";
import { isTerminal } from "./lifecycle.ts";
import { findActiveAssignment, lockOrder } from "./locks.ts";
import { OrderChange } from "./order_change.ts";
import { transitionOrderIn } from "./transition_order.ts";
import type { OrderRow } from "./rows.ts";

/** Shows an order that nobody carries to a dispatcher. */
export async function raiseUnassigned(tx: Tx, orderId: string, version?: number): Promise<void> {
  const order = await findUncarried(tx, orderId, { kind: "order.attention", version });
  if (order === undefined || order.attention !== null) return;
  const change = new OrderChange(tx, order);
  change.raiseAttention("unassigned");
  await change.save();
}

/** Ends an order that nobody took. */
export async function expireOrder(tx: Tx, orderId: string, version?: number): Promise<void> {
  if (await findUncarried(tx, orderId, { kind: "order.expire", version }) === undefined) return;
  const actor = { role: "system" } as const;
  // Refused where the order has been picked up meanwhile: then there is nothing to expire.
  await transitionOrderIn(tx, { orderId, action: "expire", actor });
}

/**
 * The order, when it still waits as it did when the timer was set. An order that was given back
 * waits anew, with timers of a higher version: the earlier ones no longer count.
 */
async function findUncarried(
  tx: Tx,
  orderId: string,
  { kind, version }: { kind: TimerKind; version: number | undefined },
): Promise<OrderRow | undefined> {
  const order = await lockOrder(tx, orderId);
  if (order === undefined || isTerminal(order.status)) return undefined;
  if (version === undefined) return await uncarried(tx, order);
  const newer = await tx`
    select 1 from timers where kind = ${kind} and key = ${orderId} and version > ${version}`;
  return newer.length > 0 ? undefined : await uncarried(tx, order);
}

async function uncarried(tx: Tx, order: OrderRow): Promise<OrderRow | undefined> {
  return await findActiveAssignment(tx, order.id) === undefined ? order : undefined;
}
