/** Making offers on a real Postgres: what is written, what is refused, and what races leave. */
import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import {
  FencedError,
  type Lease,
  releaseLease,
  requireFence,
  takeLease,
} from "shared/lease/lease.ts";
import { goOffline, pauseShift } from "shared/orders/courier_shift.ts";
import { expireOffer, makeOffer, type OfferPlan, rejectOffer } from "shared/orders/offers.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import {
  assign,
  createDispatchWorld,
  type DispatchWorld,
  holdLease,
  newOrder,
  offer,
  OFFER_TTL_MS,
  planOf,
} from "../harness/dispatch_world.ts";
import { eventually } from "../harness/eventually.ts";
import { insertCourier } from "../harness/fixtures.ts";
import {
  courierFacts,
  eventLines,
  eventsOf,
  everything,
  lockWaiters,
  offersOf,
  orderFacts,
  timersOf,
} from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

/** As many as the brief of the guarantee asks for; more than the pool has connections. */
const RACERS = 30;
const EXPIRES_WITHIN_MS = 2_000;

let stores: TestStores;
let world: DispatchWorld;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
});
Deno.test.afterAll(() => stores.close());

/** Asserts that the plan is refused and that no row of the database changed. */
async function refusesOffer(plan: OfferPlan, conflict: string): Promise<void> {
  const before = await everything(stores.sql);
  assert.deepEqual(await makeOffer(stores.sql, world.lease, plan), { ok: false, conflict });
  assert.deepEqual(await everything(stores.sql), before);
}

Deno.test("makeOffer() writes offer, timer, decision and one event under the next version", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const courierId = await insertCourier(sql);
  const explanation = { candidates: [{ courierId, distanceM: 420 }], excluded: {} };
  const before = Date.now();
  const made = await makeOffer(
    sql,
    world.lease,
    await planOf(sql, orderId, courierId, { explanation }),
  );
  assert.ok(made.ok);
  const [row] = await sql<{ expiresAt: Date; ttlMs: number }[]>`
    select order_id, courier_id, status, attempt, distance_to_pickup_m, closed_at, reason,
      expires_at, (extract(epoch from expires_at - created_at) * 1000)::float8 as ttl_ms
    from offers where id = ${made.offerId}`;
  assert.ok(row);
  const { expiresAt, ttlMs, ...rest } = row;
  assert.deepEqual(rest, {
    orderId,
    courierId,
    status: "pending",
    attempt: 1,
    distanceToPickupM: 420,
    closedAt: null,
    reason: null,
  });
  assert.ok(Math.abs(ttlMs - OFFER_TTL_MS) < 50, `the offer lives ${ttlMs} ms`);
  assert.ok(expiresAt.getTime() >= before + OFFER_TTL_MS - 50);

  const timers = await timersOf(sql, made.offerId);
  assert.deepEqual(timers.map(({ kind, version }) => ({ kind, version })), [
    { kind: "offer.expire", version: 1 },
  ]);
  assert.ok(Math.abs((timers[0]?.dueInMs ?? 0) - OFFER_TTL_MS) < EXPIRES_WITHIN_MS);

  const decisions = await sql`
    select region, courier_id, policy, policy_version, explanation
    from decisions where order_id = ${orderId}`;
  assert.deepEqual([...decisions], [
    { region: "testville", courierId, policy: "nearest", policyVersion: 1, explanation },
  ]);
  const [placed, offered, ...more] = await eventsOf(sql, orderId);
  assert.equal(placed?.type, "order.placed");
  assert.deepEqual(offered, {
    type: "offer.made",
    aggregateVersion: 2,
    eventIndex: 0,
    data: {
      orderId,
      orderVersion: 2,
      offerId: made.offerId,
      courierId,
      attempt: 1,
      expiresAt: expiresAt.toISOString(),
      distanceToPickupM: 420,
    },
  });
  assert.deepEqual(more, []);
  const { version, offersMade, status, attention } = await orderFacts(sql, orderId);
  assert.deepEqual({ version, offersMade, status, attention }, {
    version: 2,
    offersMade: 1,
    status: "confirmed",
    attention: null,
  });
  assert.deepEqual(await courierFacts(sql, courierId), {
    status: "available",
    version: 1,
    activeAssignments: 0,
  });
});

Deno.test("makeOffer() counts attempts and asks for a dispatcher at the fifth, once", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  for (let attempt = 1; attempt <= 6; attempt++) {
    const courierId = await insertCourier(sql);
    const offerId = await offer(world, orderId, courierId);
    assert.equal((await orderFacts(sql, orderId)).attention, attempt < 5 ? null : "unassigned");
    assert.ok((await rejectOffer(sql, { offerId, courierId }, null)).ok);
  }
  assert.deepEqual((await offersOf(sql, orderId)).map(({ attempt }) => attempt), [
    1,
    2,
    3,
    4,
    5,
    6,
  ]);
  assert.deepEqual((await eventLines(sql, orderId)).slice(8), [
    "9 offer.rejected",
    "10 offer.made",
    "10 order.attention_raised",
    "11 offer.rejected",
    "12 offer.made",
    "13 offer.rejected",
  ]);
});

Deno.test("makeOffer() refuses an order that does not exist", async () => {
  const courierId = await insertCourier(stores.sql);
  await refusesOffer(await planOf(stores.sql, uuidv7(), courierId), "order_gone");
});

Deno.test("makeOffer() refuses an order in every state in which nobody may be looked for", async () => {
  const courierId = await insertCourier(stores.sql);
  for (
    const status of ["placed", "delivered", "cancelled", "returned", "failed", "expired"] as const
  ) {
    const orderId = await newOrder(world, { status });
    await refusesOffer(await planOf(stores.sql, orderId, courierId), "order_not_open");
  }
});

Deno.test("makeOffer() refuses an order with a pending offer or a courier", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const [first, second] = [await insertCourier(sql), await insertCourier(sql)];
  const offerId = await offer(world, orderId, first);
  await refusesOffer(await planOf(sql, orderId, second), "order_taken");
  assert.ok((await rejectOffer(sql, { offerId, courierId: first }, null)).ok);
  await assign(world, orderId, first);
  await refusesOffer(await planOf(sql, orderId, second), "order_taken");
});

Deno.test("makeOffer() refuses a courier that is not what the matcher saw", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const courierId = await insertCourier(sql);
  await refusesOffer(
    await planOf(sql, orderId, courierId, { courierVersion: 0 }),
    "courier_changed",
  );
  const seen = await planOf(sql, orderId, courierId);
  assert.ok((await pauseShift(sql, courierId)).ok);
  await refusesOffer(seen, "courier_changed");
  for (const status of ["busy", "paused", "offline"] as const) {
    const other = await insertCourier(sql, { status });
    // So that only the status can be the reason; it would be a row that no transaction leaves.
    if (status === "busy") {
      await sql`update couriers set active_assignments = 1 where id = ${other}`;
    }
    await refusesOffer(await planOf(sql, orderId, other), "courier_changed");
    await sql`delete from couriers where id = ${other}`;
  }
  await refusesOffer(
    await planOf(sql, orderId, uuidv7(), { courierVersion: 1 }),
    "courier_changed",
  );
});

Deno.test("makeOffer() refuses a courier who is being asked for another order", async () => {
  const courierId = await insertCourier(stores.sql);
  await offer(world, await newOrder(world), courierId);
  const plan = await planOf(stores.sql, await newOrder(world), courierId);
  await refusesOffer(plan, "courier_asked");
});

/** Asserts that a matcher that believes in this lease is fenced off and writes nothing. */
async function isFenced(lease: Lease): Promise<void> {
  const plan = await planOf(stores.sql, await newOrder(world), await insertCourier(stores.sql));
  const before = await everything(stores.sql);
  await assert.rejects(makeOffer(stores.sql, lease, plan), FencedError);
  assert.deepEqual(await everything(stores.sql), before);
}

Deno.test("makeOffer() is fenced when the lease was taken over, ran out or was given back", async () => {
  const { sql } = stores;
  const zombie = await holdLease(sql, "matcher:taken-over");
  await sql`update leases set expires_at = clock_timestamp() - interval '1 second'
    where name = ${zombie.name}`;
  await isFenced(zombie);
  const heir = await takeLease(sql, zombie.name, "the heir");
  assert.equal(heir?.fence, zombie.fence + 1);
  await isFenced(zombie);
  await isFenced({ ...zombie, owner: "the heir" });
  await isFenced({ ...zombie, name: "matcher:never-taken" });

  const returned = await holdLease(sql, "matcher:given-back");
  await releaseLease(sql, returned);
  await isFenced(returned);
});

Deno.test("requireFence() holds a takeover off until the fenced transaction has committed", async () => {
  const { sql } = stores;
  const lease = await holdLease(sql, "matcher:held-off");
  const order: string[] = [];
  let takeover: Promise<unknown> | undefined;
  await sql.begin(async (tx) => {
    await requireFence(tx, lease);
    takeover = sql`update leases set owner = 'the heir', fence = fence + 1
      where name = ${lease.name}`.then(() => order.push("taken over"));
    await eventually("the takeover waits", async () => await lockWaiters(sql) === 1);
    order.push("fenced work done");
  });
  await takeover;
  assert.deepEqual(order, ["fenced work done", "taken over"]);
});

Deno.test("makeOffer() leaves exactly one pending offer when 30 couriers are asked for one order", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const plans: OfferPlan[] = [];
  for (let index = 0; index < RACERS; index++) {
    plans.push(await planOf(sql, orderId, await insertCourier(sql)));
  }
  const results = await Promise.all(plans.map((plan) => makeOffer(sql, world.lease, plan)));
  const refused = results.flatMap((result) => result.ok ? [] : [result.conflict]);
  assert.deepEqual(refused, Array(RACERS - 1).fill("order_taken"));
  const [only, ...others] = await offersOf(sql, orderId);
  assert.equal(only?.status, "pending");
  assert.deepEqual(others, []);
  assert.deepEqual(await eventLines(sql, orderId), ["1 order.placed", "2 offer.made"]);
  const [rows] =
    await sql`select count(*)::int as decisions from decisions where order_id = ${orderId}`;
  assert.deepEqual(rows, { decisions: 1 });
});

Deno.test("makeOffer() leaves exactly one pending offer when one courier is asked for 30 orders", async () => {
  const { sql } = stores;
  const courierId = await insertCourier(sql);
  const plans: OfferPlan[] = [];
  for (let index = 0; index < RACERS; index++) {
    plans.push(await planOf(sql, await newOrder(world), courierId));
  }
  const results = await Promise.all(plans.map((plan) => makeOffer(sql, world.lease, plan)));
  const refused = results.flatMap((result) => result.ok ? [] : [result.conflict]);
  assert.deepEqual(refused, Array(RACERS - 1).fill("courier_asked"));
  const pending = await sql`
    select order_id from offers where courier_id = ${courierId} and status = 'pending'`;
  assert.equal(pending.length, 1);
  for (const [index, plan] of plans.entries()) {
    const won = results[index]?.ok === true;
    assert.equal(won, plan.orderId === pending[0]?.["orderId"]);
    assert.equal((await orderFacts(sql, plan.orderId)).version, won ? 2 : 1);
  }
});

Deno.test("makeOffer() and a cancellation at the same moment never leave an offer of a cancelled order", async () => {
  const { sql } = stores;
  const rounds = 25;
  let offered = 0;
  for (let round = 0; round < rounds; round++) {
    const orderId = await newOrder(world);
    const plan = await planOf(sql, orderId, await insertCourier(sql));
    const actor = { role: "customer", accountId: world.customerId } as const;
    const [made, cancelled] = await Promise.all([
      makeOffer(sql, world.lease, plan),
      transitionOrder(sql, { orderId, action: "cancel", actor }),
    ]);
    assert.ok(cancelled.ok);
    if (made.ok) offered++;
    else assert.equal(made.conflict, "order_not_open");
    const left = (await offersOf(sql, orderId)).map(({ status, reason }) => ({ status, reason }));
    assert.deepEqual(left, made.ok ? [{ status: "withdrawn", reason: "order_cancelled" }] : []);
  }
  console.log(`makeOffer was first in ${offered} of ${rounds} rounds`);
});

Deno.test("makeOffer() and a courier who leaves at the same moment never leave an offer to nobody", async () => {
  const { sql } = stores;
  const rounds = 25;
  let offered = 0;
  for (let round = 0; round < rounds; round++) {
    const orderId = await newOrder(world);
    const courierId = await insertCourier(sql);
    const plan = await planOf(sql, orderId, courierId);
    const [made, left] = await Promise.all([
      makeOffer(sql, world.lease, plan),
      goOffline(sql, courierId),
    ]);
    assert.ok(left.ok);
    assert.equal((await courierFacts(sql, courierId)).status, "offline");
    if (made.ok) offered++;
    else assert.equal(made.conflict, "courier_changed");
    const offers = (await offersOf(sql, orderId)).map(({ status, reason }) => ({ status, reason }));
    assert.deepEqual(offers, made.ok ? [{ status: "withdrawn", reason: "courier_offline" }] : []);
  }
  console.log(`makeOffer was first in ${offered} of ${rounds} rounds`);
});

Deno.test("expireOffer() closes the offer once, and a repeat is silent", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const courierId = await insertCourier(sql);
  const offerId = await offer(world, orderId, courierId);
  await sql.begin((tx) => expireOffer(tx, offerId));
  assert.deepEqual(await offersOf(sql, orderId), [
    { id: offerId, courierId, status: "expired", attempt: 1, reason: "expired", isClosed: true },
  ]);
  assert.deepEqual(await eventLines(sql, orderId), [
    "1 order.placed",
    "2 offer.made",
    "3 offer.expired",
  ]);
  const before = await everything(sql);
  await sql.begin((tx) => expireOffer(tx, offerId));
  await sql.begin((tx) => expireOffer(tx, uuidv7()));
  assert.deepEqual(await everything(sql), before);
});

Deno.test("expireOffer() is silent for an offer that was accepted, rejected or withdrawn", async () => {
  const { sql } = stores;
  const courierId = await insertCourier(sql);
  const rejected = await offer(world, await newOrder(world), courierId);
  assert.ok((await rejectOffer(sql, { offerId: rejected, courierId }, null)).ok);
  const withdrawnOrder = await newOrder(world);
  const withdrawn = await offer(world, withdrawnOrder, courierId);
  const actor = { role: "customer", accountId: world.customerId } as const;
  assert.ok((await transitionOrder(sql, { orderId: withdrawnOrder, action: "cancel", actor })).ok);
  const { offerId: accepted } = await assign(world, await newOrder(world), courierId);
  const before = await everything(sql);
  for (const offerId of [rejected, withdrawn, accepted]) {
    await sql.begin((tx) => expireOffer(tx, offerId));
  }
  assert.deepEqual(await everything(sql), before);
});

Deno.test("an order can be offered again after its offer expired", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const first = await offer(world, orderId, await insertCourier(sql));
  await sql.begin((tx) => expireOffer(tx, first));
  const courierId = await insertCourier(sql);
  await assign(world, orderId, courierId);
  assert.deepEqual(
    (await offersOf(sql, orderId)).map(({ attempt, status }) => `${attempt} ${status}`),
    ["1 expired", "2 accepted"],
  );
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(stores.sql), []);
});
