import type { Sql, Tx } from "shared/sql/connect.ts";
import { isDispatchable, isTerminal, type OrderAction } from "./lifecycle.ts";
import { findActiveAssignment, lockOrder } from "./locks.ts";
import { OrderChange } from "./order_change.ts";
import { type Outcome, type Refusal, refuse, succeed } from "./refusal.ts";
import type { OrderRow } from "./rows.ts";

/** Who moves the order, as far as the rules need to know. */
export type Actor =
  | { readonly role: "customer"; readonly accountId: string }
  /** `merchantIds` are the merchants of the account. */
  | {
    readonly role: "merchant";
    readonly accountId: string;
    readonly merchantIds: readonly string[];
  }
  | { readonly role: "courier"; readonly accountId: string }
  | { readonly role: "dispatcher"; readonly accountId: string }
  | { readonly role: "system" };

/** Which role may ask for which action; the order's state decides the rest. */
const MAY: Record<OrderAction, readonly Actor["role"][]> = {
  confirm: ["merchant", "dispatcher"],
  prepare: ["merchant", "dispatcher"],
  make_ready: ["merchant", "dispatcher"],
  pick_up: ["courier"],
  depart: ["courier"],
  deliver: ["courier"],
  fail_attempt: ["courier", "dispatcher"],
  start_return: ["courier", "dispatcher"],
  complete_return: ["courier", "dispatcher"],
  cancel: ["customer", "merchant", "dispatcher"],
  fail: ["dispatcher"],
  expire: ["system"],
};

/**
 * A customer may cancel until the kitchen starts: from then on food is wasted, so the merchant or
 * a dispatcher decides.
 */
const CUSTOMER_MAY_CANCEL: readonly OrderRow["status"][] = ["placed", "confirmed"];

export interface Transition {
  readonly orderId: string;
  readonly action: OrderAction;
  readonly actor: Actor;
  readonly reason?: string;
}

/**
 * Moves an order by one action in one transaction: state, state time, version, assignment, pending
 * offer and events change together or not at all. Of two racing transitions one wins; the other
 * is refused with the state it met.
 */
export async function transitionOrder(sql: Sql, transition: Transition): Promise<Outcome<void>> {
  return await sql.begin((tx) => transitionOrderIn(tx, transition));
}

/** The same inside a transaction of the caller. */
export async function transitionOrderIn(tx: Tx, transition: Transition): Promise<Outcome<void>> {
  const order = await lockOrder(tx, transition.orderId);
  if (order === undefined || !await isParty(tx, order, transition.actor)) {
    return refuse("order.not_found");
  }
  const refusal = refuseActor(order, transition);
  if (refusal !== undefined) return refusal;
  const change = new OrderChange(tx, order);
  if (!change.apply(transition.action, transition.actor.role)) {
    return notAllowed(order, transition.action);
  }
  await addConsequences(tx, change, order, transition);
  await change.save();
  return succeed(undefined);
}

/** Whether the actor has anything to do with the order; others must not learn that it exists. */
async function isParty(tx: Tx, order: OrderRow, actor: Actor): Promise<boolean> {
  switch (actor.role) {
    case "customer":
      return order.customerId === actor.accountId;
    case "merchant":
      return order.merchantId !== null && actor.merchantIds.includes(order.merchantId);
    case "courier":
      return await isCourierOf(tx, order, actor.accountId);
    case "dispatcher":
    case "system":
      return true;
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

function refuseActor(order: OrderRow, { action, actor }: Transition): Refusal | undefined {
  if (!MAY[action].includes(actor.role)) {
    return refuse(
      "auth.forbidden",
      `Cannot ${words(action)}: role must be ${MAY[action].join(" or ")}`,
    );
  }
  const late = action === "cancel" && actor.role === "customer" &&
    !CUSTOMER_MAY_CANCEL.includes(order.status);
  return late ? notAllowed(order, action) : undefined;
}

function notAllowed(order: OrderRow, action: OrderAction): Refusal {
  return refuse(
    "order.transition_not_allowed",
    `Cannot ${words(action)}: the order is ${order.status}`,
    { state: order.status, version: order.version },
  );
}

function words(action: OrderAction): string {
  return action.replaceAll("_", " ");
}

/** What else becomes true with the new state. */
async function addConsequences(
  tx: Tx,
  change: OrderChange,
  order: OrderRow,
  { action, reason }: Transition,
): Promise<void> {
  const data = { orderId: order.id, orderVersion: change.version };
  if (action === "confirm") change.add({ type: "order.confirmed", data });
  if (action === "cancel") {
    change.add({ type: "order.cancelled", data: { ...data, reason: reason ?? null } });
  }
  if (action === "deliver") {
    const courierId = (await findActiveAssignment(tx, order.id))?.courierId;
    if (courierId === undefined) throw new Error(`order ${order.id} delivered without a courier`);
    change.add({ type: "delivery.completed", data: { ...data, courierId } });
  }
  const wasOpen = isDispatchable(order.kind, order.status);
  if (wasOpen && !isDispatchable(order.kind, change.status)) {
    await change.closePendingOffer("withdrawn", `order_${change.status}`);
  }
  if (isTerminal(change.status)) {
    change.clearAttention();
    await change.endAssignment(change.status);
  }
}
