/** What the timers of an order do when they fire, and what they must leave alone. */
import assert from "node:assert/strict";
import { createMetrics } from "shared/metrics/metrics.ts";
import { silentLog } from "shared/log/log.ts";
import { Wake } from "shared/clock/wake.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { goOffline, goOnline } from "shared/orders/courier_shift.ts";
import { expireOrder, raiseUnassigned } from "shared/orders/deadline_actions.ts";
import { acceptOffer } from "shared/orders/offers.ts";
import { fireOne } from "../../services/keeper/fire_timers.ts";
import { createKeeperMetrics } from "../../services/keeper/metrics.ts";
import {
  assign,
  assignedCourier,
  carryingCourier,
  createDispatchWorld,
  type DispatchWorld,
  newOrder,
  offer,
} from "../harness/dispatch_world.ts";
import { insertCourier } from "../harness/fixtures.ts";
import {
  courierFacts,
  eventLines,
  eventsOf,
  everything,
  offersOf,
  orderFacts,
  timersOf,
} from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const MAX_DUE = 20;
const RACE_ROUNDS = 25;

let stores: TestStores;
let world: DispatchWorld;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
});
Deno.test.afterAll(() => stores.close());

/** Fires every timer that is due, as keeper does. */
async function fireDue(): Promise<void> {
  const options = {
    sql: stores.sql,
    log: silentLog,
    metrics: createKeeperMetrics(createMetrics("test").registry),
    signal: new AbortController().signal,
    wake: new Wake(),
    notifyOutbox: () => {},
  };
  for (let fired = 0; await fireOne(options); fired++) {
    assert.ok(fired < MAX_DUE, "too many timers");
  }
}

/** Makes the timers of one wait of an order due. */
async function makeDue(key: string, version: number): Promise<void> {
  await stores.sql`update timers set due_at = clock_timestamp() - interval '1 second'
    where key = ${key} and version = ${version}`;
}

Deno.test("raiseUnassigned() shows an order that nobody carries to a dispatcher, once", async () => {
  const { sql } = stores;
  for (const status of ["placed", "confirmed", "preparing", "ready_for_pickup"] as const) {
    const orderId = await newOrder(world, { status });
    await sql.begin((tx) => raiseUnassigned(tx, orderId));
    assert.deepEqual((await eventsOf(sql, orderId)).slice(1), [{
      type: "order.attention_raised",
      aggregateVersion: 2,
      eventIndex: 0,
      data: { orderId, orderVersion: 2, reason: "unassigned" },
    }]);
    const [row] = await sql`
      select status, attention, attention_at is not null as is_dated from orders where id = ${orderId}`;
    assert.deepEqual({ ...row }, { status, attention: "unassigned", isDated: true });
    const before = await everything(sql);
    await sql.begin((tx) => raiseUnassigned(tx, orderId));
    assert.deepEqual(await everything(sql), before);
  }
});

Deno.test("raiseUnassigned() and expireOrder() leave carried, ended and unknown orders alone", async () => {
  const { sql } = stores;
  const orders = [
    uuidv7(),
    (await assignedCourier(world)).orderId,
    (await carryingCourier(world)).orderId,
  ];
  for (const status of ["delivered", "cancelled", "returned", "failed", "expired"] as const) {
    orders.push(await newOrder(world, { status }));
  }
  const before = await everything(sql);
  for (const orderId of orders) {
    await sql.begin((tx) => raiseUnassigned(tx, orderId));
    await sql.begin((tx) => expireOrder(tx, orderId));
  }
  assert.deepEqual(await everything(sql), before);
});

Deno.test("expireOrder() ends an order that nobody took, withdraws its offer and is silent on repeat", async () => {
  const { sql } = stores;
  for (const status of ["placed", "confirmed", "preparing", "ready_for_pickup"] as const) {
    const orderId = await newOrder(world, { status });
    await sql.begin((tx) => expireOrder(tx, orderId));
    assert.equal((await orderFacts(sql, orderId)).status, "expired");
    assert.deepEqual((await eventsOf(sql, orderId)).at(-1)?.data, {
      orderId,
      orderVersion: 2,
      from: status,
      to: "expired",
      actor: "system",
    });
  }
  const orderId = await newOrder(world);
  const courierId = await insertCourier(sql);
  const offerId = await offer(world, orderId, courierId);
  await sql.begin((tx) => raiseUnassigned(tx, orderId));
  await sql.begin((tx) => expireOrder(tx, orderId));
  assert.deepEqual((await eventLines(sql, orderId)).slice(2), [
    "3 order.attention_raised",
    "4 order.status_changed",
    "4 offer.withdrawn",
    "4 order.attention_cleared",
  ]);
  assert.deepEqual(
    (await offersOf(sql, orderId)).map(({ status, reason }) => ({ status, reason })),
    [
      { status: "withdrawn", reason: "order_expired" },
    ],
  );
  assert.equal((await orderFacts(sql, orderId)).attention, null);
  assert.equal((await acceptOffer(sql, { offerId, courierId })).ok, false);
  const before = await everything(sql);
  await sql.begin((tx) => expireOrder(tx, orderId));
  assert.deepEqual(await everything(sql), before);
});

Deno.test("accept and expiry of the order at the same moment: the order is carried or expired, never both", async () => {
  const { sql } = stores;
  let accepts = 0;
  for (let round = 0; round < RACE_ROUNDS; round++) {
    const orderId = await newOrder(world);
    const courierId = await insertCourier(sql);
    const offerId = await offer(world, orderId, courierId);
    const [accepted] = await Promise.all([
      acceptOffer(sql, { offerId, courierId }),
      sql.begin((tx) => expireOrder(tx, orderId)),
    ]);
    if (accepted.ok) accepts++;
    assert.equal((await orderFacts(sql, orderId)).status, accepted.ok ? "confirmed" : "expired");
    const { activeAssignments } = await courierFacts(sql, courierId);
    assert.equal(activeAssignments, accepted.ok ? 1 : 0);
  }
  console.log(`accept was first in ${accepts} of ${RACE_ROUNDS} rounds`);
});

Deno.test("keeper fires an order's timers when they are due, and each is gone afterwards", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  assert.deepEqual(
    (await timersOf(sql, orderId)).map(({ kind, version }) => `${kind} ${version}`),
    [
      "order.attention 1",
      "order.expire 1",
    ],
  );
  await fireDue();
  assert.equal((await orderFacts(sql, orderId)).version, 1, "nothing was due");
  await sql`update timers set due_at = clock_timestamp() where key = ${orderId}
    and kind = 'order.attention'`;
  await fireDue();
  assert.equal((await orderFacts(sql, orderId)).attention, "unassigned");
  await makeDue(orderId, 1);
  await fireDue();
  assert.equal((await orderFacts(sql, orderId)).status, "expired");
  assert.deepEqual(await timersOf(sql, orderId), []);
});

Deno.test("keeper fires an offer's timer at its deadline, and the courier can be asked again", async () => {
  const { sql } = stores;
  const orderId = await newOrder(world);
  const courierId = await insertCourier(sql);
  const offerId = await offer(world, orderId, courierId);
  await makeDue(offerId, 1);
  await fireDue();
  assert.deepEqual((await offersOf(sql, orderId)).map(({ id, status }) => ({ id, status })), [
    { id: offerId, status: "expired" },
  ]);
  await assign(world, orderId, courierId);
});

Deno.test("a courier lost before the pickup starts both deadlines anew: the first ones no longer count", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await assignedCourier(world);
  assert.ok((await goOffline(sql, courierId)).ok);
  // 1 h 59 min into the first wait the courier left; a minute later its old timers come due.
  await makeDue(orderId, 1);
  await fireDue();
  const { status, attention, version } = await orderFacts(sql, orderId);
  assert.deepEqual({ status, attention, version }, {
    status: "confirmed",
    attention: null,
    version: 4,
  });
  // The second wait's own timers do count.
  await makeDue(orderId, 4);
  await fireDue();
  assert.equal((await orderFacts(sql, orderId)).status, "expired");
});

Deno.test("of three waits of one order only the last one's timers count", async () => {
  const { sql } = stores;
  const { orderId, courierId } = await assignedCourier(world);
  assert.ok((await goOffline(sql, courierId)).ok);
  assert.ok((await goOnline(sql, courierId)).ok);
  await assign(world, orderId, courierId);
  assert.ok((await goOffline(sql, courierId)).ok);
  const versions = (await timersOf(sql, orderId)).map(({ version }) => version);
  assert.equal(versions.at(-1), 7);
  await makeDue(orderId, 4);
  await fireDue();
  assert.equal((await orderFacts(sql, orderId)).status, "confirmed");
  await makeDue(orderId, 7);
  await fireDue();
  assert.equal((await orderFacts(sql, orderId)).status, "expired");
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(stores.sql), []);
});
