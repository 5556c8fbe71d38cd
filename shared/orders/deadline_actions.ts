/** What keeper does when a timer of an order fires. Each is silent when it came too late. */
import type { Tx } from "shared/sql/connect.ts";
import type { TimerKind } from "shared/timers/schedule.ts";
import { SYSTEM } from "./actor.ts";
import { startDeadlines } from "./deadlines.ts";
import { isCarried, isTerminal, isUnconfirmed } from "./lifecycle.ts";
import { findActiveAssignment, findAssignmentProgress, lockOrder } from "./locks.ts";
import { OrderChange } from "./order_change.ts";
import type { OrderRow } from "./rows.ts";
import { transitionOrderIn } from "./transition_order.ts";
import { withdrawAssignment } from "./withdraw_assignment.ts";

/** Lets a scheduled order be dispatched, and starts its deadlines. */
export async function releaseOrder(tx: Tx, orderId: string): Promise<void> {
  const order = await lockOrder(tx, orderId);
  if (order === undefined || order.hold !== "scheduled" || isTerminal(order.status)) return;
  const change = new OrderChange(tx, order, SYSTEM);
  change.release();
  await change.save();
  startDeadlines(tx, order, change.version);
}

/** Shows an order that its merchant has not answered to a dispatcher. */
export async function raiseUnconfirmed(tx: Tx, orderId: string): Promise<void> {
  const order = await lockOrder(tx, orderId);
  if (order === undefined || !isUnconfirmed(order.kind, order.status)) return;
  if (order.attention !== null) return;
  await raise(tx, order, "unconfirmed");
}

/** Shows an order that nobody carries to a dispatcher. */
export async function raiseUnassigned(tx: Tx, orderId: string, version?: number): Promise<void> {
  const order = await findUncarried(tx, orderId, { kind: "order.attention", version });
  if (order === undefined || order.attention !== null) return;
  await raise(tx, order, "unassigned");
}

/** Ends an order that nobody confirmed or took. */
export async function expireOrder(tx: Tx, orderId: string, version?: number): Promise<void> {
  if (await findUncarried(tx, orderId, { kind: "order.expire", version }) === undefined) return;
  const actor = { role: "system" } as const;
  // Refused where the order has been picked up meanwhile: then there is nothing to expire.
  await transitionOrderIn(tx, { orderId, action: "expire", actor });
}

/**
 * A courier accepted long ago and has not picked up. One who never came loses the order; one who
 * stands at the pickup keeps it, and a dispatcher is told.
 */
export async function checkPickup(tx: Tx, orderId: string, version: number): Promise<void> {
  const order = await lockOrder(tx, orderId);
  if (order === undefined || isTerminal(order.status) || isCarried(order.status)) return;
  if (await hasNewerTimer(tx, { kind: "assignment.overdue", key: orderId, version })) return;
  const assignment = await findAssignmentProgress(tx, orderId);
  if (assignment === undefined) return;
  if (assignment.arrivedPickupAt !== null) await raise(tx, order, "pickup_overdue");
  else await withdrawAssignment(tx, order, { reason: "pickup_overdue", deed: SYSTEM });
}

/** A courier who carries the order is still not heard: from now on it may be given to another. */
export async function raiseLost(tx: Tx, orderId: string): Promise<void> {
  const order = await lockOrder(tx, orderId);
  if (order === undefined || !isCarried(order.status)) return;
  // Heard again, or a dispatcher has looked: then the alert is settled.
  if (order.attention !== "courier_silent") return;
  await raise(tx, order, "courier_lost");
}

async function raise(tx: Tx, order: OrderRow, reason: string): Promise<void> {
  const change = new OrderChange(tx, order, SYSTEM);
  change.raiseAttention(reason);
  await change.save();
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
  if (version !== undefined && await hasNewerTimer(tx, { kind, key: orderId, version })) {
    return undefined;
  }
  return await findActiveAssignment(tx, order.id) === undefined ? order : undefined;
}

async function hasNewerTimer(
  tx: Tx,
  { kind, key, version }: { kind: TimerKind; key: string; version: number },
): Promise<boolean> {
  const newer = await tx`
    select 1 from timers where kind = ${kind} and key = ${key} and version > ${version}`;
  return newer.length > 0;
}
