/** Orders of test mode: a robot carries them by timers, and nobody else meets them. */
import assert from "node:assert/strict";
import { parseOrderPositions } from "shared/availability/order_positions.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { insertOrders, type NewOrder } from "shared/orders/insert_order.ts";
import { makeOffer } from "shared/orders/offers.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import { walkRobotsOnce } from "../../services/keeper/walk_robots.ts";
import { readOpenOrders } from "../../services/matcher/dispatch_store.ts";
import { createDispatchWorld, type DispatchWorld, planOf } from "../harness/dispatch_world.ts";
import { insertCourier, REGION } from "../harness/fixtures.ts";
import { fireTimer } from "../harness/keeper_timers.ts";
import { eventsOf, orderFacts, timersOf } from "../harness/order_facts.ts";
import { PARTITION } from "../harness/outbox.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const MAX_STEPS = 20;

let stores: TestStores;
let world: DispatchWorld;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
});
Deno.test.afterAll(() => stores.close());

async function place(changes: Partial<NewOrder> = {}): Promise<string> {
  const id = uuidv7();
  await stores.sql.begin((tx) => {
    insertOrders(tx, [{
      placedAt: new Date(),
      order: {
        id,
        region: REGION,
        shard: 0,
        kind: "marketplace",
        mode: "test",
        customerId: world.customerId,
        placedBy: "customer",
        merchantId: world.merchantId,
        externalId: null,
        items: [],
        note: null,
        pickup: { lat: 57.7, lon: 11.9 },
        dropoff: { lat: 57.71, lon: 11.91 },
        pickupNote: null,
        dropoffNote: null,
        pickupContact: null,
        dropoffContact: null,
        size: null,
        weightG: null,
        requiredVehicles: [],
        requiredSkills: [],
        schedule: null,
        cashMinor: 0,
        distanceM: 1300,
        preparationMinutes: 5,
        price: {
          items: 0,
          delivery: 364,
          tip: 100,
          parts: [{ kind: "delivery_base", amountMinor: 364 }, { kind: "tip", amountMinor: 100 }],
        },
        quoteId: null,
        currency: "SEK",
        estimatedDeliveryAt: new Date(),
        trackingTokenHash: new Uint8Array([0]),
        trace: null,
        ...changes,
      },
    }]);
    return Promise.resolve();
  });
  return id;
}

async function walk(orderId: string): Promise<string[]> {
  for (let steps = 0; await fireTimer(stores.sql, "robot.step", orderId); steps++) {
    assert.ok(steps < MAX_STEPS, "the robot does not come to an end");
  }
  const events = await eventsOf(stores.sql, orderId);
  return events.filter(({ type }) => type === "order.status_changed")
    .map(({ data }) => String(data["to"]));
}

Deno.test("the robot walks a test order through every state, and it earns nobody anything", async () => {
  const { sql } = stores;
  const orderId = await place({ cashMinor: 500 });
  assert.deepEqual((await timersOf(sql, orderId)).map(({ kind }) => kind), ["robot.step"]);
  assert.deepEqual(await walk(orderId), [
    "confirmed",
    "preparing",
    "ready_for_pickup",
    "picked_up",
    "in_transit",
    "delivered",
  ]);
  const [row] = await sql`select cash_collected_minor from orders where id = ${orderId}`;
  assert.equal(row?.["cashCollectedMinor"], 500);
  assert.equal((await sql`select 1 from courier_earnings where order_id = ${orderId}`).length, 0);
  assert.deepEqual(await timersOf(sql, orderId), []);
});

Deno.test("the robot walks a parcel too, a scheduled one at once, and many at the same time", async () => {
  const { sql } = stores;
  const inAnHour = new Date(Date.now() + 60 * 60_000);
  const schedule = {
    startsAt: inAnHour,
    endsAt: new Date(inAnHour.getTime() + 1),
    releaseAt: inAnHour,
  };
  const scheduled = await place({ kind: "parcel", merchantId: null, schedule });
  const others = await Promise.all(
    Array.from({ length: 5 }, () => place({ kind: "parcel", merchantId: null })),
  );
  for (const orderId of [scheduled, ...others]) {
    assert.deepEqual(await walk(orderId), ["picked_up", "in_transit", "delivered"]);
  }
  const robots = await sql`select status, active_assignments from couriers where robot`;
  assert.deepEqual(robots.map((robot) => ({ ...robot })), [
    { status: "offline", activeAssignments: 0 },
  ]);
});

Deno.test("each second the robot tells where it is with its orders, and no index hears of it", async () => {
  const { sql, redis, keys } = stores;
  const work = { region: { id: REGION }, shard: 0, partition: PARTITION };
  const told = async () => {
    const count = await walkRobotsOnce({ sql, redis, keys }, work);
    const [entry] = await redis.xrevrange(keys.positions(PARTITION), "+", "-", "COUNT", 1);
    const [, , couriers, list, , orders] = entry?.[1] ?? [];
    assert.ok(couriers === undefined || couriers === "couriers" && list === "[]");
    return { count, positions: parseOrderPositions(orders === undefined ? {} : { orders }) };
  };
  assert.deepEqual(await told(), { count: 0, positions: [] });
  const orderId = await place({ kind: "parcel", merchantId: null });
  const places: number[] = [];
  while (await fireTimer(sql, "robot.step", orderId)) {
    const { positions } = await told();
    const own = positions.find((position) => position.orderId === orderId);
    if (own === undefined || own.source !== "robot") continue;
    if ((await orderFacts(sql, orderId)).status !== "delivered") places.push(own.fix.lat);
  }
  // Towards the pickup from the north, then on the way to the dropoff, which is north of it.
  assert.equal(places.length, 3);
  const [approach = 0, pickedUp = 0, underWay = 0] = places;
  assert.ok(approach > 57.7 && pickedUp >= 57.7 && pickedUp < underWay && underWay < 57.71);
  assert.equal((await told()).count, 0, "it is delivered");
  for (const key of [keys.couriersGeo(PARTITION), keys.couriersSeen(PARTITION)]) {
    assert.equal(await redis.zcard(key), 0);
  }
});

Deno.test("a test order is never offered to a courier, and the matcher does not see it", async () => {
  const { sql } = stores;
  const orderId = await place({ kind: "parcel", merchantId: null });
  const courierId = await insertCourier(sql);
  const plan = await planOf(sql, orderId, courierId);
  assert.deepEqual(await makeOffer(sql, world.lease, plan), {
    ok: false,
    conflict: "order_not_open",
  });
  assert.deepEqual(await readOpenOrders(sql, REGION, 0, [orderId]), []);
});

Deno.test("a cancelled test order stops the robot; a step that was given twice is taken once", async () => {
  const { sql } = stores;
  const orderId = await place({ kind: "parcel", merchantId: null });
  await fireTimer(sql, "robot.step", orderId);
  const actor = { role: "customer", accountId: world.customerId, mode: "test" } as const;
  assert.ok((await transitionOrder(sql, { orderId, action: "cancel", actor })).ok);
  await walk(orderId);
  assert.equal((await orderFacts(sql, orderId)).status, "cancelled");
  assert.equal((await sql`select 1 from courier_earnings where order_id = ${orderId}`).length, 0);
});

Deno.test("for a live caller a test order does not exist, nor a live one for a test key", async () => {
  const { sql } = stores;
  const test = await place();
  const live = await place({ mode: "live" });
  for (const [orderId, mode] of [[test, "live"], [live, "test"]] as const) {
    const actor = { role: "customer", accountId: world.customerId, mode } as const;
    const outcome = await transitionOrder(sql, { orderId, action: "cancel", actor });
    assert.deepEqual(outcome, { ok: false, code: "order.not_found" });
  }
  // The robot has no business with live orders either.
  const outcome = await transitionOrder(sql, {
    orderId: live,
    action: "confirm",
    actor: { role: "robot" },
  });
  assert.deepEqual(outcome, { ok: false, code: "order.not_found" });
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(stores.sql), []);
});
