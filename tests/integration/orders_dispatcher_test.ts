/** What dispatchers do with orders that go wrong, on a real Postgres. */
import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import { goOffline, markSilent, pauseShift } from "shared/orders/courier_shift.ts";
import {
  acknowledgeAttention,
  reassignOrder,
  redispatchOrder,
  unassignOrder,
} from "shared/orders/dispatcher_actions.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import {
  assignedCourier,
  carryingCourier,
  createDispatchWorld,
  type DispatchWorld,
  newOrder,
  offer,
  step,
} from "../harness/dispatch_world.ts";
import { insertAccount, insertCourier } from "../harness/fixtures.ts";
import {
  assignmentsOf,
  courierFacts,
  eventLines,
  everything,
  offersOf,
  orderFacts,
} from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const ROUNDS = 20;

let stores: TestStores;
let world: DispatchWorld;
let dispatcherId: string;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
  dispatcherId = await insertAccount(stores.sql, "dispatcher");
});
Deno.test.afterAll(() => stores.close());

async function reassign(orderId: string, courierId: string, courierVersion?: number) {
  return await reassignOrder(stores.sql, { orderId, courierId, courierVersion, dispatcherId });
}

/** An order with a courier who went silent with the goods, so many minutes ago. */
async function abandoned(minutes: number) {
  const carried = await carryingCourier(world);
  assert.equal(await markSilent(stores.sql, carried.courierId), true);
  // Silence is noticed after two minutes.
  await stores.sql`
    update couriers set status_changed_at = clock_timestamp() - ${minutes - 2} * interval '1 minute'
    where id = ${carried.courierId}`;
  return carried;
}

Deno.test("reassignOrder() gives a waiting order to the named courier, and a repeat is the same assignment", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const asked = await insertCourier(sql);
  await offer(world, orderId, asked);
  const courierId = await insertCourier(sql);
  const first = await reassign(orderId, courierId);
  assert.ok(first.ok);
  assert.deepEqual((await eventLines(sql, orderId)).slice(2), [
    "3 offer.withdrawn",
    "3 offer.made",
    "3 offer.accepted",
    "3 assignment.created",
  ]);
  assert.deepEqual(
    (await offersOf(sql, orderId)).map(({ status, reason }) => `${status} ${reason}`),
    [
      "withdrawn reassigned",
      "accepted dispatcher",
    ],
  );
  assert.equal((await courierFacts(sql, courierId)).status, "busy");
  const before = await everything(sql);
  assert.deepEqual(await reassign(orderId, courierId), first);
  assert.deepEqual(await everything(sql), before);
});

Deno.test("reassignOrder() takes the order from a courier who has not picked it up", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await assignedCourier(world);
  const other = await insertCourier(sql);
  assert.ok((await reassign(orderId, other)).ok);
  assert.deepEqual(
    (await assignmentsOf(sql, orderId)).map(({ courierId, endReason }) => [courierId, endReason]),
    [[courierId, "reassigned"], [other, null]],
  );
  assert.equal((await courierFacts(sql, courierId)).activeAssignments, 0);
});

Deno.test("reassignOrder() checks the version the dispatcher saw, the room and the shift of the courier", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const code = async (courierId: string, version?: number) => {
    const outcome = await reassign(orderId, courierId, version);
    return outcome.ok ? "ok" : outcome.code;
  };
  const free = await insertCourier(sql);
  assert.equal(await code(free, 7), "courier.changed");
  assert.equal(await code((await assignedCourier(world)).courierId), "courier.at_capacity");
  assert.equal(await code(await insertCourier(sql, { status: "offline" })), "courier.off_shift");
  const paused = await insertCourier(sql);
  assert.ok((await pauseShift(sql, paused)).ok);
  assert.equal(await code(paused), "courier.off_shift");
  assert.equal(await code(uuidv7()), "courier.not_found");
  await sql`update orders set required_skills = '{pharmacy}' where id = ${orderId}`;
  assert.equal(await code(free), "courier.unsuitable");
  await sql`update couriers set skills = '{pharmacy}' where id = ${free}`;
  await sql`update orders set required_vehicles = '{van}' where id = ${orderId}`;
  assert.equal(await code(free), "courier.unsuitable");
  await sql`update couriers set vehicle = 'van' where id = ${free}`;
  assert.equal(await code(free, (await courierFacts(sql, free)).version), "ok");
});

Deno.test("reassignOrder() takes what is carried only from a courier who is away for ten minutes", async () => {
  const { sql } = stores;
  const other = await insertCourier(sql, { capacity: 2 });
  const present = await carryingCourier(world);
  const lately = await abandoned(9);
  for (const { orderId } of [present, lately]) {
    const before = await everything(sql);
    const outcome = await reassign(orderId, other);
    assert.ok(!outcome.ok);
    assert.equal(outcome.code, "order.courier_present");
    assert.deepEqual(await everything(sql), before);
  }
  const { orderId, courierId } = await abandoned(11);
  assert.ok((await reassign(orderId, other)).ok);
  const { status, attention } = await orderFacts(sql, orderId);
  assert.deepEqual({ status, attention }, { status: "picked_up", attention: null });
  assert.equal((await courierFacts(sql, courierId)).activeAssignments, 0);
  await step(world, orderId, other, "depart");
  await step(world, orderId, other, "deliver");
});

Deno.test("two dispatchers who exchange two orders' couriers both get an answer", async () => {
  const { sql } = stores;
  for (let round = 0; round < ROUNDS; round++) {
    const a = await assignedCourier(world, { capacity: 2 });
    const b = await assignedCourier(world, { capacity: 2 });
    const outcomes = await Promise.all([
      reassign(a.orderId, b.courierId),
      reassign(b.orderId, a.courierId),
    ]);
    assert.deepEqual(outcomes.map(({ ok }) => ok), [true, true]);
    for (const { courierId } of [a, b]) {
      assert.equal((await courierFacts(sql, courierId)).activeAssignments, 1);
    }
  }
});

Deno.test("ten dispatchers who give one order to ten couriers leave one assignment", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const couriers = await Promise.all(Array.from({ length: 10 }, () => insertCourier(sql)));
  const outcomes = await Promise.all(couriers.map((courierId) => reassign(orderId, courierId)));
  assert.ok(outcomes.every(({ ok }) => ok), "each was carried out, one after the other");
  assert.equal((await assignmentsOf(sql, orderId)).filter(({ isActive }) => isActive).length, 1);
});

Deno.test("unassignOrder() opens the order again without counting a loss, and is refused once it is carried", async () => {
  const { sql } = stores;
  const { orderId } = await assignedCourier(world);
  assert.ok((await unassignOrder(sql, { orderId, dispatcherId, reason: "wrong side" })).ok);
  const [row] = await sql`select redispatches, hold from orders where id = ${orderId}`;
  assert.deepEqual({ ...row }, { redispatches: 0, hold: null });
  const [deed] = await sql`select actor_role, actor_id, reason from order_history
    where order_id = ${orderId} and type = 'assignment.ended'`;
  assert.deepEqual({ ...deed }, {
    actorRole: "dispatcher",
    actorId: dispatcherId,
    reason: "wrong side",
  });
  const again = await unassignOrder(sql, { orderId, dispatcherId });
  assert.equal(again.ok ? "" : again.code, "courier.not_assigned");
  const carried = await carryingCourier(world);
  const refused = await unassignOrder(sql, { orderId: carried.orderId, dispatcherId });
  assert.equal(refused.ok ? "" : refused.code, "order.transition_not_allowed");
});

Deno.test("redispatchOrder() frees a held order, and acknowledging takes one out of the queue", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  await sql`update orders set hold = 'dispatcher', attention = 'couriers_lost',
    attention_at = clock_timestamp() where id = ${orderId}`;
  assert.ok((await redispatchOrder(sql, { orderId, dispatcherId })).ok);
  assert.deepEqual((await eventLines(sql, orderId)).slice(1), [
    "2 order.released",
    "2 order.attention_cleared",
  ]);
  const again = await redispatchOrder(sql, { orderId, dispatcherId });
  assert.equal(again.ok ? "" : again.code, "order.transition_not_allowed");
  await sql`update orders set attention = 'unassigned', attention_at = clock_timestamp()
    where id = ${orderId}`;
  assert.ok((await acknowledgeAttention(sql, { orderId, dispatcherId })).ok);
  assert.equal((await orderFacts(sql, orderId)).attention, null);
  const before = await everything(sql);
  assert.ok((await acknowledgeAttention(sql, { orderId, dispatcherId })).ok);
  assert.deepEqual(await everything(sql), before);
});

Deno.test("a dispatcher may end an order that nobody takes, and one whose courier is gone", async () => {
  const { sql } = stores;
  const actor = { role: "dispatcher", accountId: dispatcherId } as const;
  const waiting = await newOrder(world);
  const expire = { orderId: waiting, action: "expire", actor, reason: "closed early" } as const;
  assert.ok((await transitionOrder(sql, expire)).ok);
  const { orderId, courierId } = await abandoned(11);
  assert.ok((await transitionOrder(sql, { orderId, action: "fail", actor })).ok);
  assert.equal((await orderFacts(sql, orderId)).status, "failed");
  assert.ok((await goOffline(sql, courierId)).ok);
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(stores.sql), []);
});
