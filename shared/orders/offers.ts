/**
 * Offers: asking one courier to take one order.
 *
 * Contract: an order has at most one pending offer and one active assignment, a courier at most
 * one pending offer and no more assignments than its capacity. All are checked under the row locks
 * of order and courier, and unique indexes stand behind them. The deadline is exclusive and on the
 * database's clock: at `expires_at` the timer may already have asked somebody else.
 */
import { type Lease, requireFence } from "shared/lease/lease.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import type { Sql, Tx } from "shared/sql/connect.ts";
import { scheduleTimer } from "shared/timers/schedule.ts";
import { SYSTEM } from "./actor.ts";
import { createAssignment } from "./create_assignment.ts";
import { ATTENTION_AFTER_OFFERS } from "./deadlines.ts";
import { isDispatchable } from "./lifecycle.ts";
import { findActiveAssignment, findPendingOffer, lockCourier, lockOrder } from "./locks.ts";
import { OrderChange } from "./order_change.ts";
import { type Outcome, refuse, succeed } from "./refusal.ts";
import type { AssignmentRow, CourierRow, OfferRow, OrderRow } from "./rows.ts";

/** What the matcher decided: ask this courier for this order. */
export interface OfferPlan {
  readonly orderId: string;
  readonly courierId: string;
  /** The courier's version that the decision was based on. */
  readonly courierVersion: number;
  readonly distanceToPickupM: number;
  readonly offerTtlMs: number;
  readonly policy: string;
  readonly policyVersion: number;
  /** Why: candidates, scores, exclusions. Stored as it is. */
  readonly explanation: Readonly<Record<string, unknown>>;
}

/** Why a plan was not carried out: the world had moved on. Nothing was written. */
export type OfferConflict =
  | "order_gone"
  | "order_not_open"
  | "order_taken"
  | "courier_changed"
  | "courier_asked";

/**
 * Makes an offer, with the decision that explains it, in one fenced transaction.
 *
 * @throws FencedError when the matcher no longer owns its region.
 */
export async function makeOffer(
  sql: Sql,
  lease: Lease,
  plan: OfferPlan,
): Promise<{ ok: true; offerId: string } | { ok: false; conflict: OfferConflict }> {
  return await sql.begin(async (tx) => {
    await requireFence(tx, lease);
    const order = await lockOrder(tx, plan.orderId);
    const courier = await lockCourier(tx, plan.courierId);
    const conflict = await findConflict(tx, plan, order, courier);
    if (conflict !== undefined || order === undefined) {
      return { ok: false, conflict: conflict ?? "order_gone" };
    }
    return { ok: true, offerId: await insertOffer(tx, order, plan) };
  });
}

async function findConflict(
  tx: Tx,
  plan: OfferPlan,
  order: OrderRow | undefined,
  courier: CourierRow | undefined,
): Promise<OfferConflict | undefined> {
  if (order === undefined) return "order_gone";
  if (!isDispatchable(order.kind, order.status)) return "order_not_open";
  if (order.hold !== null || order.mode === "test") return "order_not_open";
  if (await findPendingOffer(tx, order.id) !== undefined) return "order_taken";
  if (await findActiveAssignment(tx, order.id) !== undefined) return "order_taken";
  if (courier === undefined || courier.status !== "available") return "courier_changed";
  if (courier.version !== plan.courierVersion) return "courier_changed";
  const asked = await tx`
    select 1 from offers where courier_id = ${courier.id} and status = 'pending'`;
  return asked.length > 0 ? "courier_asked" : undefined;
}

async function insertOffer(tx: Tx, order: OrderRow, plan: OfferPlan): Promise<string> {
  const offerId = uuidv7();
  const change = new OrderChange(tx, order, SYSTEM);
  const attempt = change.countOffer();
  const [row] = await tx<{ expiresAt: Date }[]>`
    insert into offers (id, order_id, courier_id, status, attempt, distance_to_pickup_m, expires_at)
    values (${offerId}, ${order.id}, ${plan.courierId}, 'pending', ${attempt},
      ${plan.distanceToPickupM},
      clock_timestamp() + ${plan.offerTtlMs} * interval '1 millisecond')
    returning expires_at`;
  if (row === undefined) throw new Error("insert into offers returned nothing");
  scheduleTimer(tx, {
    kind: "offer.expire",
    key: offerId,
    version: 1,
    delayMs: plan.offerTtlMs,
  });
  tx.defer(tx`
    insert into decisions (id, region, order_id, courier_id, policy, policy_version, explanation)
    values (${uuidv7()}, ${order.region}, ${order.id}, ${plan.courierId}, ${plan.policy},
      ${plan.policyVersion}, ${tx.json(plan.explanation)})`);
  change.add({
    type: "offer.made",
    data: {
      orderId: order.id,
      orderVersion: change.version,
      offerId,
      courierId: plan.courierId,
      attempt,
      expiresAt: row.expiresAt.toISOString(),
      distanceToPickupM: plan.distanceToPickupM,
    },
  });
  if (attempt >= ATTENTION_AFTER_OFFERS) change.raiseAttention("unassigned");
  await change.save();
  return offerId;
}

interface Question {
  readonly offerId: string;
  readonly courierId: string;
}

/** A courier takes the order. Repeating an accept that succeeded gives the same assignment. */
export async function acceptOffer(sql: Sql, question: Question): Promise<Outcome<AssignmentRow>> {
  return await sql.begin(async (tx) => {
    const locked = await lockOffer(tx, question);
    if (locked === undefined) return refuse("offer.not_found");
    const { offer, order, courier, isLate } = locked;
    if (offer.status === "accepted") return await repeatedAccept(tx, offer);
    const refusal = refuseAccept(offer, order, courier, isLate);
    if (refusal !== undefined) return refusal;
    return succeed(await assign(tx, offer, order, courier));
  });
}

async function repeatedAccept(tx: Tx, offer: OfferRow): Promise<Outcome<AssignmentRow>> {
  const assignment = await findActiveAssignment(tx, offer.orderId);
  if (assignment?.offerId === offer.id) return succeed(assignment);
  return refuse("offer.closed", "Cannot accept: the assignment has ended");
}

function refuseAccept(offer: OfferRow, order: OrderRow, courier: CourierRow, isLate: boolean) {
  if (offer.status === "expired" || (offer.status === "pending" && isLate)) {
    return refuse(
      "offer.expired",
      `Cannot accept: the offer ended at ${offer.expiresAt.toISOString()}`,
    );
  }
  if (offer.status !== "pending") {
    return refuse("offer.closed", `Cannot accept: the offer is ${offer.status}`, {
      state: offer.status,
    });
  }
  if (!isDispatchable(order.kind, order.status)) {
    return refuse("offer.closed", `Cannot accept: the order is ${order.status}`, {
      state: order.status,
    });
  }
  if (courier.status === "offline" || courier.status === "paused") {
    return refuse("courier.off_shift", `Cannot accept: the courier is ${courier.status}`);
  }
  if (courier.activeAssignments >= courier.capacity) {
    return refuse(
      "courier.at_capacity",
      `Cannot accept: active orders must be < ${courier.capacity}: current value is ${courier.activeAssignments}`,
    );
  }
  return undefined;
}

async function assign(
  tx: Tx,
  offer: OfferRow,
  order: OrderRow,
  courier: CourierRow,
): Promise<AssignmentRow> {
  const change = new OrderChange(tx, order, { role: "courier", accountId: courier.id });
  await change.closePendingOffer("accepted", "accepted");
  const assignment = await createAssignment(tx, change, { offerId: offer.id, order, courier });
  await change.save();
  return assignment;
}

/** A courier declines. Declining what is already closed changes nothing. */
export async function rejectOffer(
  sql: Sql,
  question: Question,
  reason: string | null,
): Promise<Outcome<void>> {
  return await sql.begin(async (tx) => {
    const locked = await lockOffer(tx, question);
    if (locked === undefined) return refuse("offer.not_found");
    const { offer, order, courier } = locked;
    if (offer.status === "accepted") {
      return refuse("offer.closed", "Cannot reject: the offer is accepted", { state: "accepted" });
    }
    if (offer.status !== "pending") return succeed(undefined);
    const deed = { role: "courier", accountId: courier.id, reason: reason ?? undefined } as const;
    const change = new OrderChange(tx, order, deed);
    await change.closePendingOffer("rejected", reason ?? "rejected");
    await change.save();
    return succeed(undefined);
  });
}

/** Ends an offer whose deadline has passed; silent when it was answered before. */
export async function expireOffer(tx: Tx, offerId: string): Promise<void> {
  const [found] = await tx<{ orderId: string }[]>`
    select order_id from offers where id = ${offerId} and status = 'pending'`;
  if (found === undefined) return;
  const order = await lockOrder(tx, found.orderId);
  if (order === undefined) return;
  const offer = await findPendingOffer(tx, order.id);
  if (offer?.id !== offerId) return;
  const change = new OrderChange(tx, order, SYSTEM);
  await change.closePendingOffer("expired", "expired");
  await change.save();
}

interface LockedOffer {
  readonly offer: OfferRow;
  readonly order: OrderRow;
  readonly courier: CourierRow;
  /** Whether the deadline has passed on the database's clock. */
  readonly isLate: boolean;
}

/** The courier's own offer with its order and courier locked; others' offers do not exist. */
async function lockOffer(
  tx: Tx,
  { offerId, courierId }: Question,
): Promise<LockedOffer | undefined> {
  const [found] = await tx<{ orderId: string }[]>`
    select order_id from offers where id = ${offerId} and courier_id = ${courierId}`;
  if (found === undefined) return undefined;
  const order = await lockOrder(tx, found.orderId);
  const courier = await lockCourier(tx, courierId);
  // Read again: before the locks somebody else may have answered.
  const [offer] = await tx<(OfferRow & { isLate: boolean })[]>`
    select id, order_id, courier_id, status, attempt, expires_at,
      clock_timestamp() >= expires_at as is_late
    from offers where id = ${offerId}`;
  if (order === undefined || courier === undefined || offer === undefined) return undefined;
  return { offer, order, courier, isLate: offer.isLate };
}
