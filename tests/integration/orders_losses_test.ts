/** Orders that lose their courier, wait too long or are held back, and the timers that notice. */
import assert from "node:assert/strict";
import { goOffline, goOnline, markSilent } from "shared/orders/courier_shift.ts";
import { MAX_REDISPATCHES } from "shared/orders/deadlines.ts";
import { makeOffer } from "shared/orders/offers.ts";
import { arriveAt } from "shared/orders/arrive.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import {
  assign,
  assignedCourier,
  carryingCourier,
  createDispatchWorld,
  type DispatchWorld,
  newOrder,
  planOf,
} from "../harness/dispatch_world.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { fireTimer } from "../harness/keeper_timers.ts";
import {
  assignmentsOf,
  courierFacts,
  eventLines,
  everything,
  orderFacts,
  timersOf,
} from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

let stores: TestStores;
let world: DispatchWorld;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
});
Deno.test.afterAll(() => stores.close());

async function holdOf(orderId: string): Promise<string | null> {
  const [row] = await stores.sql<{ hold: string | null }[]>`
    select hold from orders where id = ${orderId}`;
  return row?.hold ?? null;
}

Deno.test("an order its merchant does not answer reaches the dispatcher after five minutes, and the confirmation settles it", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world, { status: "placed" });
  const timers = await timersOf(sql, orderId);
  assert.deepEqual(timers.map(({ kind }) => kind), ["order.expire", "order.unconfirmed"]);
  assert.ok(Math.abs((timers[1]?.dueInMs ?? 0) - 5 * 60_000) < 5_000);
  await fireTimer(sql, "order.unconfirmed", orderId);
  assert.equal((await orderFacts(sql, orderId)).attention, "unconfirmed");
  const actor = {
    role: "merchant",
    accountId: world.merchantAccountId,
    merchantIds: [world.merchantId],
  } as const;
  assert.ok((await transitionOrder(sql, { orderId, action: "confirm", actor })).ok);
  assert.equal((await orderFacts(sql, orderId)).attention, null);
  // From now on it waits for a courier, with a deadline of its own.
  await fireTimer(sql, "order.attention", orderId);
  assert.equal((await orderFacts(sql, orderId)).attention, "unassigned");
  await fireTimer(sql, "order.expire", orderId);
  assert.equal((await orderFacts(sql, orderId)).status, "expired");
});

Deno.test("the unconfirmed timer is silent once the merchant has answered", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world, { status: "placed" });
  await sql`update orders set status = 'confirmed' where id = ${orderId}`;
  await sql`update timers set due_at = clock_timestamp() + interval '1 hour'
    where kind = 'order.expire'`;
  await fireTimer(sql, "order.unconfirmed", orderId);
  assert.equal((await orderFacts(sql, orderId)).attention, null);
});

Deno.test("an order is dispatched again after each of three lost couriers, and then waits for a dispatcher", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  for (let loss = 1; loss <= MAX_REDISPATCHES; loss++) {
    const courierId = await insertCourier(sql);
    await assign(world, orderId, courierId);
    if (loss % 2 === 0) assert.ok((await goOffline(sql, courierId)).ok);
    else assert.equal(await markSilent(sql, courierId), true);
    assert.deepEqual([await holdOf(orderId), (await orderFacts(sql, orderId)).attention], [
      null,
      null,
    ]);
  }
  const last = await insertCourier(sql);
  await assign(world, orderId, last);
  assert.equal(await markSilent(sql, last), true);
  assert.equal(await holdOf(orderId), "dispatcher");
  assert.equal((await orderFacts(sql, orderId)).attention, "couriers_lost");
  const next = await insertCourier(sql);
  const refused = await makeOffer(sql, world.lease, await planOf(sql, orderId, next));
  assert.deepEqual(refused, { ok: false, conflict: "order_not_open" });
});

Deno.test("a courier who accepted and never came loses the order; one who waits at the pickup keeps it", async () => {
  const { sql } = stores;
  const gone = await assignedCourier(world);
  const timer = (await timersOf(sql, gone.orderId)).find(({ kind }) =>
    kind === "assignment.overdue"
  );
  assert.ok(Math.abs((timer?.dueInMs ?? 0) - 50 * 60_000) < 5_000);
  await fireTimer(sql, "assignment.overdue", gone.orderId);
  assert.deepEqual((await assignmentsOf(sql, gone.orderId)).map(({ endReason }) => endReason), [
    "pickup_overdue",
  ]);
  assert.equal((await courierFacts(sql, gone.courierId)).status, "available");
  const waiting = await assignedCourier(world);
  const { orderId, courierId } = waiting;
  assert.ok((await arriveAt(sql, { orderId, courierId, stop: "pickup" })).ok);
  await fireTimer(sql, "assignment.overdue", orderId);
  assert.equal((await assignmentsOf(sql, orderId))[0]?.isActive, true);
  assert.equal((await orderFacts(sql, orderId)).attention, "pickup_overdue");
});

Deno.test("the pickup's deadline of an earlier courier does not touch the present one", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await assignedCourier(world);
  assert.ok((await goOffline(sql, courierId)).ok);
  await assign(world, orderId, await insertCourier(sql));
  const [first] = (await timersOf(sql, orderId)).filter(({ kind }) =>
    kind === "assignment.overdue"
  );
  await sql`update timers set due_at = clock_timestamp()
    where key = ${orderId} and kind = 'assignment.overdue' and version = ${first?.version ?? 0}`;
  const before = await assignmentsOf(sql, orderId);
  await fireTimer(sql, "order.release", orderId);
  assert.deepEqual(await assignmentsOf(sql, orderId), before);
});

Deno.test("a courier silent with the goods raises an alert at once and another after ten minutes; being heard again settles it", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await carryingCourier(world);
  assert.equal(await markSilent(sql, courierId), true);
  const timer = (await timersOf(sql, orderId)).find(({ kind }) => kind === "courier.lost");
  assert.ok(Math.abs((timer?.dueInMs ?? 0) - 8 * 60_000) < 5_000);
  await fireTimer(sql, "courier.lost", orderId);
  assert.equal((await orderFacts(sql, orderId)).attention, "courier_lost");
  assert.ok((await goOnline(sql, courierId)).ok);
  assert.equal((await orderFacts(sql, orderId)).attention, null);
  assert.equal((await eventLines(sql, orderId)).at(-1), "7 order.attention_cleared");
});

Deno.test("the alert of a lost courier is not raised for one who was heard again", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await carryingCourier(world);
  assert.equal(await markSilent(sql, courierId), true);
  assert.ok((await goOnline(sql, courierId)).ok);
  await fireTimer(sql, "courier.lost", orderId);
  assert.equal((await orderFacts(sql, orderId)).attention, null);
});

Deno.test("a scheduled order is not offered before its release, and then with deadlines of its own", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world, { kind: "parcel" });
  await sql`update orders set hold = 'scheduled', release_at = clock_timestamp()
    where id = ${orderId}`;
  await sql`delete from timers where key = ${orderId}`;
  await sql`insert into timers (kind, key, version, due_at)
    values ('order.release', ${orderId}, 1, clock_timestamp() + interval '1 hour')`;
  const courierId = await insertCourier(sql);
  const early = await makeOffer(sql, world.lease, await planOf(sql, orderId, courierId));
  assert.deepEqual(early, { ok: false, conflict: "order_not_open" });
  await fireTimer(sql, "order.release", orderId);
  assert.equal(await holdOf(orderId), null);
  assert.deepEqual(
    (await timersOf(sql, orderId)).map(({ kind, version }) => `${version} ${kind}`),
    [
      "2 order.attention",
      "2 order.expire",
    ],
  );
  assert.equal((await eventLines(sql, orderId)).at(-1), "2 order.released");
  assert.ok((await makeOffer(sql, world.lease, await planOf(sql, orderId, courierId))).ok);
});

Deno.test("a release that comes after the cancellation changes nothing", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world, { kind: "parcel" });
  await sql`update orders set hold = 'scheduled', release_at = clock_timestamp()
    where id = ${orderId}`;
  const actor = { role: "customer", accountId: world.customerId } as const;
  assert.ok((await transitionOrder(sql, { orderId, action: "cancel", actor })).ok);
  await sql`insert into timers (kind, key, version, due_at)
    values ('order.release', ${orderId}, 1, clock_timestamp() + interval '1 hour')`;
  const { timers: _, ...before } = await everything(sql);
  await fireTimer(sql, "order.release", orderId);
  const { timers: __, ...after } = await everything(sql);
  assert.deepEqual(after, before);
});

Deno.test("after all of it every rule of the database holds", async () => {
  // One test wrote a state past the product.
  assert.deepEqual(await brokenRules(stores.sql), []);
});
