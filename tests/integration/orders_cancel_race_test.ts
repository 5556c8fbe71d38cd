/** Cancels against picks: an order is never both, and nobody is left without an answer. */
import assert from "node:assert/strict";
import type { Actor } from "shared/orders/actor.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import {
  assignedCourier,
  createDispatchWorld,
  type DispatchWorld,
} from "../harness/dispatch_world.ts";
import { courierFacts, orderFacts } from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const ORDERS = 100;

let stores: TestStores;
let world: DispatchWorld;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
});
Deno.test.afterAll(() => stores.close());

Deno.test("100 concurrent cancels against picks: each order is cancelled or picked up, never both, and the loser learns the state", async () => {
  const { sql } = stores;
  const customer: Actor = { role: "customer", accountId: world.customerId };
  const orders = [];
  for (let index = 0; index < ORDERS; index++) {
    orders.push(await assignedCourier(world, { kind: "parcel" }));
  }
  const races = await Promise.all(orders.map(async ({ orderId, courierId }, index) => {
    const courier: Actor = { role: "courier", accountId: courierId };
    const cancel = () => transitionOrder(sql, { orderId, action: "cancel", actor: customer });
    const pick = () => transitionOrder(sql, { orderId, action: "pick_up", actor: courier });
    // Both orders of the start, so that both orders of the end are met.
    const [first, second] = index % 2 === 0 ? [cancel, pick] : [pick, cancel];
    const outcomes = await Promise.all([first(), second()]);
    return index % 2 === 0 ? outcomes : outcomes.reverse();
  }));
  const ends = { cancelled: 0, picked_up: 0 };
  for (const [index, [cancelled, picked]] of races.entries()) {
    const { orderId, courierId } = orders[index] ?? { orderId: "", courierId: "" };
    assert.ok(cancelled !== undefined && picked !== undefined);
    assert.notEqual(cancelled.ok, picked.ok, orderId);
    const { status } = await orderFacts(sql, orderId);
    assert.equal(status, cancelled.ok ? "cancelled" : "picked_up");
    ends[cancelled.ok ? "cancelled" : "picked_up"]++;
    const loser = cancelled.ok ? picked : cancelled;
    assert.ok(!loser.ok);
    assert.equal(loser.code, "order.transition_not_allowed");
    assert.equal(loser.members?.["state"], status);
    const { activeAssignments } = await courierFacts(sql, courierId);
    assert.equal(activeAssignments, cancelled.ok ? 0 : 1);
  }
  assert.ok(ends.cancelled > 0 && ends.picked_up > 0, JSON.stringify(ends));
  assert.deepEqual(await brokenRules(sql), []);
});
