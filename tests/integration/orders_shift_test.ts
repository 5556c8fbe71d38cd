/** A courier's shift on a real Postgres: what happens to its offers and orders. */
import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import { goOffline, goOnline, markSilent, pauseShift } from "shared/orders/courier_shift.ts";
import { makeOffer } from "shared/orders/offers.ts";
import {
  assign,
  assignedCourier,
  carryingCourier,
  createDispatchWorld,
  type DispatchWorld,
  newOrder,
  offer,
  planOf,
  step,
} from "../harness/dispatch_world.ts";
import { eventually } from "../harness/eventually.ts";
import { insertCourier } from "../harness/fixtures.ts";
import {
  assignmentsOf,
  courierFacts,
  eventsOf,
  everything,
  lockWaiters,
  offersOf,
  orderFacts,
  timersOf,
} from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const ATTENTION_MS = 15 * 60_000;
const EXPIRE_MS = 2 * 60 * 60_000;
const SLACK_MS = 5_000;

let stores: TestStores;
let world: DispatchWorld;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
});
Deno.test.afterAll(() => stores.close());

/** What the shift's calls answer with, in the parts that matter. */
function brief(outcome: Awaited<ReturnType<typeof goOnline>>) {
  if (!outcome.ok) return outcome;
  const { status, version, activeAssignments } = outcome.value;
  return { status, version, activeAssignments };
}

Deno.test("goOnline() makes an offline or paused courier available, and a repeat changes nothing", async () => {
  const { sql } = stores;
  for (const status of ["offline", "paused"] as const) {
    const courierId = await insertCourier(sql, { status });
    const expected = { status: "available", version: 2, activeAssignments: 0 };
    assert.deepEqual(brief(await goOnline(sql, courierId)), expected);
    assert.deepEqual(await courierFacts(sql, courierId), expected);
    assert.deepEqual(await eventsOf(sql, courierId), [{
      type: "courier.availability_changed",
      aggregateVersion: 2,
      eventIndex: 0,
      data: {
        courierId,
        courierVersion: 2,
        status: "available",
        activeAssignments: 0,
        reason: "online",
      },
    }]);
    const before = await everything(sql);
    assert.deepEqual(brief(await goOnline(sql, courierId)), expected);
    assert.deepEqual(await everything(sql), before);
  }
});

Deno.test("goOnline() of a courier who is full stays busy: being online is not being free", async () => {
  const { sql } = stores;
  const { courierId } = await carryingCourier(world);
  const before = await everything(sql);
  assert.deepEqual(brief(await goOnline(sql, courierId)), {
    status: "busy",
    version: 2,
    activeAssignments: 1,
  });
  assert.deepEqual(await everything(sql), before);
  assert.ok((await pauseShift(sql, courierId)).ok);
  assert.deepEqual(brief(await goOnline(sql, courierId)), {
    status: "busy",
    version: 4,
    activeAssignments: 1,
  });
});

Deno.test("pauseShift() withdraws the pending offer, keeps the orders and is idempotent", async () => {
  const { sql } = stores;
  const courierId = await insertCourier(sql, { capacity: 2 });
  const kept = await newOrder(world);
  await assign(world, kept, courierId);
  const asked = await newOrder(world);
  const offerId = await offer(world, asked, courierId);
  const expected = { status: "paused", version: 3, activeAssignments: 1 };
  assert.deepEqual(brief(await pauseShift(sql, courierId)), expected);
  assert.deepEqual(await offersOf(sql, asked), [{
    id: offerId,
    courierId,
    status: "withdrawn",
    attempt: 1,
    reason: "courier_paused",
    isClosed: true,
  }]);
  assert.equal((await assignmentsOf(sql, kept))[0]?.isActive, true);
  const before = await everything(sql);
  assert.deepEqual(brief(await pauseShift(sql, courierId)), expected);
  assert.deepEqual(await everything(sql), before);
});

Deno.test("pauseShift() is refused while offline; nobody is found under an unknown id", async () => {
  const { sql } = stores;
  const courierId = await insertCourier(sql, { status: "offline" });
  const before = await everything(sql);
  assert.deepEqual(await pauseShift(sql, courierId), {
    ok: false,
    code: "courier.off_shift",
    detail: "Cannot pause: the courier is offline",
  });
  for (const change of [goOnline, pauseShift, goOffline]) {
    assert.deepEqual(await change(sql, uuidv7()), { ok: false, code: "courier.not_found" });
  }
  assert.equal(await markSilent(sql, uuidv7()), false);
  assert.deepEqual(await everything(sql), before);
});

Deno.test("goOffline() opens an order that was not picked up again, and starts its deadlines anew", async () => {
  const { sql } = stores;
  const { orderId, courierId, assignmentId } = await assignedCourier(world);
  assert.deepEqual(brief(await goOffline(sql, courierId)), {
    status: "offline",
    version: 4,
    activeAssignments: 0,
  });
  const { status, version } = await orderFacts(sql, orderId);
  assert.deepEqual({ status, version }, { status: "confirmed", version: 4 });
  assert.deepEqual(
    (await assignmentsOf(sql, orderId)).map(({ isActive, endReason }) => ({
      isActive,
      endReason,
    })),
    [{ isActive: false, endReason: "courier_offline" }],
  );
  assert.deepEqual((await eventsOf(sql, orderId)).slice(4), [{
    type: "assignment.ended",
    aggregateVersion: 4,
    eventIndex: 0,
    data: { orderId, orderVersion: 4, assignmentId, courierId, reason: "courier_offline" },
  }]);
  const timers = (await timersOf(sql, orderId)).filter((timer) => timer.version === 4);
  assert.deepEqual(timers.map(({ kind }) => kind), ["order.attention", "order.expire"]);
  assert.ok(Math.abs((timers[0]?.dueInMs ?? 0) - ATTENTION_MS) < SLACK_MS);
  assert.ok(Math.abs((timers[1]?.dueInMs ?? 0) - EXPIRE_MS) < SLACK_MS);
  await assign(world, orderId, await insertCourier(sql));
});

Deno.test("goOffline() withdraws the pending offer and repeats silently", async () => {
  const { sql } = stores;
  const courierId = await insertCourier(sql);
  const orderId = await newOrder(world);
  const offerId = await offer(world, orderId, courierId);
  assert.ok((await goOffline(sql, courierId)).ok);
  assert.deepEqual(
    (await offersOf(sql, orderId)).map(({ id, status, reason }) => ({
      id,
      status,
      reason,
    })),
    [{ id: offerId, status: "withdrawn", reason: "courier_offline" }],
  );
  const before = await everything(sql);
  assert.deepEqual(brief(await goOffline(sql, courierId)), {
    status: "offline",
    version: 2,
    activeAssignments: 0,
  });
  assert.deepEqual(await everything(sql), before);
});

Deno.test("goOffline() is refused while an order is carried, in every such state, and changes nothing", async () => {
  const { sql } = stores;
  const ways = [[], ["depart"], ["fail_attempt"], ["fail_attempt", "start_return"]] as const;
  for (const way of ways) {
    const { orderId, courierId } = await carryingCourier(world);
    for (const action of way) await step(world, orderId, courierId, action);
    const before = await everything(sql);
    assert.deepEqual(await goOffline(sql, courierId), {
      ok: false,
      code: "courier.carrying",
      detail: "Cannot go offline: orders carried must be 0: current value is 1",
      members: { orderIds: [orderId] },
    });
    assert.deepEqual(await everything(sql), before);
  }
});

Deno.test("goOffline() is refused for a courier who carries one order, and leaves the other with it", async () => {
  const { sql } = stores;
  const courierId = await insertCourier(sql, { capacity: 3 });
  const carried = await newOrder(world, { kind: "parcel" });
  await assign(world, carried, courierId);
  await step(world, carried, courierId, "pick_up");
  const waiting = await newOrder(world);
  await assign(world, waiting, courierId);
  await offer(world, await newOrder(world), courierId);
  const before = await everything(sql);
  const outcome = await goOffline(sql, courierId);
  assert.ok(!outcome.ok);
  assert.equal(outcome.code, "courier.carrying");
  assert.deepEqual(await everything(sql), before);
});

Deno.test("markSilent() before the pickup opens the order again, and a repeat says that nothing changed", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await assignedCourier(world);
  assert.equal(await markSilent(sql, courierId), true);
  assert.deepEqual(await courierFacts(sql, courierId), {
    status: "offline",
    version: 4,
    activeAssignments: 0,
  });
  assert.deepEqual((await assignmentsOf(sql, orderId)).map(({ endReason }) => endReason), [
    "courier_silent",
  ]);
  const { status, attention } = await orderFacts(sql, orderId);
  assert.deepEqual({ status, attention }, { status: "confirmed", attention: null });
  const before = await everything(sql);
  assert.equal(await markSilent(sql, courierId), false);
  assert.deepEqual(await everything(sql), before);
});

Deno.test("markSilent() after the pickup leaves the order with the courier and tells a dispatcher", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await carryingCourier(world);
  assert.equal(await markSilent(sql, courierId), true);
  assert.deepEqual(await courierFacts(sql, courierId), {
    status: "offline",
    version: 3,
    activeAssignments: 1,
  });
  const { status, attention, version } = await orderFacts(sql, orderId);
  assert.deepEqual({ status, attention, version }, {
    status: "picked_up",
    attention: "courier_silent",
    version: 5,
  });
  assert.equal((await assignmentsOf(sql, orderId))[0]?.isActive, true);
  assert.deepEqual((await eventsOf(sql, orderId)).at(-1), {
    type: "order.attention_raised",
    aggregateVersion: 5,
    eventIndex: 0,
    data: { orderId, orderVersion: 5, reason: "courier_silent" },
  });
  // It comes back into reach and delivers.
  assert.deepEqual(brief(await goOnline(sql, courierId)), {
    status: "busy",
    version: 4,
    activeAssignments: 1,
  });
  await step(world, orderId, courierId, "depart");
  await step(world, orderId, courierId, "deliver");
  assert.equal((await orderFacts(sql, orderId)).attention, null);
});

Deno.test("markSilent() of a courier with all kinds of work deals with each by its kind", async () => {
  const { sql } = stores;
  const courierId = await insertCourier(sql, { capacity: 3 });
  const carried = await newOrder(world, { kind: "parcel" });
  await assign(world, carried, courierId);
  await step(world, carried, courierId, "pick_up");
  const waiting = await newOrder(world);
  await assign(world, waiting, courierId);
  const asked = await newOrder(world);
  await offer(world, asked, courierId);
  assert.equal(await markSilent(sql, courierId), true);
  const { status, activeAssignments } = await courierFacts(sql, courierId);
  assert.deepEqual({ status, activeAssignments }, { status: "offline", activeAssignments: 1 });
  assert.equal((await assignmentsOf(sql, carried))[0]?.isActive, true);
  assert.equal((await assignmentsOf(sql, waiting))[0]?.isActive, false);
  assert.equal((await offersOf(sql, asked))[0]?.status, "withdrawn");
});

Deno.test("markSilent() twice with one carried order leaves no version without an event", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await carryingCourier(world);
  assert.equal(await markSilent(sql, courierId), true);
  assert.ok((await goOnline(sql, courierId)).ok);
  assert.equal(await markSilent(sql, courierId), true);
  const { version } = await orderFacts(sql, orderId);
  const versions = (await eventsOf(sql, orderId)).map(({ aggregateVersion }) => aggregateVersion);
  assert.deepEqual(
    [...new Set(versions)],
    Array.from({ length: version }, (_, index) => index + 1),
  );
});

Deno.test("goOffline() begins anew when an offer slips in between its look and its lock", async () => {
  const { sql } = stores;
  const courierId = await insertCourier(sql);
  const orderId = await newOrder(world);
  const plan = await planOf(sql, orderId, courierId);
  let both: Promise<[Awaited<ReturnType<typeof makeOffer>>, Awaited<ReturnType<typeof goOffline>>]>;
  // While the courier's row is held, the offer queues for it first and goOffline() behind it.
  await sql.begin(async (tx) => {
    await tx`select 1 from couriers where id = ${courierId} for update`;
    const made = makeOffer(sql, world.lease, plan);
    await eventually("the offer waits", async () => await lockWaiters(sql) === 1);
    both = Promise.all([made, goOffline(sql, courierId)]);
    await eventually("goOffline() waits", async () => await lockWaiters(sql) === 2);
  });
  const [made, left] = await both!;
  assert.ok(made.ok && left.ok);
  assert.deepEqual(
    (await offersOf(sql, orderId)).map(({ id, status, reason }) => ({
      id,
      status,
      reason,
    })),
    [{ id: made.offerId, status: "withdrawn", reason: "courier_offline" }],
  );
  assert.equal((await courierFacts(sql, courierId)).status, "offline");
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(stores.sql), []);
});
