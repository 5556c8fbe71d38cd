/** A courier's answer to an offer on a real Postgres: accept and reject, late and twice. */
import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import { goOffline } from "shared/orders/courier_shift.ts";
import { acceptOffer, expireOffer, rejectOffer } from "shared/orders/offers.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import {
  assign,
  assignedCourier,
  createDispatchWorld,
  type DispatchWorld,
  newOrder,
  offer,
  setDeadline,
} from "../harness/dispatch_world.ts";
import { insertCourier } from "../harness/fixtures.ts";
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

const RACERS = 20;

let stores: TestStores;
let world: DispatchWorld;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
});
Deno.test.afterAll(() => stores.close());

interface Asked {
  readonly orderId: string;
  readonly courierId: string;
  readonly offerId: string;
}

/** A courier who is being asked for a confirmed order. */
async function asked(options: { capacity?: number } = {}): Promise<Asked> {
  const orderId = await newOrder(world);
  const courierId = await insertCourier(stores.sql, options);
  return { orderId, courierId, offerId: await offer(world, orderId, courierId) };
}

async function cancel(orderId: string) {
  const actor = { role: "customer", accountId: world.customerId } as const;
  return await transitionOrder(stores.sql, { orderId, action: "cancel", actor });
}

/** Asserts that accepting is refused like this and that no row of the database changed. */
async function refusesAccept(
  question: { offerId: string; courierId: string },
  refusal: { code: string; detail?: string | RegExp; members?: Record<string, unknown> },
): Promise<void> {
  const before = await everything(stores.sql);
  const outcome = await acceptOffer(stores.sql, question);
  assert.ok(!outcome.ok, "the accept was not refused");
  assert.equal(outcome.code, refusal.code);
  if (refusal.detail instanceof RegExp) assert.match(outcome.detail ?? "", refusal.detail);
  else if (refusal.detail !== undefined) assert.equal(outcome.detail, refusal.detail);
  if (refusal.members !== undefined) assert.deepEqual(outcome.members, refusal.members);
  assert.deepEqual(await everything(stores.sql), before);
}

Deno.test("acceptOffer() makes the assignment, fills the courier and says so in order", async () => {
  const { sql } = stores;
  const { orderId, courierId, offerId } = await asked();
  const outcome = await acceptOffer(sql, { offerId, courierId });
  assert.ok(outcome.ok);
  const { id: assignmentId, ...assignment } = outcome.value;
  assert.deepEqual(assignment, { orderId, courierId, offerId });
  assert.deepEqual(await assignmentsOf(sql, orderId), [
    { id: assignmentId, courierId, offerId, isActive: true, endReason: null },
  ]);
  assert.deepEqual(await offersOf(sql, orderId), [
    { id: offerId, courierId, status: "accepted", attempt: 1, reason: "accepted", isClosed: true },
  ]);
  assert.deepEqual(await courierFacts(sql, courierId), {
    status: "busy",
    version: 2,
    activeAssignments: 1,
  });
  // The order's own state does not change: the courier is not a state.
  const { status, version } = await orderFacts(sql, orderId);
  assert.deepEqual({ status, version }, { status: "confirmed", version: 3 });
  assert.deepEqual((await eventsOf(sql, orderId)).slice(2), [
    {
      type: "offer.accepted",
      aggregateVersion: 3,
      eventIndex: 0,
      data: { orderId, orderVersion: 3, offerId, courierId },
    },
    {
      type: "assignment.created",
      aggregateVersion: 3,
      eventIndex: 1,
      data: { orderId, orderVersion: 3, assignmentId, courierId, offerId },
    },
  ]);
  assert.deepEqual(await eventsOf(sql, courierId), [{
    type: "courier.availability_changed",
    aggregateVersion: 2,
    eventIndex: 0,
    data: {
      courierId,
      courierVersion: 2,
      status: "busy",
      activeAssignments: 1,
      reason: "assigned",
    },
  }]);
});

Deno.test("acceptOffer() clears the dispatcher's attention", async () => {
  const { sql } = stores;
  const { orderId, courierId, offerId } = await asked();
  await sql`update orders set attention = 'unassigned', attention_at = clock_timestamp()
    where id = ${orderId}`;
  assert.ok((await acceptOffer(sql, { offerId, courierId })).ok);
  const [row] = await sql`select attention, attention_at from orders where id = ${orderId}`;
  assert.deepEqual({ ...row }, { attention: null, attentionAt: null });
});

Deno.test("acceptOffer() keeps a courier available until its capacity is reached", async () => {
  const { sql } = stores;
  const courierId = await insertCourier(sql, { capacity: 2 });
  await assign(world, await newOrder(world), courierId);
  assert.deepEqual(await courierFacts(sql, courierId), {
    status: "available",
    version: 2,
    activeAssignments: 1,
  });
  await assign(world, await newOrder(world), courierId);
  assert.deepEqual(await courierFacts(sql, courierId), {
    status: "busy",
    version: 3,
    activeAssignments: 2,
  });
});

Deno.test("acceptOffer() is refused at the deadline and after it, also when keeper is away", async () => {
  const { sql } = stores;
  for (const inMs of [0, -1, -3_600_000]) {
    const { orderId, ...question } = await asked();
    await setDeadline(sql, question.offerId, inMs);
    await refusesAccept(question, {
      code: "offer.expired",
      detail: /^Cannot accept: the offer ended at \d{4}-\d\d-\d\dT/,
    });
    assert.deepEqual(await assignmentsOf(sql, orderId), []);
    await sql.begin((tx) => expireOffer(tx, question.offerId));
    await refusesAccept(question, { code: "offer.expired" });
  }
});

Deno.test("acceptOffer() repeated gives the same assignment and changes nothing, also after the deadline", async () => {
  const { sql } = stores;
  const { orderId, ...question } = await asked();
  const first = await acceptOffer(sql, question);
  assert.ok(first.ok);
  await setDeadline(sql, question.offerId, -60_000);
  const before = await everything(sql);
  assert.deepEqual(await acceptOffer(sql, question), first);
  assert.deepEqual(await everything(sql), before);
  assert.equal((await assignmentsOf(sql, orderId)).length, 1);
});

Deno.test("acceptOffer() twenty times at once makes one assignment, and every caller gets it", async () => {
  const { sql } = stores;
  const { orderId, ...question } = await asked();
  const outcomes = await Promise.all(
    Array.from({ length: RACERS }, () => acceptOffer(sql, question)),
  );
  const [first] = outcomes;
  assert.ok(first?.ok);
  assert.deepEqual(outcomes, Array(RACERS).fill(first));
  assert.equal((await assignmentsOf(sql, orderId)).length, 1);
  assert.equal((await courierFacts(sql, question.courierId)).activeAssignments, 1);
  assert.deepEqual((await eventLines(sql, orderId)).slice(2), [
    "3 offer.accepted",
    "3 assignment.created",
  ]);
});

Deno.test("acceptOffer() is refused after the order was cancelled", async () => {
  const { orderId, ...question } = await asked();
  assert.ok((await cancel(orderId)).ok);
  await refusesAccept(question, {
    code: "offer.closed",
    detail: "Cannot accept: the offer is withdrawn",
    members: { state: "withdrawn" },
  });
  assert.deepEqual(await assignmentsOf(stores.sql, orderId), []);
});

Deno.test("acceptOffer() looks at the order's state and not only at the offer's", async () => {
  const { orderId, ...question } = await asked();
  // No transition leaves a pending offer on a closed order; the accept must not rely on that.
  await stores.sql`update orders set status = 'cancelled' where id = ${orderId}`;
  await refusesAccept(question, {
    code: "offer.closed",
    detail: "Cannot accept: the order is cancelled",
    members: { state: "cancelled" },
  });
  await stores.sql`update orders set status = 'confirmed' where id = ${orderId}`;
});

Deno.test("acceptOffer() is refused for a courier who is full, paused or offline", async () => {
  const { sql } = stores;
  const { orderId, ...question } = await asked();
  const { courierId } = question;
  await sql`update couriers set active_assignments = 1, status = 'busy' where id = ${courierId}`;
  await refusesAccept(question, {
    code: "courier.at_capacity",
    detail: "Cannot accept: active orders must be < 1: current value is 1",
  });
  for (const status of ["paused", "offline"]) {
    await sql`update couriers set active_assignments = 0, status = ${status} where id = ${courierId}`;
    await refusesAccept(question, {
      code: "courier.off_shift",
      detail: `Cannot accept: the courier is ${status}`,
    });
  }
  await sql`update couriers set status = 'available' where id = ${courierId}`;
  assert.equal((await orderFacts(sql, orderId)).version, 2);
});

Deno.test("acceptOffer() and rejectOffer() of somebody else's offer say that it does not exist", async () => {
  const { sql } = stores;
  const { offerId } = await asked();
  const courierId = await insertCourier(sql);
  await refusesAccept({ offerId, courierId }, { code: "offer.not_found" });
  await refusesAccept({ offerId: uuidv7(), courierId }, { code: "offer.not_found" });
  const before = await everything(sql);
  assert.deepEqual(await rejectOffer(sql, { offerId, courierId }, null), {
    ok: false,
    code: "offer.not_found",
  });
  assert.deepEqual(await everything(sql), before);
});

Deno.test("acceptOffer() is refused once the accepted order was taken away again", async () => {
  const { sql } = stores;
  const { courierId, offerId } = await assignedCourier(world);
  assert.ok((await goOffline(sql, courierId)).ok);
  await refusesAccept({ offerId, courierId }, {
    code: "offer.closed",
    detail: "Cannot accept: the assignment has ended",
  });
});

Deno.test("rejectOffer() closes the offer with its reason, and an accept after it is refused", async () => {
  const { sql } = stores;
  const { orderId, ...question } = await asked();
  const { offerId, courierId } = question;
  assert.ok((await rejectOffer(sql, question, "too far")).ok);
  assert.deepEqual(await offersOf(sql, orderId), [
    { id: offerId, courierId, status: "rejected", attempt: 1, reason: "too far", isClosed: true },
  ]);
  assert.deepEqual((await eventsOf(sql, orderId)).slice(2), [{
    type: "offer.rejected",
    aggregateVersion: 3,
    eventIndex: 0,
    data: { orderId, orderVersion: 3, offerId, courierId, reason: "too far" },
  }]);
  assert.deepEqual(await courierFacts(sql, courierId), {
    status: "available",
    version: 1,
    activeAssignments: 0,
  });
  await refusesAccept(question, {
    code: "offer.closed",
    detail: "Cannot accept: the offer is rejected",
    members: { state: "rejected" },
  });
});

Deno.test("rejectOffer() of a closed offer changes nothing, and of an accepted one is refused", async () => {
  const { sql } = stores;
  const { orderId: _, ...question } = await asked();
  assert.ok((await rejectOffer(sql, question, null)).ok);
  const { orderId: __, ...accepted } = await asked();
  assert.ok((await acceptOffer(sql, accepted)).ok);
  const before = await everything(sql);
  assert.deepEqual(await rejectOffer(sql, question, "again"), { ok: true, value: undefined });
  assert.deepEqual(await rejectOffer(sql, accepted, null), {
    ok: false,
    code: "offer.closed",
    detail: "Cannot reject: the offer is accepted",
    members: { state: "accepted" },
  });
  assert.deepEqual(await everything(sql), before);
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(stores.sql), []);
});
