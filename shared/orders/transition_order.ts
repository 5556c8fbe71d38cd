import type { Sql, Tx } from "shared/sql/connect.ts";
import { type Actor, deedOf } from "./actor.ts";
import { type CancelCode, type Cancellation, cancellationFee, mayCancel } from "./cancellation.ts";
import { startSearch } from "./deadlines.ts";
import { courierShareMinor, readSettlement, recordDelivery, recordEarning } from "./earnings.ts";
import { isDispatchable, isTerminal, type OrderAction } from "./lifecycle.ts";
import { findActiveAssignment, findAssignmentProgress, lockOrder } from "./locks.ts";
import { OrderChange } from "./order_change.ts";
import { type Outcome, type Refusal, refuse, succeed } from "./refusal.ts";
import type { OrderRow } from "./rows.ts";
import { type Standing, standingOf } from "./standing.ts";

/** Which standing may ask for which action; the order's state decides the rest. */
const MAY: Record<OrderAction, readonly Standing[]> = {
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
  expire: ["dispatcher", "system"],
};

export interface Transition {
  readonly orderId: string;
  readonly action: OrderAction;
  readonly actor: Actor;
  readonly reason?: string | undefined;
  /** Only with `cancel`. */
  readonly cancelCode?: CancelCode | undefined;
  /** Only with `deliver`: the cash taken at the door. */
  readonly cashCollectedMinor?: number | undefined;
}

/**
 * Moves an order by one action in one transaction: state, state time, version, assignment, pending
 * offer, money, history and events change together or not at all. Of two racing transitions one
 * wins; the other is refused with the state it met.
 */
export async function transitionOrder(sql: Sql, transition: Transition): Promise<Outcome<void>> {
  return await sql.begin((tx) => transitionOrderIn(tx, transition));
}

/** The same inside a transaction of the caller. */
export async function transitionOrderIn(tx: Tx, transition: Transition): Promise<Outcome<void>> {
  const order = await lockOrder(tx, transition.orderId);
  const standing = order === undefined ? undefined : await standingOf(tx, order, transition.actor);
  if (order === undefined || standing === undefined) return refuse("order.not_found");
  const refusal = refuseAction(order, standing, transition);
  if (refusal !== undefined) return refusal;
  const change = new OrderChange(tx, order, deedOf(transition.actor, transition.reason));
  if (!change.apply(transition.action)) return notAllowed(order, transition.action);
  const cash = refuseCash(order, transition);
  if (cash !== undefined) return cash;
  await addConsequences(tx, change, order, { ...transition, standing });
  await change.save();
  if (transition.action === "confirm" && order.mode === "live") {
    startSearch(tx, order.id, change.version);
  }
  return succeed(undefined);
}

function refuseAction(
  order: OrderRow,
  standing: Standing,
  { action }: Transition,
): Refusal | undefined {
  const roles = MAY[action];
  if (standing !== "robot" && !roles.includes(standing)) {
    const named = roles.filter((role) => role !== "system" || roles.length === 1);
    return refuse(
      "auth.forbidden",
      `Cannot ${words(action)}: role must be ${named.join(" or ")}`,
    );
  }
  const late = action === "cancel" && !mayCancel(standing, order.status);
  return late ? notAllowed(order, action) : undefined;
}

/** The refusal of a change that the order's state does not allow; it names the state. */
export function notAllowed(order: OrderRow, action: string): Refusal {
  return refuse(
    "order.transition_not_allowed",
    `Cannot ${words(action)}: the order is ${order.status}`,
    { state: order.status, version: order.version },
  );
}

function words(action: string): string {
  return action.replaceAll("_", " ");
}

/** Cash must be accounted for at the door; where there is none to collect, none can be taken. */
function refuseCash(
  order: OrderRow,
  { action, cashCollectedMinor }: Transition,
): Refusal | undefined {
  if (action !== "deliver") return undefined;
  if (order.cashMinor > 0 && cashCollectedMinor === undefined) {
    return refuse(
      "order.cash_required",
      `Cannot deliver: cashCollectedMinor must say what was collected of ${order.cashMinor}`,
      { cashMinor: order.cashMinor, currency: order.currency },
    );
  }
  if (order.cashMinor > 0 || (cashCollectedMinor ?? 0) === 0) return undefined;
  return refuse(
    "order.cash_required",
    `Cannot deliver: cashCollectedMinor must be 0, the order is not paid in cash: it is ${cashCollectedMinor}`,
    { cashMinor: 0, currency: order.currency },
  );
}

/** What else becomes true with the new state. */
async function addConsequences(
  tx: Tx,
  change: OrderChange,
  order: OrderRow,
  transition: Transition & { readonly standing: Standing },
): Promise<void> {
  const { action } = transition;
  if (action === "confirm") {
    change.add({ type: "order.confirmed", data: change.ids });
    if (order.attention === "unconfirmed") change.clearAttention();
  }
  if (action === "cancel") await cancel(tx, change, order, transition);
  if (action === "deliver") await deliver(tx, change, order, transition);
  const wasOpen = isDispatchable(order.kind, order.status);
  if (wasOpen && !isDispatchable(order.kind, change.status)) {
    await change.closePendingOffer("withdrawn", `order_${change.status}`);
  }
  if (isTerminal(change.status)) {
    change.clearAttention();
    change.dropHold();
    await change.endAssignment(change.status);
  }
}

async function cancel(
  tx: Tx,
  change: OrderChange,
  order: OrderRow,
  { standing, reason, cancelCode }: Transition & { readonly standing: Standing },
): Promise<void> {
  const assignment = await findAssignmentProgress(tx, order.id);
  const policy = await readSettlement(tx, order.region);
  const parts = cancellationFee({
    by: standing,
    hasCourier: assignment !== undefined,
    courierArrived: assignment !== undefined && assignment.arrivedPickupAt !== null,
  }, policy.cancellation);
  const feeMinor = parts.reduce((sum, part) => sum + part.amountMinor, 0);
  const cancellation: Cancellation = {
    by: standing,
    code: cancelCode ?? "other",
    reason: reason ?? null,
    feeMinor,
    parts,
  };
  change.recordCancellation(cancellation);
  change.add({
    type: "order.cancelled",
    data: {
      ...change.ids,
      reason: cancellation.reason,
      code: cancellation.code,
      feeMinor,
      currency: order.currency,
    },
  });
  if (assignment === undefined || feeMinor === 0) return;
  recordEarning(tx, order, {
    courierId: assignment.courierId,
    orderVersion: change.version,
    kind: "cancellation",
    amountMinor: courierShareMinor(feeMinor, policy),
  });
}

async function deliver(
  tx: Tx,
  change: OrderChange,
  order: OrderRow,
  { cashCollectedMinor }: Transition,
): Promise<void> {
  const courierId = (await findActiveAssignment(tx, order.id))?.courierId;
  if (courierId === undefined) throw new Error(`order ${order.id} delivered without a courier`);
  const collected = order.cashMinor === 0 ? undefined : cashCollectedMinor;
  if (collected !== undefined) change.recordCash(collected);
  change.add({
    type: "delivery.completed",
    data: {
      ...change.ids,
      courierId,
      ...(collected === undefined ? {} : { cashCollectedMinor: collected }),
    },
  });
  await recordDelivery(tx, order, { courierId, orderVersion: change.version });
}
