/**
 * A courier comes online, pauses, goes offline, falls silent or is suspended.
 *
 * Contract: all of a courier's orders (assigned or offered) are locked before the courier's own
 * row, in id order. They are looked up before the locks, so they are looked up again under the
 * courier's lock, which nobody can pass: work that came in between starts the transaction anew.
 */
import type { Sql, Tx } from "shared/sql/connect.ts";
import { scheduleTimer } from "shared/timers/schedule.ts";
import { type Deed, SYSTEM } from "./actor.ts";
import { saveCourier, statusForLoad } from "./courier_load.ts";
import { isCarried } from "./lifecycle.ts";
import { findPendingOffer, lockCourier, lockOrders } from "./locks.ts";
import { REASSIGN_AFTER_MS } from "./deadlines.ts";
import { OrderChange } from "./order_change.ts";
import { type Outcome, refuse, succeed } from "./refusal.ts";
import type { CourierRow, OrderRow } from "./rows.ts";
import { withdrawAssignment } from "./withdraw_assignment.ts";

/** A courier is marked silent when nothing was heard of it for this long. */
const SILENT_AFTER_MS = 2 * 60_000;
/** Alerts that end when the courier is back. */
const ENDS_WITH_ABSENCE = ["courier_silent", "courier_lost", "courier_suspended"];

/** New work can slip in only while the courier is available, so a second attempt nearly always wins. */
const MAX_ATTEMPTS = 5;

/** The courier takes orders again. Repeating it changes nothing. */
export async function goOnline(sql: Sql, courierId: string): Promise<Outcome<CourierRow>> {
  return await withLockedWork(sql, courierId, resume);
}

/** The same inside a transaction of the caller. @throws WorkChangedError to be tried again. */
export async function goOnlineIn(tx: Tx, courierId: string): Promise<Outcome<CourierRow>> {
  return await inLockedWork(tx, courierId, resume);
}

async function resume(tx: Tx, { courier, assigned }: LockedWork): Promise<Outcome<CourierRow>> {
  const { activeAssignments, capacity } = courier;
  // Read under the courier's lock: a request that was let in before the suspension comes too late.
  const [account] = await tx<{ suspendedAt: Date | null }[]>`
    select suspended_at from accounts where id = ${courier.id}`;
  if (account !== undefined && account.suspendedAt !== null) return refuse("account.suspended");
  for (const order of assigned) {
    if (order.attention === null || !ENDS_WITH_ABSENCE.includes(order.attention)) continue;
    const change = new OrderChange(tx, order, deedOfCourier(courier));
    change.clearAttention();
    await change.save();
  }
  const status = statusForLoad(activeAssignments, capacity);
  if (courier.status === status) return succeed(courier);
  return succeed(await saveCourier(tx, courier, { status, activeAssignments, reason: "online" }));
}

/** The courier keeps what it has and gets no more offers. */
export async function pauseShift(sql: Sql, courierId: string): Promise<Outcome<CourierRow>> {
  return await withLockedWork(sql, courierId, (tx, work) => pause(tx, work, "paused"));
}

/** The same inside a transaction of the caller. @throws WorkChangedError to be tried again. */
export async function pauseShiftIn(
  tx: Tx,
  courierId: string,
  reason: string,
): Promise<Outcome<CourierRow>> {
  return await inLockedWork(tx, courierId, (inner, work) => pause(inner, work, reason));
}

async function pause(
  tx: Tx,
  { courier, offered }: LockedWork,
  reason: string,
): Promise<Outcome<CourierRow>> {
  if (courier.status === "paused") return succeed(courier);
  if (courier.status === "offline") {
    return refuse("courier.off_shift", "Cannot pause: the courier is offline");
  }
  for (const order of offered) {
    await withdrawOffer(tx, order, { courierId: courier.id, reason: "courier_paused" });
  }
  const { activeAssignments } = courier;
  return succeed(await saveCourier(tx, courier, { status: "paused", activeAssignments, reason }));
}

/**
 * The courier leaves. What it has not picked up yet is dispatched again at once; while it carries
 * an order it cannot leave.
 */
export async function goOffline(sql: Sql, courierId: string): Promise<Outcome<CourierRow>> {
  return await withLockedWork(sql, courierId, async (tx, work) => {
    const carried = work.assigned.filter((order) => isCarried(order.status));
    if (carried.length > 0) {
      return refuse(
        "courier.carrying",
        `Cannot go offline: orders carried must be 0: current value is ${carried.length}`,
        { orderIds: carried.map((order) => order.id) },
      );
    }
    if (work.courier.status === "offline") return succeed(work.courier);
    return await leave(tx, work, { reason: "courier_offline", deed: deedOfCourier(work.courier) });
  });
}

/**
 * The planned shift is over: offline when the courier has nothing left to do, else paused, so that
 * it finishes what it has. @throws WorkChangedError to be tried again.
 */
export async function endShiftIn(tx: Tx, courierId: string): Promise<void> {
  await inLockedWork(tx, courierId, async (inner, work) => {
    if (work.courier.status === "offline") return succeed(work.courier);
    if (work.assigned.length > 0) return await pause(inner, work, "shift_ended");
    return await leave(inner, work, { reason: "courier_offline", deed: SYSTEM });
  });
}

/**
 * Keeper found that nothing was heard of the courier for too long. Orders not picked up are
 * dispatched again; what the courier carries stays with it, and a dispatcher is told.
 *
 * @returns whether this call changed anything; false when the courier was offline already.
 */
export async function markSilent(sql: Sql, courierId: string): Promise<boolean> {
  const outcome = await withLockedWork(sql, courierId, async (tx, work) => {
    if (work.courier.status === "offline") return refuse("courier.off_shift");
    for (const order of work.assigned.filter((candidate) => isCarried(candidate.status))) {
      const change = new OrderChange(tx, order, SYSTEM);
      change.raiseAttention("courier_silent");
      await change.save();
      scheduleTimer(tx, {
        kind: "courier.lost",
        key: order.id,
        version: change.version,
        delayMs: REASSIGN_AFTER_MS - SILENT_AFTER_MS,
      });
    }
    return await leave(tx, work, { reason: "courier_silent", deed: SYSTEM });
  });
  return outcome.ok;
}

/**
 * The courier's account was suspended in this transaction: it leaves at once. Orders not picked up
 * are dispatched again as after any other lost courier; what it carries stays with it until a
 * dispatcher, who is told, gives it to another.
 *
 * @throws WorkChangedError to be tried again; `retryOnNewWork` does.
 */
export async function suspendCourierIn(tx: Tx, courierId: string, deed: Deed): Promise<void> {
  await inLockedWork(tx, courierId, async (inner, work) => {
    for (const order of work.assigned.filter((candidate) => isCarried(candidate.status))) {
      const change = new OrderChange(inner, order, deed);
      change.raiseAttention("courier_suspended");
      await change.save();
    }
    if (work.courier.status === "offline") return succeed(work.courier);
    return await leave(inner, work, { reason: "courier_suspended", deed });
  });
}

/** Runs a transaction that uses one of the above, anew while new work comes in between. */
export async function retryOnNewWork<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof WorkChangedError) || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

interface LockedWork {
  readonly courier: CourierRow;
  /** Orders with an active assignment of the courier, locked. */
  readonly assigned: readonly OrderRow[];
  /** Orders with a pending offer to the courier, locked. */
  readonly offered: readonly OrderRow[];
}

/** Work came in between look-up and lock; the transaction must begin anew. */
class WorkChangedError extends Error {
  override readonly name = "WorkChangedError";
}

async function withLockedWork<T>(
  sql: Sql,
  courierId: string,
  decide: (tx: Tx, work: LockedWork) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  return await retryOnNewWork(() => sql.begin((tx) => inLockedWork(tx, courierId, decide)));
}

async function inLockedWork<T>(
  tx: Tx,
  courierId: string,
  decide: (tx: Tx, work: LockedWork) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const work = await lockWork(tx, courierId);
  return work === undefined ? refuse("courier.not_found") : await decide(tx, work);
}

async function lockWork(tx: Tx, courierId: string): Promise<LockedWork | undefined> {
  const before = await findWork(tx, courierId);
  const orders = await lockOrders(tx, [...before.keys()]);
  const courier = await lockCourier(tx, courierId);
  if (courier === undefined) return undefined;
  const after = await findWork(tx, courierId);
  for (const orderId of after.keys()) {
    if (!before.has(orderId)) throw new WorkChangedError(`courier ${courierId} got new work`);
  }
  return {
    courier,
    assigned: orders.filter((order) => after.get(order.id) === "assigned"),
    offered: orders.filter((order) => after.get(order.id) === "offered"),
  };
}

async function findWork(tx: Tx, courierId: string): Promise<Map<string, "assigned" | "offered">> {
  const rows = await tx<{ orderId: string; work: "assigned" | "offered" }[]>`
    select order_id, 'assigned' as work from assignments
    where courier_id = ${courierId} and ended_at is null
    union all
    select order_id, 'offered' from offers where courier_id = ${courierId} and status = 'pending'`;
  return new Map(rows.map((row) => [row.orderId, row.work]));
}

interface Leaving {
  readonly reason: "courier_offline" | "courier_silent" | "courier_suspended";
  readonly deed: Deed;
}

async function leave(
  tx: Tx,
  work: LockedWork,
  { reason, deed }: Leaving,
): Promise<Outcome<CourierRow>> {
  const courierId = work.courier.id;
  for (const order of work.offered) await withdrawOffer(tx, order, { courierId, reason });
  for (const order of work.assigned) {
    if (!isCarried(order.status)) await withdrawAssignment(tx, order, { reason, deed });
  }
  // Read again: every withdrawn assignment changed the courier's load and version.
  const courier = await lockCourier(tx, courierId);
  if (courier === undefined) return refuse("courier.not_found");
  const { activeAssignments } = courier;
  return succeed(await saveCourier(tx, courier, { status: "offline", activeAssignments, reason }));
}

async function withdrawOffer(
  tx: Tx,
  order: OrderRow,
  { courierId, reason }: { courierId: string; reason: string },
): Promise<void> {
  const offer = await findPendingOffer(tx, order.id);
  if (offer?.courierId !== courierId) return;
  const change = new OrderChange(tx, order, SYSTEM);
  await change.closePendingOffer("withdrawn", reason);
  await change.save();
}

function deedOfCourier(courier: CourierRow): Deed {
  return { role: "courier", accountId: courier.id };
}
