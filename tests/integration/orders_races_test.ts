/**
 * Two changes of one order or courier at the same moment, many times: one of them is what
 * happened, the other is refused, and nothing is half of each.
 */
import assert from "node:assert/strict";
import type { Actor } from "shared/orders/actor.ts";
import { goOffline, markSilent } from "shared/orders/courier_shift.ts";
import { acceptOffer, expireOffer, makeOffer, rejectOffer } from "shared/orders/offers.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
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
import { insertAccount, insertCourier } from "../harness/fixtures.ts";
import {
  assignmentsOf,
  courierFacts,
  eventLines,
  offersOf,
  orderFacts,
} from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const ROUNDS = 25;
/** The race that the older systems lost; as many rounds as its guarantee asks for. */
const PICKUP_ROUNDS = 100;
const MAX_TURNS = 20;

let stores: TestStores;
let world: DispatchWorld;
let customer: Actor;
let merchant: Actor;
let dispatcher: Actor;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
  customer = { role: "customer", accountId: world.customerId };
  merchant = {
    role: "merchant",
    accountId: world.merchantAccountId,
    merchantIds: [world.merchantId],
  };
  dispatcher = { role: "dispatcher", accountId: await insertAccount(stores.sql, "dispatcher") };
});
Deno.test.afterAll(() => stores.close());

/** A courier who is being asked for a confirmed order. */
async function asked(): Promise<{ orderId: string; courierId: string; offerId: string }> {
  const orderId = await newOrder(world);
  const courierId = await insertCourier(stores.sql);
  return { orderId, courierId, offerId: await offer(world, orderId, courierId) };
}

async function cancelOrder(orderId: string) {
  return await transitionOrder(stores.sql, { orderId, action: "cancel", actor: customer });
}

Deno.test("accept and reject of one offer at the same moment: one of them is what happened", async () => {
  const { sql } = stores;
  let acceptsWon = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { orderId, ...question } = await asked();
    const pair = [acceptOffer(sql, question), rejectOffer(sql, question, null)] as const;
    const [accepted, rejected] = await Promise.all(pair);
    assert.notEqual(accepted.ok, rejected.ok, "one is refused");
    if (accepted.ok) acceptsWon++;
    else assert.equal(accepted.code, "offer.closed");
    assert.equal((await assignmentsOf(sql, orderId)).length, accepted.ok ? 1 : 0);
  }
  console.log(`accept was first in ${acceptsWon} of ${ROUNDS} rounds`);
});

Deno.test("accept and expiry of one offer at the same moment: one of them is what happened", async () => {
  const { sql } = stores;
  let acceptsWon = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { orderId, ...question } = await asked();
    const [accepted] = await Promise.all([
      acceptOffer(sql, question),
      sql.begin((tx) => expireOffer(tx, question.offerId)),
    ]);
    if (accepted.ok) acceptsWon++;
    else assert.equal(accepted.code, "offer.expired");
    const [offered] = await offersOf(sql, orderId);
    assert.equal(offered?.status, accepted.ok ? "accepted" : "expired");
    assert.equal((await assignmentsOf(sql, orderId)).length, accepted.ok ? 1 : 0);
  }
  console.log(`accept was first in ${acceptsWon} of ${ROUNDS} rounds`);
});

Deno.test("accept and cancellation at the same moment never leave a cancelled order with a courier", async () => {
  const { sql } = stores;
  let acceptsWon = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { orderId, ...question } = await asked();
    const [accepted, cancelled] = await Promise.all([
      acceptOffer(sql, question),
      cancelOrder(orderId),
    ]);
    assert.ok(cancelled.ok);
    if (accepted.ok) acceptsWon++;
    else assert.equal(accepted.code, "offer.closed");
    assert.equal((await orderFacts(sql, orderId)).status, "cancelled");
    const active = (await assignmentsOf(sql, orderId)).filter(({ isActive }) => isActive);
    assert.deepEqual(active, []);
    const { status, activeAssignments } = await courierFacts(sql, question.courierId);
    assert.deepEqual({ status, activeAssignments }, { status: "available", activeAssignments: 0 });
  }
  console.log(`accept was first in ${acceptsWon} of ${ROUNDS} rounds`);
});

Deno.test("accept and leaving at the same moment never leave an offline courier with the order", async () => {
  const { sql } = stores;
  let acceptsWon = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { orderId, ...question } = await asked();
    const [accepted, left] = await Promise.all([
      acceptOffer(sql, question),
      goOffline(sql, question.courierId),
    ]);
    assert.ok(left.ok);
    if (accepted.ok) acceptsWon++;
    else assert.equal(accepted.code, "offer.closed");
    const { status, activeAssignments } = await courierFacts(sql, question.courierId);
    assert.deepEqual({ status, activeAssignments }, { status: "offline", activeAssignments: 0 });
    assert.equal((await orderFacts(sql, orderId)).status, "confirmed");
  }
  console.log(`accept was first in ${acceptsWon} of ${ROUNDS} rounds`);
});

Deno.test("a courier of capacity 2 who answers and delivers at once never loses count", async () => {
  const { sql } = stores;
  for (let round = 0; round < ROUNDS; round++) {
    const courierId = await insertCourier(sql, { capacity: 2 });
    const carried = await newOrder(world, { kind: "parcel" });
    await assign(world, carried, courierId);
    await step(world, carried, courierId, "pick_up");
    await step(world, carried, courierId, "depart");
    const orderId = await newOrder(world);
    const offerId = await offer(world, orderId, courierId);
    const [accepted] = await Promise.all([
      acceptOffer(sql, { offerId, courierId }),
      step(world, carried, courierId, "deliver"),
    ]);
    assert.ok(accepted.ok);
    const { status, activeAssignments } = await courierFacts(sql, courierId);
    assert.deepEqual({ status, activeAssignments }, { status: "available", activeAssignments: 1 });
  }
});

Deno.test("one order is never assigned twice while many couriers are asked and answer at once", async () => {
  const { sql } = stores;
  const couriers: string[] = [];
  for (let index = 0; index < 8; index++) couriers.push(await insertCourier(sql));
  const orderId = await newOrder(world);
  // Every courier goes on until the order is taken: offer, then accept or reject by turns.
  await Promise.all(couriers.map(async (courierId, index) => {
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      const made = await makeOffer(sql, world.lease, await planOf(sql, orderId, courierId));
      if (!made.ok) {
        if ((await assignmentsOf(sql, orderId)).length > 0) return;
        continue;
      }
      const question = { offerId: made.offerId, courierId };
      if ((turn + index) % 3 === 0) assert.ok((await rejectOffer(sql, question, null)).ok);
      else assert.ok((await acceptOffer(sql, question)).ok);
    }
  }));
  assert.equal((await assignmentsOf(sql, orderId)).length, 1);
  const loads = await Promise.all(couriers.map((id) => courierFacts(sql, id)));
  assert.equal(loads.filter(({ activeAssignments }) => activeAssignments === 1).length, 1);
});

Deno.test("new work that races with goOffline() never leaves an offline courier with work", async () => {
  const { sql } = stores;
  let withWork = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const courierId = await insertCourier(sql, { capacity: 2 });
    const waiting = await newOrder(world);
    await assign(world, waiting, courierId);
    const orderId = await newOrder(world);
    const plan = await planOf(sql, orderId, courierId);
    // Offer and accept at once, so that goOffline() finds none, an offer, or an order.
    const getWork = async () => {
      const made = await makeOffer(sql, world.lease, plan);
      if (!made.ok) return;
      const accepted = await acceptOffer(sql, { offerId: made.offerId, courierId });
      if (accepted.ok) withWork++;
    };
    const [left] = await Promise.all([goOffline(sql, courierId), getWork()]);
    assert.ok(left.ok, "a courier who carries nothing can leave");
    const { status, activeAssignments } = await courierFacts(sql, courierId);
    assert.deepEqual({ status, activeAssignments }, { status: "offline", activeAssignments: 0 });
    for (const id of [waiting, orderId]) {
      assert.equal((await assignmentsOf(sql, id)).some(({ isActive }) => isActive), false);
      assert.equal(
        (await offersOf(sql, id)).some((offered) => offered.status === "pending"),
        false,
      );
      assert.equal((await orderFacts(sql, id)).status, "confirmed");
    }
  }
  console.log(`the new order was accepted before the courier left in ${withWork} rounds`);
});

Deno.test("a pickup that races with goOffline() ends with the courier on shift and the order carried, or neither", async () => {
  const { sql } = stores;
  let pickups = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { orderId, courierId } = await assignedCourier(world, { kind: "parcel" });
    const [pickedUp, left] = await Promise.all([
      step(world, orderId, courierId, "pick_up").then(() => true, () => false),
      goOffline(sql, courierId),
    ]);
    assert.notEqual(pickedUp, left.ok);
    if (pickedUp) pickups++;
    if (!left.ok) assert.equal(left.code, "courier.carrying");
    const { status, activeAssignments } = await courierFacts(sql, courierId);
    assert.deepEqual(
      { status, activeAssignments },
      pickedUp
        ? { status: "busy", activeAssignments: 1 }
        : { status: "offline", activeAssignments: 0 },
    );
    assert.equal((await orderFacts(sql, orderId)).status, pickedUp ? "picked_up" : "placed");
  }
  console.log(`the pickup was first in ${pickups} of ${ROUNDS} rounds`);
});

Deno.test("two couriers who leave while they swap work through the same orders never deadlock", async () => {
  const { sql } = stores;
  for (let round = 0; round < ROUNDS; round++) {
    const couriers = [
      await insertCourier(sql, { capacity: 3 }),
      await insertCourier(sql, { capacity: 3 }),
    ];
    const orders: string[] = [];
    for (let index = 0; index < 4; index++) orders.push(await newOrder(world));
    for (const [index, orderId] of orders.entries()) {
      await assign(world, orderId, couriers[index % 2] ?? "");
    }
    const left = await Promise.all([
      ...couriers.map((courierId) => goOffline(sql, courierId)),
      ...couriers.map((courierId) => markSilent(sql, courierId)),
    ]);
    assert.equal(left.length, 4);
    for (const courierId of couriers) {
      const { status, activeAssignments } = await courierFacts(sql, courierId);
      assert.deepEqual({ status, activeAssignments }, { status: "offline", activeAssignments: 0 });
    }
    for (const orderId of orders) {
      assert.equal((await assignmentsOf(sql, orderId)).length, 1);
      const ended = (await eventLines(sql, orderId)).filter((line) =>
        line.endsWith("assignment.ended")
      );
      assert.equal(ended.length, 1);
    }
  }
});

Deno.test("of a cancellation and a pickup at the same moment exactly one happens, in 100 rounds", async () => {
  const { sql } = stores;
  let pickups = 0;
  for (let round = 0; round < PICKUP_ROUNDS; round++) {
    const { orderId, courierId } = await assignedCourier(world, { status: "ready_for_pickup" });
    const courier: Actor = { role: "courier", accountId: courierId };
    const pickUp = () => transitionOrder(sql, { orderId, action: "pick_up", actor: courier });
    const cancel = () => transitionOrder(sql, { orderId, action: "cancel", actor: merchant });
    // Both orders of the start, so that both orders of the end are met.
    const [pickedUp, cancelled] = round % 2 === 0
      ? await Promise.all([pickUp(), cancel()])
      : (await Promise.all([cancel(), pickUp()])).reverse();
    assert.ok(pickedUp !== undefined && cancelled !== undefined);
    const { status, version } = await orderFacts(sql, orderId);
    assert.equal(version, 4, "one change only");
    const active = (await assignmentsOf(sql, orderId)).filter(({ isActive }) => isActive);
    if (pickedUp.ok) {
      pickups++;
      assert.equal(status, "picked_up");
      assert.deepEqual(cancelled, {
        ok: false,
        code: "order.transition_not_allowed",
        detail: "Cannot cancel: the order is picked_up",
        members: { state: "picked_up", version: 4 },
      });
      assert.equal(active.length, 1);
    } else {
      assert.ok(cancelled.ok);
      assert.equal(status, "cancelled");
      assert.equal(active.length, 0);
      assert.equal((await courierFacts(sql, courierId)).status, "available");
    }
  }
  console.log(`the pickup was first in ${pickups} of ${PICKUP_ROUNDS} rounds`);
  assert.ok(pickups > 0 && pickups < PICKUP_ROUNDS, "both outcomes were met");
});

Deno.test("of two equal transitions at the same moment one happens and the other names the new state", async () => {
  const { sql } = stores;
  for (let round = 0; round < ROUNDS; round++) {
    const orderId = await newOrder(world, { status: "placed" });
    const outcomes = await Promise.all(
      Array.from(
        { length: 5 },
        () => transitionOrder(sql, { orderId, action: "confirm", actor: merchant }),
      ),
    );
    assert.equal(outcomes.filter(({ ok }) => ok).length, 1);
    for (const outcome of outcomes) {
      if (outcome.ok) continue;
      assert.equal(outcome.detail, "Cannot confirm: the order is confirmed");
      assert.deepEqual(outcome.members, { state: "confirmed", version: 2 });
    }
    assert.deepEqual(await eventLines(sql, orderId), [
      "1 order.placed",
      "2 order.status_changed",
      "2 order.confirmed",
    ]);
  }
});

Deno.test("of a delivery and a dispatcher's failure at the same moment exactly one ends the order", async () => {
  const { sql } = stores;
  for (let round = 0; round < ROUNDS; round++) {
    const { orderId, courierId } = await carryingCourier(world);
    await step(world, orderId, courierId, "depart");
    const courier: Actor = { role: "courier", accountId: courierId };
    const [delivered, failed] = await Promise.all([
      transitionOrder(sql, { orderId, action: "deliver", actor: courier }),
      transitionOrder(sql, { orderId, action: "fail", actor: dispatcher }),
    ]);
    assert.notEqual(delivered.ok, failed.ok);
    const { status, stateTimes } = await orderFacts(sql, orderId);
    assert.equal(status, delivered.ok ? "delivered" : "failed");
    assert.equal("delivered" in stateTimes && "failed" in stateTimes, false);
    const { activeAssignments } = await courierFacts(sql, courierId);
    assert.equal(activeAssignments, 0);
  }
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(stores.sql), []);
});
