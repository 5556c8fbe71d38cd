/**
 * The robot courier: it walks an order of test mode through every state, as merchant and courier.
 *
 * Contract: one step is one timer and one transaction, and the step schedules the next one with
 * itself. So the walk survives restarts, no step happens twice, and a test order that is cancelled
 * meanwhile just stops. Steps take real seconds, whatever the demo's speed.
 */
import { uuidv7 } from "shared/ids/uuid.ts";
import type { Tx } from "shared/sql/connect.ts";
import { scheduleTimer, type Timer } from "shared/timers/schedule.ts";
import type { Actor, Deed } from "./actor.ts";
import { createAssignment } from "./create_assignment.ts";
import { makeDirectOffer } from "./direct_offer.ts";
import { isDispatchable, isTerminal, type OrderAction, type OrderState } from "./lifecycle.ts";
import { findActiveAssignment, lockCourier, lockOrder } from "./locks.ts";
import { OrderChange } from "./order_change.ts";
import type { CourierRow, OrderRow } from "./rows.ts";
import { transitionOrderIn } from "./transition_order.ts";

/** Between two steps. */
export const ROBOT_STEP_MS = 2_000;
/** Orders the robot of a region carries at once; more wait for their turn. */
const ROBOT_CAPACITY = 10_000;

const ROBOT: Actor = { role: "robot" };
const DEED: Deed = { role: "robot" };

/** What the robot does next with an order that is assigned to it. */
const NEXT: Record<OrderState, OrderAction | "done"> = {
  placed: "pick_up",
  confirmed: "prepare",
  preparing: "make_ready",
  ready_for_pickup: "pick_up",
  picked_up: "depart",
  in_transit: "deliver",
  failed_attempt: "start_return",
  returning: "complete_return",
  delivered: "done",
  returned: "done",
  cancelled: "done",
  failed: "done",
  expired: "done",
};

/** A step of the walk; the first is scheduled by the transaction that places a test order. */
export function robotTimer(orderId: string, step: number, delayMs: number): Timer {
  return { kind: "robot.step", key: orderId, version: step, delayMs };
}

/** One step of the walk; the last one schedules no other. */
export async function stepRobot(tx: Tx, orderId: string, step: number): Promise<void> {
  const order = await lockOrder(tx, orderId);
  if (order === undefined || order.mode !== "test" || isTerminal(order.status)) return;
  if (order.hold !== null) await release(tx, order);
  else if (order.kind === "marketplace" && order.status === "placed") {
    await act(tx, order, "confirm");
  } else if (
    isDispatchable(order.kind, order.status) &&
    await findActiveAssignment(tx, orderId) === undefined
  ) {
    await take(tx, order);
  } else {
    const action = NEXT[order.status];
    if (action !== "done") await act(tx, order, action);
  }
  scheduleTimer(tx, robotTimer(orderId, step + 1, ROBOT_STEP_MS));
}

async function release(tx: Tx, order: OrderRow): Promise<void> {
  const change = new OrderChange(tx, order, DEED);
  change.release();
  await change.save();
}

async function act(tx: Tx, order: OrderRow, action: OrderAction): Promise<void> {
  const outcome = await transitionOrderIn(tx, {
    orderId: order.id,
    action,
    actor: ROBOT,
    ...(action === "deliver" && order.cashMinor > 0 ? { cashCollectedMinor: order.cashMinor } : {}),
  });
  if (!outcome.ok) throw new Error(`robot cannot ${action}: ${outcome.detail ?? outcome.code}`);
}

async function take(tx: Tx, order: OrderRow): Promise<void> {
  const courier = await lockRobot(tx, order);
  // No room: the next step tries again.
  if (courier.activeAssignments >= courier.capacity) return;
  const change = new OrderChange(tx, order, DEED);
  const offerId = await makeDirectOffer(tx, change, { order, courier, madeBy: "robot" });
  await createAssignment(tx, change, { offerId, order, courier });
  await change.save();
}

/** The region's robot, locked; made when it is first needed. */
async function lockRobot(tx: Tx, { region, shard }: OrderRow): Promise<CourierRow> {
  const id = await findRobot(tx, region) ?? await makeRobot(tx, region, shard);
  const courier = await lockCourier(tx, id);
  if (courier === undefined) throw new Error(`region ${region} has no robot`);
  return courier;
}

async function findRobot(tx: Tx, region: string): Promise<string | undefined> {
  const [robot] = await tx<{ id: string }[]>`
    select id from couriers where region = ${region} and robot`;
  return robot?.id;
}

async function makeRobot(tx: Tx, region: string, shard: number): Promise<string> {
  // Two orders may be the first at once; the second finds the work done.
  await tx`select pg_advisory_xact_lock(hashtextextended(${`robot:${region}`}, 0))`;
  const present = await findRobot(tx, region);
  if (present !== undefined) return present;
  const id = uuidv7();
  // An address nobody can register before, and a hash no password has.
  await tx`
    insert into accounts (id, role, name, email, password_hash)
    values (${id}, 'courier', 'Robot courier', ${`robot-${id}@hexmile.invalid`}, 'none')`;
  await tx`
    insert into couriers (id, region, shard, vehicle, capacity, robot)
    values (${id}, ${region}, ${shard}, 'car', ${ROBOT_CAPACITY}, true)`;
  return id;
}
