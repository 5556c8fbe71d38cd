/** Cancellation fees, cash, tips, ratings and what couriers earn by them. */
import assert from "node:assert/strict";
import { raiseTip, rateOrder } from "shared/orders/after_delivery.ts";
import { arriveAt } from "shared/orders/arrive.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import {
  assignedCourier,
  carryingCourier,
  createDispatchWorld,
  type DispatchWorld,
  newOrder,
  step,
} from "../harness/dispatch_world.ts";
import { insertAccount } from "../harness/fixtures.ts";
import { everything, orderFacts } from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

/** What `insertOrder` of the fixtures takes for the delivery, and the courier's 80 % of it. */
const DELIVERY_MINOR = 364;
const SHARE_MINOR = 291;

let stores: TestStores;
let world: DispatchWorld;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
});
Deno.test.afterAll(() => stores.close());

async function ledger(orderId: string): Promise<string[]> {
  const rows = await stores.sql<{ kind: string; amountMinor: number; currency: string }[]>`
    select kind, amount_minor, currency from courier_earnings where order_id = ${orderId}
    order by order_version, kind`;
  return rows.map(({ kind, amountMinor, currency }) => `${kind} ${amountMinor} ${currency}`);
}

async function delivered(tipMinor = 0): Promise<{ orderId: string; courierId: string }> {
  const { orderId, courierId } = await carryingCourier(world);
  await stores.sql`update orders set tip_minor = ${tipMinor} where id = ${orderId}`;
  await step(world, orderId, courierId, "depart");
  await step(world, orderId, courierId, "deliver");
  return { orderId, courierId };
}

async function cancel(orderId: string, role: "customer" | "dispatcher" = "customer") {
  const accountId = role === "customer"
    ? world.customerId
    : await insertAccount(stores.sql, "dispatcher");
  const outcome = await transitionOrder(stores.sql, {
    orderId,
    action: "cancel",
    actor: { role, accountId },
    cancelCode: "too_slow",
    reason: "hungry",
  });
  assert.ok(outcome.ok);
  const [row] = await stores.sql<{ cancellation: Record<string, unknown> }[]>`
    select cancellation from orders where id = ${orderId}`;
  return row?.cancellation;
}

Deno.test("cancelling is free until a courier has accepted", async () => {
  const orderId = await newOrder(world, { kind: "parcel" });
  assert.deepEqual(await cancel(orderId), {
    by: "customer",
    code: "too_slow",
    reason: "hungry",
    feeMinor: 0,
    parts: [],
  });
  assert.deepEqual(await ledger(orderId), []);
});

Deno.test("cancelling costs a fee once a courier has accepted, more once it has come, and the courier gets its share", async () => {
  const { sql } = stores;
  const accepted = await assignedCourier(world, { kind: "parcel" });
  const first = await cancel(accepted.orderId);
  assert.deepEqual(first?.["parts"], [{ code: "courier_assigned", amountMinor: 150 }]);
  assert.deepEqual(await ledger(accepted.orderId), ["cancellation 120 SEK"]);
  const { orderId, courierId } = await assignedCourier(world, { kind: "parcel" });
  assert.ok((await arriveAt(sql, { orderId, courierId, stop: "pickup" })).ok);
  const second = await cancel(orderId);
  assert.deepEqual(second?.["parts"], [{ code: "courier_arrived", amountMinor: 299 }]);
  assert.equal(second?.["feeMinor"], 299);
  assert.deepEqual(await ledger(orderId), ["cancellation 239 SEK"]);
});

Deno.test("the region's policy says what a cancellation costs, and what others cancel costs nothing", async () => {
  const { sql } = stores;
  const { orderId } = await assignedCourier(world, { kind: "parcel" });
  assert.equal((await cancel(orderId, "dispatcher"))?.["feeMinor"], 0);
  await sql`update regions set policy = jsonb_set(policy, '{settlement}',
    '{"courierSharePercent": 50, "cancellation": {"acceptedMinor": 1001, "arrivedMinor": 0}}')`;
  const other = await assignedCourier(world, { kind: "parcel" });
  assert.equal((await cancel(other.orderId))?.["feeMinor"], 1001);
  assert.deepEqual(await ledger(other.orderId), ["cancellation 501 SEK"]);
  await sql`update regions set policy = policy - 'settlement'`;
});

Deno.test("a delivery books the courier's share of the fee and the whole tip, once", async () => {
  const { orderId, courierId } = await delivered(700);
  assert.deepEqual(await ledger(orderId), [`delivery ${SHARE_MINOR} SEK`, "tip 700 SEK"]);
  assert.equal(SHARE_MINOR, Math.round(DELIVERY_MINOR * 0.8));
  const again = await transitionOrder(stores.sql, {
    orderId,
    action: "deliver",
    actor: { role: "courier", accountId: courierId },
  });
  assert.equal(again.ok, false);
  assert.equal((await ledger(orderId)).length, 2);
});

Deno.test("cash on delivery must be accounted for, and what was collected is kept", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await carryingCourier(world);
  await sql`update orders set cash_minor = 19900 where id = ${orderId}`;
  await step(world, orderId, courierId, "depart");
  const deliver = (cashCollectedMinor?: number) =>
    transitionOrder(sql, {
      orderId,
      action: "deliver",
      actor: { role: "courier", accountId: courierId },
      cashCollectedMinor,
    });
  const before = await everything(sql);
  const refused = await deliver();
  assert.deepEqual(refused.ok ? "" : [refused.code, refused.members], [
    "order.cash_required",
    { cashMinor: 19900, currency: "SEK" },
  ]);
  assert.deepEqual(await everything(sql), before);
  assert.ok((await deliver(19500)).ok);
  const [row] = await sql`select cash_collected_minor from orders where id = ${orderId}`;
  assert.equal(row?.["cashCollectedMinor"], 19500);
  const paid = await carryingCourier(world);
  await step(world, paid.orderId, paid.courierId, "depart");
  const strange = await transitionOrder(sql, {
    orderId: paid.orderId,
    action: "deliver",
    actor: { role: "courier", accountId: paid.courierId },
    cashCollectedMinor: 1,
  });
  assert.equal(strange.ok ? "" : strange.code, "order.cash_required");
});

Deno.test("a tip may be raised until a week after the delivery; what comes late is booked at once", async () => {
  const { sql } = stores;
  const customerId = world.customerId;
  const waiting = await newOrder(world, { kind: "parcel" });
  assert.ok((await raiseTip(sql, { orderId: waiting, customerId, tipMinor: 300 })).ok);
  assert.deepEqual(await ledger(waiting), []);
  const { orderId } = await delivered(200);
  assert.ok((await raiseTip(sql, { orderId, customerId, tipMinor: 1200 })).ok);
  assert.deepEqual((await ledger(orderId)).slice(1), ["tip 200 SEK", "tip 1000 SEK"]);
  const before = await everything(sql);
  assert.ok((await raiseTip(sql, { orderId, customerId, tipMinor: 1200 })).ok);
  for (const [tipMinor, code] of [[1199, "order.tip_refused"]] as const) {
    const outcome = await raiseTip(sql, { orderId, customerId, tipMinor });
    assert.equal(outcome.ok ? "" : outcome.code, code);
  }
  const stranger = await insertAccount(sql, "customer");
  const { accounts: _, ...rest } = before;
  const other = await raiseTip(sql, { orderId, customerId: stranger, tipMinor: 5000 });
  assert.equal(other.ok ? "" : other.code, "order.not_found");
  const { accounts: __, ...after } = await everything(sql);
  assert.deepEqual(after, rest);
  await sql`update orders set state_times = jsonb_set(state_times, '{delivered}',
    to_jsonb((clock_timestamp() - interval '7 days 1 minute')::text)) where id = ${orderId}`;
  const late = await raiseTip(sql, { orderId, customerId, tipMinor: 1300 });
  assert.equal(late.ok ? "" : late.code, "order.tip_refused");
});

Deno.test("twenty equal tips at once are one", async () => {
  const { sql } = stores;
  const { orderId } = await delivered();
  const tip = { orderId, customerId: world.customerId, tipMinor: 500 };
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => raiseTip(sql, tip)));
  assert.ok(outcomes.every(({ ok }) => ok));
  assert.deepEqual((await ledger(orderId)).slice(1), ["tip 500 SEK"]);
});

Deno.test("no tip for an order that ended without a delivery", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world, { kind: "parcel" });
  await cancel(orderId);
  const outcome = await raiseTip(sql, { orderId, customerId: world.customerId, tipMinor: 10 });
  assert.deepEqual(outcome.ok ? "" : [outcome.code, outcome.members?.["state"]], [
    "order.transition_not_allowed",
    "cancelled",
  ]);
});

Deno.test("stars are given once per order and subject, by who placed it, after the delivery", async () => {
  const { sql } = stores;
  const customerId = world.customerId;
  const open = await newOrder(world, { kind: "parcel" });
  const early = await rateOrder(sql, { orderId: open, customerId, subject: "courier", stars: 5 });
  assert.equal(early.ok ? "" : early.code, "order.transition_not_allowed");
  const { orderId, courierId } = await delivered();
  const rate = (subject: "courier" | "merchant", stars: number) =>
    rateOrder(sql, { orderId, customerId, subject, stars, comment: "kind" });
  assert.ok((await rate("courier", 4)).ok);
  const before = await everything(sql);
  assert.ok((await rate("courier", 4)).ok);
  const other = await rate("courier", 1);
  assert.equal(other.ok ? "" : other.code, "rating.exists");
  const parcel = await rate("merchant", 5);
  assert.equal(parcel.ok ? "" : parcel.code, "request.invalid");
  assert.deepEqual(await everything(sql), before);
  const [courier] = await sql`select rating, version from couriers where id = ${courierId}`;
  assert.equal(courier?.["rating"], 4);
  assert.equal((await orderFacts(sql, orderId)).status, "delivered");
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(stores.sql), []);
});
