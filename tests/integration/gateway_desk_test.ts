/** The courier's and the dispatcher's desks over HTTP. */
import assert from "node:assert/strict";
import { markSilent } from "shared/orders/courier_shift.ts";
import { offer } from "../harness/dispatch_world.ts";
import {
  acceptedOrder,
  ask,
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  newCourier,
  parcelOrder,
  type Person,
  placed,
  soupOrder,
} from "../harness/gateway_world.ts";
import { fireTimer } from "../harness/keeper_timers.ts";
import { courierFacts, timersOf } from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores } from "../harness/stores.ts";

const HOUR_MS = 60 * 60_000;

let world: GatewayWorld;
let dispatcher: Person;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
  dispatcher = await world.gateway.signIn("dispatcher");
});
Deno.test.afterAll(() => closeGatewayWorld(world));

function inHours(hours: number): string {
  return new Date(Date.now() + hours * HOUR_MS).toISOString();
}

async function json(by: { token: string }, method: string, path: string, body?: unknown) {
  return JSON.parse((await ask(world, by, method, path, body)).text);
}

async function deliver(orderId: string, courier: Person): Promise<void> {
  for (const step of ["picked-up", "in-transit", "delivered"]) {
    await ask(world, courier, "POST", `/api/v1/courier/orders/${orderId}/${step}`);
  }
}

Deno.test("a courier changes vehicle, capacity and load; skills are granted by a dispatcher", async () => {
  const courier = await newCourier(world);
  const me = "/api/v1/courier/me";
  const changed = await json(courier, "PATCH", me, { vehicle: "van", capacity: 3, maxLoadG: 9000 });
  assert.deepEqual(
    [changed.vehicle, changed.capacity, changed.maxLoadG, changed.version],
    ["van", 3, 9000, 2],
  );
  const own = await world.gateway.call("PATCH", me, {
    token: courier.token,
    body: { skills: ["x"] },
  });
  assert.equal(own.json?.["code"], "request.invalid");
  const granted = await json(
    dispatcher,
    "PATCH",
    `/api/v1/dispatcher/couriers/${courier.accountId}`,
    { skills: ["pharmacy", "cold", "cold"], maxLoadG: null },
  );
  assert.deepEqual([granted.skills, granted.maxLoadG], [["cold", "pharmacy"], null]);
});

Deno.test("a courier's room cannot be made smaller than what it has", async () => {
  const { courier } = await acceptedOrder(world, parcelOrder());
  await json(courier, "PATCH", "/api/v1/courier/me", { capacity: 2 });
  assert.equal((await courierFacts(world.stores.sql, courier.accountId)).status, "available");
  await json(courier, "PATCH", "/api/v1/courier/me", { capacity: 1 });
  assert.equal((await courierFacts(world.stores.sql, courier.accountId)).status, "busy");
});

Deno.test("stops come in order: what is carried, then each pickup before its dropoff", async () => {
  const courier = await newCourier(world, { capacity: 3 });
  const ids: string[] = [];
  for (const cashOnDeliveryMinor of [0, 500, 0]) {
    const orderId = await placed(world, parcelOrder({ cashOnDeliveryMinor, dropoffNote: "bell" }));
    const offerId = await offer(world.dispatch, orderId, courier.accountId);
    await ask(world, courier, "POST", `/api/v1/courier/offers/${offerId}/accept`);
    ids.push(orderId);
  }
  const [first, second, third] = ids;
  const road = (id: string | undefined, step: string) => `/api/v1/courier/orders/${id}/${step}`;
  await ask(world, courier, "POST", road(second, "arrived"), { stop: "pickup" });
  await ask(world, courier, "POST", road(second, "arrived"), { stop: "pickup" });
  await ask(world, courier, "POST", road(second, "picked-up"));
  await ask(world, courier, "POST", road(third, "arrived"), { stop: "pickup" });
  const { items } = await json(courier, "GET", "/api/v1/courier/stops");
  const brief = items.map((
    stop: {
      sequence: number;
      kind: string;
      orderId: string;
      arrivedAt: unknown;
      cashMinor: number;
    },
  ) => [stop.sequence, stop.kind, stop.orderId, stop.arrivedAt !== null, stop.cashMinor]);
  assert.deepEqual(brief, [
    [1, "dropoff", second, false, 500],
    [2, "pickup", first, false, 0],
    [3, "dropoff", first, false, 0],
    [4, "pickup", third, true, 0],
    [5, "dropoff", third, false, 0],
  ]);
  const early = await world.gateway.call("POST", road(first, "arrived"), {
    token: courier.token,
    body: { stop: "dropoff" },
  });
  assert.deepEqual([early.json?.["code"], early.json?.["state"]], [
    "order.transition_not_allowed",
    "placed",
  ]);
  await ask(world, courier, "POST", road(second, "failed-attempt"), { reason: "nobody home" });
  await ask(world, courier, "POST", road(second, "returning"), { reason: "second try failed" });
  const [back] = (await json(courier, "GET", "/api/v1/courier/stops")).items;
  assert.deepEqual([back.kind, back.orderId], ["return", second]);
  const events = await json(world.customer, "GET", `/api/v1/orders/${second}/events`);
  const reasons = events.items.map((event: { reason?: string }) => event.reason).filter(Boolean);
  assert.deepEqual(reasons, ["nobody home", "second try failed"]);
});

Deno.test("earnings are sums of the ledger by the region's day, week and month, and a late tip counts", async () => {
  const { sql } = world.stores;
  const { orderId, courier } = await acceptedOrder(world, parcelOrder({ tipMinor: 500 }));
  await deliver(orderId, courier);
  await json(world.customer, "POST", `/api/v1/orders/${orderId}/tip`, { tipMinor: 800 });
  const sums = { deliveries: 1, deliveryMinor: 290, tipMinor: 800, cancellationMinor: 0 };
  const today = { ...sums, totalMinor: 1090 };
  assert.deepEqual(await json(courier, "GET", "/api/v1/courier/earnings"), {
    currency: "SEK",
    timeZone: "Europe/Stockholm",
    today,
    week: today,
    month: today,
  });
  // One minute before the region's midnight is yesterday, whatever the day in UTC is.
  await sql`
    update courier_earnings set earned_at =
      date_trunc('day', clock_timestamp(), 'Europe/Stockholm') - interval '1 minute'
    where courier_id = ${courier.accountId} and kind = 'tip'`;
  const after = await json(courier, "GET", "/api/v1/courier/earnings");
  assert.deepEqual(after.today, { ...sums, tipMinor: 0, totalMinor: 290 });
});

Deno.test("stats tell acceptance, completion and stars, and nothing where there is nothing", async () => {
  const fresh = await newCourier(world);
  assert.deepEqual(await json(fresh, "GET", "/api/v1/courier/stats"), {
    days: 30,
    offers: 0,
    acceptanceRate: null,
    assignments: 0,
    completionRate: null,
    averageRating: null,
    ratings: 0,
  });
  const { orderId, courier } = await acceptedOrder(world, parcelOrder());
  await deliver(orderId, courier);
  const rated = await ask(
    world,
    world.customer,
    "POST",
    `/api/v1/orders/${orderId}/ratings/courier`,
    {
      stars: 4,
    },
  );
  assert.equal(rated.status, 204);
  const declined = await placed(world, parcelOrder());
  const offerId = await offer(world.dispatch, declined, courier.accountId);
  await ask(world, courier, "POST", `/api/v1/courier/offers/${offerId}/reject`, {});
  const left = await placed(world, parcelOrder());
  const taken = await offer(world.dispatch, left, courier.accountId);
  await ask(world, courier, "POST", `/api/v1/courier/offers/${taken}/accept`);
  await ask(world, courier, "POST", "/api/v1/courier/offline");
  const stats = await json(courier, "GET", "/api/v1/courier/stats");
  assert.deepEqual(stats, {
    days: 30,
    offers: 3,
    acceptanceRate: 2 / 3,
    assignments: 2,
    completionRate: 0.5,
    averageRating: 4,
    ratings: 1,
  });
});

Deno.test("planned shifts do not overlap, and their breaks and ends are timers that act", async () => {
  const { sql } = world.stores;
  const courier = await newCourier(world);
  const path = "/api/v1/courier/shifts";
  const shift = await json(courier, "POST", path, {
    startsAt: inHours(1),
    endsAt: inHours(9),
    breaks: [{ startsAt: inHours(4), endsAt: inHours(4.5) }],
  });
  assert.deepEqual((await timersOf(sql, shift.id)).map(({ kind }) => kind).sort(), [
    "shift.break_end",
    "shift.break_start",
    "shift.end",
  ]);
  const overlap = await world.gateway.call("POST", path, {
    token: courier.token,
    body: { startsAt: inHours(8), endsAt: inHours(10) },
  });
  assert.deepEqual([overlap.status, overlap.json?.["code"], overlap.json?.["shiftId"]], [
    409,
    "shift.overlaps",
    shift.id,
  ]);
  for (
    const body of [
      { startsAt: inHours(12), endsAt: inHours(11) },
      { startsAt: inHours(12), endsAt: inHours(37) },
      {
        startsAt: inHours(12),
        endsAt: inHours(14),
        breaks: [{ startsAt: inHours(13), endsAt: inHours(15) }],
      },
    ]
  ) {
    const answer = await world.gateway.call("POST", path, { token: courier.token, body });
    assert.equal(answer.json?.["code"], "request.invalid", JSON.stringify(body));
  }
  const status = async () => (await courierFacts(sql, courier.accountId)).status;
  await fireTimer(sql, "shift.break_start", shift.id);
  assert.equal(await status(), "paused");
  await fireTimer(sql, "shift.break_end", shift.id);
  assert.equal(await status(), "available");
  assert.deepEqual((await json(courier, "GET", path)).items.map(({ id }: { id: string }) => id), [
    shift.id,
  ]);
  await fireTimer(sql, "shift.end", shift.id);
  assert.equal(await status(), "offline");
});

Deno.test("a break's end does not bring back who paused by itself, and a dropped shift does nothing", async () => {
  const { sql } = world.stores;
  const courier = await newCourier(world);
  const plan = (from: number) => ({
    startsAt: inHours(from),
    endsAt: inHours(from + 2),
    breaks: [{ startsAt: inHours(from + 1), endsAt: inHours(from + 1.5) }],
  });
  const shift = await json(courier, "POST", "/api/v1/courier/shifts", plan(1));
  await ask(world, courier, "POST", "/api/v1/courier/pause");
  await fireTimer(sql, "shift.break_end", shift.id);
  assert.equal((await courierFacts(sql, courier.accountId)).status, "paused");
  const dropped = await json(courier, "POST", "/api/v1/courier/shifts", plan(5));
  assert.equal(
    (await ask(world, courier, "DELETE", `/api/v1/courier/shifts/${dropped.id}`)).status,
    204,
  );
  await ask(world, courier, "POST", "/api/v1/courier/online");
  await fireTimer(sql, "shift.end", dropped.id);
  assert.equal((await courierFacts(sql, courier.accountId)).status, "available");
  const again = await world.gateway.call("DELETE", `/api/v1/courier/shifts/${dropped.id}`, courier);
  assert.equal(again.json?.["code"], "shift.not_found");
});

Deno.test("a shift's end leaves a courier with orders paused, so that it finishes them", async () => {
  const { sql } = world.stores;
  const { orderId, courier } = await acceptedOrder(world, parcelOrder());
  const shift = await json(courier, "POST", "/api/v1/courier/shifts", {
    startsAt: inHours(1),
    endsAt: inHours(2),
  });
  await fireTimer(sql, "shift.end", shift.id);
  assert.equal((await courierFacts(sql, courier.accountId)).status, "paused");
  await deliver(orderId, courier);
});

Deno.test("the dispatcher's queue, alerts and actions over HTTP", async () => {
  const { sql } = world.stores;
  const { orderId, courier } = await acceptedOrder(world, soupOrder(world));
  await sql`update orders set status = 'ready_for_pickup' where id = ${orderId}`;
  await ask(world, courier, "POST", `/api/v1/courier/orders/${orderId}/picked-up`);
  await markSilent(sql, courier.accountId);
  const queue = async () =>
    (await json(dispatcher, "GET", "/api/v1/dispatcher/queue")).items
      .filter(({ id }: { id: string }) => id === orderId);
  const [queued] = await queue();
  assert.equal(queued.dispatch.attention, "courier_silent");
  const other = await newCourier(world);
  const reassign = `/api/v1/dispatcher/orders/${orderId}/reassign`;
  const body = { courierId: other.accountId, courierVersion: 1, reason: "no answer" };
  const early = await world.gateway.call("POST", reassign, { token: dispatcher.token, body });
  assert.deepEqual([early.status, early.json?.["code"]], [409, "order.courier_present"]);
  await sql`update couriers set status_changed_at = clock_timestamp() - interval '9 minutes'
    where id = ${courier.accountId}`;
  const order = await json(dispatcher, "POST", reassign, body);
  assert.equal(order.courier.id, other.accountId);
  assert.deepEqual(await queue(), []);
  const { items } = await json(dispatcher, "GET", "/api/v1/dispatcher/alerts?limit=2");
  assert.deepEqual(
    items.map((alert: Record<string, unknown>) => [
      alert["orderId"],
      alert["state"],
      alert["reason"],
    ]),
    [[orderId, "cleared", "courier_silent"], [orderId, "raised", "courier_silent"]],
  );
  // The customer sees that the courier changed, and nothing of the desk.
  const seen = await json(world.customer, "GET", `/api/v1/orders/${orderId}`);
  assert.equal(seen.dispatch, undefined);
  const told = JSON.stringify(
    await json(world.customer, "GET", `/api/v1/orders/${orderId}/events`),
  );
  assert.doesNotMatch(told, /attention|no answer/);
  const all = JSON.stringify(await json(dispatcher, "GET", `/api/v1/orders/${orderId}/events`));
  assert.match(all, /no answer/);
  const failed = await json(dispatcher, "POST", `/api/v1/dispatcher/orders/${orderId}/fail`, {
    reason: "lost",
  });
  assert.equal(failed.status, "failed");
});

Deno.test("an order's history outlives the outbox", async () => {
  const { sql } = world.stores;
  const orderId = await placed(world, parcelOrder());
  const path = `/api/v1/orders/${orderId}/events`;
  const before = await json(world.customer, "GET", path);
  const rows = await sql`delete from outbox where key = ${orderId} returning *`;
  assert.equal(rows.length, before.items.length);
  assert.deepEqual(await json(world.customer, "GET", path), before);
  await sql`delete from order_history where order_id = ${orderId}`;
  await sql`delete from timers where key = ${orderId}`;
  await sql`delete from orders where id = ${orderId}`;
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(world.stores.sql), []);
});
