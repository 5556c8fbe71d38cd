/** The life of an order on a real Postgres: who may move it and what follows. */
import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import type { Actor } from "shared/orders/actor.ts";
import type { OrderAction, OrderState } from "shared/orders/lifecycle.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import {
  assign,
  assignedCourier,
  carryingCourier,
  createDispatchWorld,
  type DispatchWorld,
  newOrder,
  offer,
  step,
} from "../harness/dispatch_world.ts";
import { insertAccount, insertCourier, insertMerchant } from "../harness/fixtures.ts";
import {
  assignmentsOf,
  courierFacts,
  eventLines,
  eventsOf,
  everything,
  offersOf,
  orderFacts,
} from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const CLOCK_SLACK_MS = 2_000;

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

async function move(orderId: string, action: OrderAction, actor: Actor): Promise<void> {
  const outcome = await transitionOrder(stores.sql, { orderId, action, actor });
  assert.ok(outcome.ok, `${action}: ${outcome.ok ? "" : outcome.detail ?? outcome.code}`);
}

/** Asserts that the action is refused like this and that no row of the database changed. */
async function refuses(
  orderId: string,
  action: OrderAction,
  actor: Actor,
  refusal: { code: string; detail?: string; members?: Record<string, unknown> },
): Promise<void> {
  const before = await everything(stores.sql);
  assert.deepEqual(await transitionOrder(stores.sql, { orderId, action, actor }), {
    ok: false,
    ...refusal,
  });
  assert.deepEqual(await everything(stores.sql), before);
}

/** The refusal of an action that the order's state does not allow. */
function notAllowed(action: OrderAction, state: OrderState, version: number) {
  return {
    code: "order.transition_not_allowed",
    detail: `Cannot ${action.replaceAll("_", " ")}: the order is ${state}`,
    members: { state, version },
  };
}

Deno.test("a marketplace order walks from placed to delivered, with every state's time and event", async () => {
  const { sql } = stores;
  const startedMs = Date.now();
  const orderId = await newOrder(world, { status: "placed" });
  await move(orderId, "confirm", merchant);
  const courierId = await insertCourier(sql);
  const { assignmentId } = await assign(world, orderId, courierId);
  const courier: Actor = { role: "courier", accountId: courierId };
  await move(orderId, "prepare", merchant);
  await move(orderId, "make_ready", merchant);
  await move(orderId, "pick_up", courier);
  await move(orderId, "depart", courier);
  await move(orderId, "deliver", courier);

  assert.deepEqual(await eventLines(sql, orderId), [
    "1 order.placed",
    "2 order.status_changed",
    "2 order.confirmed",
    "3 offer.made",
    "4 offer.accepted",
    "4 assignment.created",
    "5 order.status_changed",
    "6 order.status_changed",
    "7 order.status_changed",
    "8 order.status_changed",
    "9 order.status_changed",
    "9 delivery.completed",
    "9 assignment.ended",
  ]);
  const changes = (await eventsOf(sql, orderId))
    .filter(({ type }) => type === "order.status_changed")
    .map(({ data }) => `${data["from"]} > ${data["to"]} by ${data["actor"]}`);
  assert.deepEqual(changes, [
    "placed > confirmed by merchant",
    "confirmed > preparing by merchant",
    "preparing > ready_for_pickup by merchant",
    "ready_for_pickup > picked_up by courier",
    "picked_up > in_transit by courier",
    "in_transit > delivered by courier",
  ]);
  const { status, version, stateTimes } = await orderFacts(sql, orderId);
  assert.deepEqual({ status, version }, { status: "delivered", version: 9 });
  const states = [
    "confirmed",
    "preparing",
    "ready_for_pickup",
    "picked_up",
    "in_transit",
    "delivered",
  ];
  assert.deepEqual(Object.keys(stateTimes).sort(), [...states].sort());
  const times = states.map((state) => Date.parse(stateTimes[state] ?? ""));
  assert.deepEqual(times, [...times].sort((a, b) => a - b));
  for (const time of times) {
    assert.ok(time > startedMs - CLOCK_SLACK_MS && time < Date.now() + CLOCK_SLACK_MS);
  }
  for (const text of Object.values(stateTimes)) assert.equal(new Date(text).toISOString(), text);
  const [assignment] = await assignmentsOf(sql, orderId);
  assert.deepEqual(
    { id: assignment?.id, isActive: assignment?.isActive, endReason: assignment?.endReason },
    { id: assignmentId, isActive: false, endReason: "delivered" },
  );
  assert.deepEqual(await courierFacts(sql, courierId), {
    status: "available",
    version: 3,
    activeAssignments: 0,
  });
});

Deno.test("a parcel walks from placed to delivered without the merchant's states", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await assignedCourier(world, { kind: "parcel" });
  await refuses(orderId, "confirm", dispatcher, notAllowed("confirm", "placed", 3));
  await step(world, orderId, courierId, "pick_up");
  await step(world, orderId, courierId, "depart");
  await step(world, orderId, courierId, "deliver");
  const { status, version, stateTimes } = await orderFacts(sql, orderId);
  assert.deepEqual({ status, version }, { status: "delivered", version: 6 });
  assert.deepEqual(Object.keys(stateTimes).sort(), ["delivered", "in_transit", "picked_up"]);
});

Deno.test("a failed delivery can be tried again, or brought back, and then the courier is free", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await carryingCourier(world);
  await step(world, orderId, courierId, "depart");
  await step(world, orderId, courierId, "fail_attempt");
  await step(world, orderId, courierId, "depart");
  await step(world, orderId, courierId, "fail_attempt");
  await step(world, orderId, courierId, "start_return");
  assert.equal((await courierFacts(sql, courierId)).status, "busy");
  await step(world, orderId, courierId, "complete_return");
  assert.equal((await orderFacts(sql, orderId)).status, "returned");
  const { status, activeAssignments } = await courierFacts(sql, courierId);
  assert.deepEqual({ status, activeAssignments }, { status: "available", activeAssignments: 0 });
  assert.deepEqual((await assignmentsOf(sql, orderId)).map(({ endReason }) => endReason), [
    "returned",
  ]);
});

Deno.test("every state of a carried order can be ended as failed by a dispatcher", async () => {
  const { sql } = stores;
  const ways = [[], ["depart"], ["fail_attempt"], ["fail_attempt", "start_return"]] as const;
  for (const way of ways) {
    const { orderId, courierId } = await carryingCourier(world);
    for (const action of way) await step(world, orderId, courierId, action);
    await move(orderId, "fail", dispatcher);
    assert.equal((await orderFacts(sql, orderId)).status, "failed");
    assert.equal((await courierFacts(sql, courierId)).status, "available");
    assert.deepEqual((await assignmentsOf(sql, orderId)).map(({ endReason }) => endReason), [
      "failed",
    ]);
  }
});

Deno.test("only the roles that may ask for an action are allowed it, and others are told which", async () => {
  const { orderId, courierId } = await assignedCourier(world, { status: "confirmed" });
  const courier: Actor = { role: "courier", accountId: courierId };
  const system: Actor = { role: "system" };
  const may: Record<OrderAction, { roles: string; refused: Actor[] }> = {
    confirm: { roles: "merchant or dispatcher", refused: [customer, courier, system] },
    prepare: { roles: "merchant or dispatcher", refused: [customer, courier, system] },
    make_ready: { roles: "merchant or dispatcher", refused: [customer, courier, system] },
    pick_up: { roles: "courier", refused: [customer, merchant, dispatcher, system] },
    depart: { roles: "courier", refused: [customer, merchant, dispatcher, system] },
    deliver: { roles: "courier", refused: [customer, merchant, dispatcher, system] },
    fail_attempt: { roles: "courier or dispatcher", refused: [customer, merchant, system] },
    start_return: { roles: "courier or dispatcher", refused: [customer, merchant, system] },
    complete_return: { roles: "courier or dispatcher", refused: [customer, merchant, system] },
    cancel: { roles: "customer or merchant or dispatcher", refused: [courier, system] },
    fail: { roles: "dispatcher", refused: [customer, merchant, courier, system] },
    expire: { roles: "dispatcher", refused: [customer, merchant, courier] },
  };
  for (const [action, { roles, refused }] of Object.entries(may)) {
    for (const actor of refused) {
      await refuses(orderId, action as OrderAction, actor, {
        code: "auth.forbidden",
        detail: `Cannot ${action.replaceAll("_", " ")}: role must be ${roles}`,
      });
    }
  }
});

Deno.test("for anybody who is no party of it the order does not exist", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await assignedCourier(world);
  const other = await insertMerchant(sql);
  const strangers: Actor[] = [
    { role: "customer", accountId: await insertAccount(sql, "customer") },
    { role: "merchant", accountId: other.accountId, merchantIds: [other.merchantId] },
    { role: "merchant", accountId: world.merchantAccountId, merchantIds: [] },
    { role: "courier", accountId: await insertCourier(sql) },
    // The customer's account under another role is no party either.
    { role: "courier", accountId: world.customerId },
  ];
  for (const actor of strangers) {
    for (const action of ["cancel", "pick_up", "confirm", "fail"] as const) {
      await refuses(orderId, action, actor, { code: "order.not_found" });
    }
  }
  await refuses(uuidv7(), "cancel", dispatcher, { code: "order.not_found" });
  const parcel = await newOrder(world, { kind: "parcel" });
  await refuses(parcel, "cancel", merchant, { code: "order.not_found" });
  await refuses(parcel, "pick_up", { role: "courier", accountId: courierId }, {
    code: "order.not_found",
  });
});

Deno.test("a courier who repeats a delivery whose answer was lost is told that the order is delivered", async () => {
  const { orderId, courierId } = await carryingCourier(world);
  await step(world, orderId, courierId, "depart");
  await step(world, orderId, courierId, "deliver");
  const actor = { role: "courier", accountId: courierId } as const;
  await refuses(orderId, "deliver", actor, notAllowed("deliver", "delivered", 6));
});

Deno.test("a courier who comes for an order that was just cancelled is told that it is cancelled", async () => {
  const { orderId, courierId } = await assignedCourier(world, { status: "ready_for_pickup" });
  await move(orderId, "cancel", merchant);
  const actor = { role: "courier", accountId: courierId } as const;
  await refuses(orderId, "pick_up", actor, notAllowed("pick_up", "cancelled", 4));
});

Deno.test("a customer may cancel until the kitchen starts; the merchant and a dispatcher until the pickup", async () => {
  const { sql } = stores;
  const cancellable: OrderState[] = ["placed", "confirmed"];
  const states: OrderState[] = [
    "placed",
    "confirmed",
    "preparing",
    "ready_for_pickup",
    "delivered",
    "cancelled",
    "expired",
  ];
  for (const status of states) {
    const orderId = await newOrder(world, { status });
    if (cancellable.includes(status)) {
      await move(orderId, "cancel", customer);
      assert.equal((await orderFacts(sql, orderId)).status, "cancelled");
    } else {
      await refuses(orderId, "cancel", customer, notAllowed("cancel", status, 1));
    }
    const isEnded = ["delivered", "cancelled", "expired"].includes(status);
    for (const actor of [merchant, dispatcher]) {
      const other = await newOrder(world, { status });
      if (isEnded) await refuses(other, "cancel", actor, notAllowed("cancel", status, 1));
      else await move(other, "cancel", actor);
    }
  }
  const { orderId } = await carryingCourier(world);
  await refuses(orderId, "cancel", dispatcher, notAllowed("cancel", "picked_up", 4));
});

Deno.test("cancelling keeps the reason, frees the courier and clears the dispatcher's attention", async () => {
  const { sql } = stores;
  const { orderId, courierId, assignmentId } = await assignedCourier(world);
  await sql`update orders set attention = 'courier_silent', attention_at = clock_timestamp()
    where id = ${orderId}`;
  const outcome = await transitionOrder(sql, {
    orderId,
    action: "cancel",
    actor: customer,
    reason: "changed my mind",
  });
  assert.ok(outcome.ok);
  assert.deepEqual((await eventsOf(sql, orderId)).slice(4), [
    {
      type: "order.status_changed",
      aggregateVersion: 4,
      eventIndex: 0,
      data: { orderId, orderVersion: 4, from: "confirmed", to: "cancelled", actor: "customer" },
    },
    {
      type: "order.cancelled",
      aggregateVersion: 4,
      eventIndex: 1,
      data: {
        orderId,
        orderVersion: 4,
        reason: "changed my mind",
        code: "other",
        feeMinor: 150,
        currency: "SEK",
      },
    },
    {
      type: "order.attention_cleared",
      aggregateVersion: 4,
      eventIndex: 2,
      data: { orderId, orderVersion: 4, reason: "courier_silent" },
    },
    {
      type: "assignment.ended",
      aggregateVersion: 4,
      eventIndex: 3,
      data: { orderId, orderVersion: 4, assignmentId, courierId, reason: "cancelled" },
    },
  ]);
  const [row] = await sql`select attention, attention_at from orders where id = ${orderId}`;
  assert.deepEqual({ ...row }, { attention: null, attentionAt: null });
  assert.deepEqual(await courierFacts(sql, courierId), {
    status: "available",
    version: 3,
    activeAssignments: 0,
  });
});

Deno.test("cancelling withdraws the pending offer, and its courier can be asked again at once", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const courierId = await insertCourier(sql);
  const offerId = await offer(world, orderId, courierId);
  await move(orderId, "cancel", merchant);
  assert.deepEqual(await offersOf(sql, orderId), [{
    id: offerId,
    courierId,
    status: "withdrawn",
    attempt: 1,
    reason: "order_cancelled",
    isClosed: true,
  }]);
  assert.deepEqual(await eventLines(sql, orderId), [
    "1 order.placed",
    "2 offer.made",
    "3 order.status_changed",
    "3 order.cancelled",
    "3 offer.withdrawn",
  ]);
  await assign(world, await newOrder(world), courierId);
});

Deno.test("a paused courier stays paused when its last order ends", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await carryingCourier(world);
  await sql`update couriers set status = 'paused' where id = ${courierId}`;
  await step(world, orderId, courierId, "depart");
  await step(world, orderId, courierId, "deliver");
  const { status, activeAssignments } = await courierFacts(sql, courierId);
  assert.deepEqual({ status, activeAssignments }, { status: "paused", activeAssignments: 0 });
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(stores.sql), []);
});
