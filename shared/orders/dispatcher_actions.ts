/**
 * What a dispatcher does with an order that goes wrong.
 *
 * Contract: the order is locked first, then every courier concerned in one statement by id, so two
 * dispatchers who exchange couriers cannot wait for each other for ever. Capacity and version of
 * the named courier are checked under its lock.
 */
import type { Sql, Tx } from "shared/sql/connect.ts";
import type { Deed } from "./actor.ts";
import { createAssignment } from "./create_assignment.ts";
import { REASSIGN_AFTER_MS, startDeadlines } from "./deadlines.ts";
import { makeDirectOffer } from "./direct_offer.ts";
import { isCarried, isDispatchable } from "./lifecycle.ts";
import { findActiveAssignment, lockCouriers, lockOrder } from "./locks.ts";
import { OrderChange } from "./order_change.ts";
import { type Outcome, type Refusal, refuse, succeed } from "./refusal.ts";
import type { AssignmentRow, CourierRow, OrderRow } from "./rows.ts";
import { notAllowed } from "./transition_order.ts";
import { withdrawAssignment } from "./withdraw_assignment.ts";

/** Nothing was heard for this long when a courier is taken offline. */
const SILENT_AFTER_MS = 2 * 60_000;

/** One order and the dispatcher who acts on it. */
export interface DispatcherAction {
  readonly orderId: string;
  readonly dispatcherId: string;
  readonly reason?: string | undefined;
}

function deedOfDispatcher({ dispatcherId, reason }: DispatcherAction): Deed {
  return { role: "dispatcher", accountId: dispatcherId, reason };
}

/** Takes an order that is not picked up from its courier; it is dispatched again. */
export async function unassignOrder(sql: Sql, action: DispatcherAction): Promise<Outcome<void>> {
  return await sql.begin(async (tx) => {
    const order = await lockOrder(tx, action.orderId);
    if (order === undefined) return refuse("order.not_found");
    if (!isDispatchable(order.kind, order.status)) return notAllowed(order, "unassign");
    const deed = deedOfDispatcher(action);
    const ended = await withdrawAssignment(tx, order, { reason: "unassigned", deed });
    return ended ? succeed(undefined) : refuse("courier.not_assigned");
  });
}

/** Lets an order be dispatched that was held back: by its schedule, or after it lost couriers. */
export async function redispatchOrder(sql: Sql, action: DispatcherAction): Promise<Outcome<void>> {
  return await sql.begin(async (tx) => {
    const order = await lockOrder(tx, action.orderId);
    if (order === undefined) return refuse("order.not_found");
    if (order.hold === null) return notAllowed(order, "redispatch");
    const change = new OrderChange(tx, order, deedOfDispatcher(action));
    change.release();
    change.clearAttention();
    await change.save();
    startDeadlines(tx, order, change.version);
    return succeed(undefined);
  });
}

/** Takes an order out of the queue: somebody has looked. Repeating it changes nothing. */
export async function acknowledgeAttention(
  sql: Sql,
  action: DispatcherAction,
): Promise<Outcome<void>> {
  return await sql.begin(async (tx) => {
    const order = await lockOrder(tx, action.orderId);
    if (order === undefined) return refuse("order.not_found");
    const change = new OrderChange(tx, order, deedOfDispatcher(action));
    change.clearAttention();
    await change.save();
    return succeed(undefined);
  });
}

export interface Reassignment extends DispatcherAction {
  readonly courierId: string;
  /** The courier's version the dispatcher saw; any when absent. */
  readonly courierVersion?: number | undefined;
}

/**
 * Gives an order to a named courier: one that waits, one that another courier has not picked up,
 * or one whose courier has been away for ten minutes with the goods or is suspended. Repeating it gives the same
 * assignment.
 */
export async function reassignOrder(
  sql: Sql,
  action: Reassignment,
): Promise<Outcome<AssignmentRow>> {
  return await sql.begin(async (tx) => {
    const order = await lockOrder(tx, action.orderId);
    if (order === undefined) return refuse("order.not_found");
    const present = await findActiveAssignment(tx, order.id);
    if (present?.courierId === action.courierId) return succeed(present);
    const ids = present === undefined ? [] : [present.courierId];
    const couriers = await lockCouriers(tx, [...ids, action.courierId]);
    const courier = couriers.find(({ id }) => id === action.courierId);
    const refusal = await refuseOrder(tx, order, present?.courierId) ??
      await refuseCourier(tx, order, courier, action);
    if (refusal !== undefined) return refusal;
    if (courier === undefined) return refuse("courier.not_found");
    return succeed(await giveTo(tx, order, { courier, deed: deedOfDispatcher(action) }));
  });
}

async function refuseOrder(
  tx: Tx,
  order: OrderRow,
  courierId: string | undefined,
): Promise<Refusal | undefined> {
  if (order.mode === "test") return notAllowed(order, "reassign");
  if (isDispatchable(order.kind, order.status)) return undefined;
  if (!isCarried(order.status) || courierId === undefined) return notAllowed(order, "reassign");
  const [row] = await tx<{ isAway: boolean }[]>`
    select c.status = 'offline' and (a.suspended_at is not null or c.status_changed_at <=
        clock_timestamp() - ${REASSIGN_AFTER_MS - SILENT_AFTER_MS} * interval '1 millisecond')
        as is_away
    from couriers c join accounts a on a.id = c.id where c.id = ${courierId}`;
  if (row?.isAway === true) return undefined;
  const minutes = REASSIGN_AFTER_MS / 60_000;
  return refuse(
    "order.courier_present",
    `Cannot reassign: the courier who carries the order must be away for >= ${minutes} min`,
    { state: order.status, version: order.version },
  );
}

async function refuseCourier(
  tx: Tx,
  order: OrderRow,
  courier: CourierRow | undefined,
  { courierVersion }: Reassignment,
): Promise<Refusal | undefined> {
  if (courier === undefined || courier.region !== order.region) return refuse("courier.not_found");
  if (courierVersion !== undefined && courier.version !== courierVersion) {
    return refuse(
      "courier.changed",
      `Cannot reassign: courierVersion must be ${courier.version}: it is ${courierVersion}`,
      { courierVersion: courier.version },
    );
  }
  if (courier.status === "offline" || courier.status === "paused") {
    return refuse("courier.off_shift", `Cannot reassign: the courier is ${courier.status}`);
  }
  if (courier.activeAssignments >= courier.capacity) {
    return refuse(
      "courier.at_capacity",
      `Cannot reassign: active orders must be < ${courier.capacity}: current value is ${courier.activeAssignments}`,
    );
  }
  return await refuseSkills(tx, order, courier);
}

async function refuseSkills(
  tx: Tx,
  order: OrderRow,
  courier: CourierRow,
): Promise<Refusal | undefined> {
  const [needs] = await tx<{ requiredVehicles: string[]; requiredSkills: string[] }[]>`
    select required_vehicles, required_skills from orders where id = ${order.id}`;
  const vehicles = needs?.requiredVehicles ?? [];
  const missing = (needs?.requiredSkills ?? []).filter((skill) => !courier.skills.includes(skill));
  if (vehicles.length > 0 && !vehicles.includes(courier.vehicle)) {
    return refuse(
      "courier.unsuitable",
      `Cannot reassign: vehicle must be ${vehicles.join(" or ")}: it is ${courier.vehicle}`,
    );
  }
  if (missing.length === 0) return undefined;
  return refuse("courier.unsuitable", `Cannot reassign: skills must include ${missing.join(", ")}`);
}

/** Every assignment has an offer, so this one is made and accepted in one go. */
async function giveTo(
  tx: Tx,
  order: OrderRow,
  { courier, deed }: { courier: CourierRow; deed: Deed },
): Promise<AssignmentRow> {
  const change = new OrderChange(tx, order, deed);
  await change.closePendingOffer("withdrawn", "reassigned");
  await change.endAssignment("reassigned");
  change.release();
  const offerId = await makeDirectOffer(tx, change, { order, courier, madeBy: "dispatcher" });
  const assignment = await createAssignment(tx, change, { offerId, order, courier });
  await change.save();
  return assignment;
}
