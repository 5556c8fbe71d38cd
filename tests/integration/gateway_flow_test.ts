/** One order over HTTP from the shop to the door, and every step out of its turn. */
import assert from "node:assert/strict";
import { offer, setDeadline } from "../harness/dispatch_world.ts";
import type { Answer } from "../harness/gateway_app.ts";
import {
  acceptedOrder,
  ask,
  closeGatewayWorld,
  createGatewayWorld,
  DROPOFF,
  type GatewayWorld,
  newCourier,
  parcelOrder,
  placed,
  soupOrder,
} from "../harness/gateway_world.ts";
import {
  assignmentsOf,
  courierFacts,
  eventLines,
  everything,
  orderFacts,
} from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores } from "../harness/stores.ts";

const RACERS = 20;

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

/** The parts of an order's answer that move. */
function stateOf(answer: Answer) {
  const { status, version, stateTimes } = JSON.parse(answer.text);
  return { status, version, states: Object.keys(stateTimes).sort() };
}

/** Asserts that a step is refused with the state it met, and that nothing changed. */
async function refusesStep(
  by: { token: string },
  path: string,
  refusal: { detail: string; state: string; code?: string },
): Promise<void> {
  const before = await everything(world.stores.sql);
  const answer = await world.gateway.call("POST", path, { token: by.token, body: {} });
  assert.equal(answer.status, 409, `${path}: ${answer.text}`);
  const { code, detail, state } = JSON.parse(answer.text);
  assert.deepEqual({ code, detail, state }, { code: "order.transition_not_allowed", ...refusal });
  assert.deepEqual(await everything(world.stores.sql), before);
}

Deno.test("an order goes from the shop to the door, each party seeing every step", async () => {
  const { gateway, merchant, customer, stores } = world;
  const { sql } = stores;
  const id = await placed(world);
  const shop = `/api/v1/merchant/orders/${id}`;
  const waiting = await ask(world, merchant, "GET", "/api/v1/merchant/orders?status=placed");
  assert.ok(JSON.parse(waiting.text).items.some((item: { id: string }) => item.id === id));
  assert.deepEqual(stateOf(await ask(world, merchant, "POST", `${shop}/confirm`)), {
    status: "confirmed",
    version: 2,
    states: ["confirmed", "placed"],
  });

  const courier = await newCourier(world);
  const offerId = await offer(world.dispatch, id, courier.accountId);
  const offers = JSON.parse((await ask(world, courier, "GET", "/api/v1/courier/offers")).text);
  const { expiresAt, ...shown } = offers.items[0];
  assert.equal(offers.items.length, 1);
  assert.ok(Date.parse(expiresAt) > Date.now());
  assert.deepEqual(shown, {
    id: offerId,
    orderId: id,
    attempt: 1,
    distanceToPickupM: 420,
    distanceM: 1261,
    pickup: { lat: 57.7, lon: 11.9, address: "Main Street 1" },
    dropoff: DROPOFF,
  });
  const accepted = await ask(world, courier, "POST", `/api/v1/courier/offers/${offerId}/accept`);
  const assignment = JSON.parse(accepted.text);
  assert.equal(assignment.orderId, id);
  assert.equal(assignment.order.courier.id, courier.accountId);
  assert.deepEqual((await assignmentsOf(sql, id)).map((row) => row.id), [assignment.id]);
  const work = JSON.parse((await ask(world, courier, "GET", "/api/v1/courier/assignments")).text);
  assert.deepEqual(
    work.items.map((item: { id: string; orderId: string; order: { id: string } }) => [
      item.id,
      item.orderId,
      item.order.id,
    ]),
    [[assignment.id, id, id]],
  );
  const me = JSON.parse((await ask(world, courier, "GET", "/api/v1/courier/me")).text);
  assert.deepEqual(me, {
    id: courier.accountId,
    name: "Test courier",
    regionId: "testville",
    vehicle: "bicycle",
    capacity: 1,
    activeAssignments: 1,
    maxLoadG: null,
    skills: [],
    rating: 5,
    status: "busy",
    version: 2,
  });

  assert.equal(stateOf(await ask(world, merchant, "POST", `${shop}/prepare`)).status, "preparing");
  assert.equal(
    stateOf(await ask(world, merchant, "POST", `${shop}/ready`)).status,
    "ready_for_pickup",
  );
  const road = `/api/v1/courier/orders/${id}`;
  assert.equal(stateOf(await ask(world, courier, "POST", `${road}/picked-up`)).status, "picked_up");
  assert.equal(
    stateOf(await ask(world, courier, "POST", `${road}/in-transit`)).status,
    "in_transit",
  );
  const delivered = await ask(world, courier, "POST", `${road}/delivered`);
  assert.deepEqual(stateOf(delivered), {
    status: "delivered",
    version: 9,
    states: [
      "confirmed",
      "delivered",
      "in_transit",
      "picked_up",
      "placed",
      "preparing",
      "ready_for_pickup",
    ],
  });
  const seen = await gateway.call("GET", `/api/v1/orders/${id}`, customer);
  assert.deepEqual(stateOf(seen), stateOf(delivered));
  assert.deepEqual(
    JSON.parse((await ask(world, courier, "GET", "/api/v1/courier/assignments")).text),
    {
      items: [],
    },
  );
  assert.equal((await courierFacts(sql, courier.accountId)).status, "available");
  assert.equal((await eventLines(sql, id)).at(-1), "9 assignment.ended");
});

Deno.test("a parcel goes from door to door without a merchant", async () => {
  const { orderId, courier } = await acceptedOrder(world, parcelOrder());
  for (
    const [step, state] of [
      ["picked-up", "picked_up"],
      ["in-transit", "in_transit"],
      ["delivered", "delivered"],
    ] as const
  ) {
    const answer = await ask(world, courier, "POST", `/api/v1/courier/orders/${orderId}/${step}`);
    assert.equal(stateOf(answer).status, state);
  }
});

Deno.test("a step out of its turn is refused with the state it met", async () => {
  const id = await placed(world);
  const shop = `/api/v1/merchant/orders/${id}`;
  await refusesStep(world.merchant, `${shop}/ready`, {
    detail: "Cannot make ready: the order is placed",
    state: "placed",
  });
  await ask(world, world.merchant, "POST", `${shop}/confirm`);
  await refusesStep(world.merchant, `${shop}/confirm`, {
    detail: "Cannot confirm: the order is confirmed",
    state: "confirmed",
  });
  const { orderId, courier } = await acceptedOrder(world);
  const road = `/api/v1/courier/orders/${orderId}`;
  await refusesStep(courier, `${road}/picked-up`, {
    detail: "Cannot pick up: the order is confirmed",
    state: "confirmed",
  });
  await refusesStep(courier, `${road}/delivered`, {
    detail: "Cannot deliver: the order is confirmed",
    state: "confirmed",
  });
});

Deno.test("a courier who sends delivered again because the answer was lost learns that it is delivered", async () => {
  const { orderId, courier } = await acceptedOrder(world, parcelOrder());
  const road = `/api/v1/courier/orders/${orderId}`;
  for (const step of ["picked-up", "in-transit", "delivered"]) {
    await ask(world, courier, "POST", `${road}/${step}`);
  }
  await refusesStep(courier, `${road}/delivered`, {
    detail: "Cannot deliver: the order is delivered",
    state: "delivered",
  });
});

Deno.test("a customer may cancel while it is placed or confirmed, with a courier or without", async () => {
  const { sql } = world.stores;
  const cancel = async (id: string) =>
    stateOf(
      await ask(world, world.customer, "POST", `/api/v1/orders/${id}/cancel`, { reason: "hm" }),
    );
  assert.equal((await cancel(await placed(world))).status, "cancelled");
  const { orderId, courier } = await acceptedOrder(world);
  assert.deepEqual(await cancel(orderId), {
    status: "cancelled",
    version: 5,
    states: ["cancelled", "confirmed", "placed"],
  });
  assert.equal((await courierFacts(sql, courier.accountId)).activeAssignments, 0);
  assert.equal((await courierFacts(sql, courier.accountId)).status, "available");
});

Deno.test("a customer may not cancel once the kitchen has begun; the merchant may until the pickup", async () => {
  const { orderId, courier } = await acceptedOrder(world);
  const shop = `/api/v1/merchant/orders/${orderId}`;
  const cancel = `/api/v1/orders/${orderId}/cancel`;
  for (const [step, state] of [["prepare", "preparing"], ["ready", "ready_for_pickup"]] as const) {
    await ask(world, world.merchant, "POST", `${shop}/${step}`);
    await refusesStep(world.customer, cancel, {
      detail: `Cannot cancel: the order is ${state}`,
      state,
    });
  }
  await ask(world, courier, "POST", `/api/v1/courier/orders/${orderId}/picked-up`);
  for (const by of [world.customer, world.merchant]) {
    await refusesStep(by, cancel, {
      detail: "Cannot cancel: the order is picked_up",
      state: "picked_up",
    });
  }
  const other = await acceptedOrder(world);
  await ask(world, world.merchant, "POST", `/api/v1/merchant/orders/${other.orderId}/prepare`);
  const answer = await ask(
    world,
    world.merchant,
    "POST",
    `/api/v1/orders/${other.orderId}/cancel`,
    {},
  );
  assert.equal(stateOf(answer).status, "cancelled");
  for (const by of [world.customer, world.merchant]) {
    await refusesStep(by, `/api/v1/orders/${other.orderId}/cancel`, {
      detail: "Cannot cancel: the order is cancelled",
      state: "cancelled",
    });
  }
});

Deno.test("a cancelled order cannot be accepted, and is no longer offered", async () => {
  const id = await placed(world, parcelOrder());
  const courier = await newCourier(world);
  const offerId = await offer(world.dispatch, id, courier.accountId);
  await ask(world, world.customer, "POST", `/api/v1/orders/${id}/cancel`, {});
  assert.deepEqual(JSON.parse((await ask(world, courier, "GET", "/api/v1/courier/offers")).text), {
    items: [],
  });
  const answer = await world.gateway.call(
    "POST",
    `/api/v1/courier/offers/${offerId}/accept`,
    courier,
  );
  assert.equal(answer.status, 409);
  assert.equal(answer.json?.["code"], "offer.closed");
  assert.equal((await orderFacts(world.stores.sql, id)).status, "cancelled");
});

Deno.test("a late accept is refused, and a late offer is not shown", async () => {
  const id = await placed(world, parcelOrder());
  const courier = await newCourier(world);
  const offerId = await offer(world.dispatch, id, courier.accountId);
  await setDeadline(world.stores.sql, offerId, 0);
  assert.deepEqual(JSON.parse((await ask(world, courier, "GET", "/api/v1/courier/offers")).text), {
    items: [],
  });
  const answer = await world.gateway.call(
    "POST",
    `/api/v1/courier/offers/${offerId}/accept`,
    courier,
  );
  assert.equal(answer.status, 409);
  assert.equal(answer.json?.["code"], "offer.expired");
});

Deno.test("twenty accepts of one offer at once answer with one assignment", async () => {
  const id = await placed(world, parcelOrder());
  const courier = await newCourier(world);
  const offerId = await offer(world.dispatch, id, courier.accountId);
  const answers = await Promise.all(Array.from(
    { length: RACERS },
    () => world.gateway.call("POST", `/api/v1/courier/offers/${offerId}/accept`, courier),
  ));
  const ids = answers.map((answer) => `${answer.status} ${answer.json?.["id"]}`);
  const [assignment, ...others] = await assignmentsOf(world.stores.sql, id);
  assert.deepEqual(others, []);
  assert.deepEqual(ids, Array(RACERS).fill(`200 ${assignment?.id}`));
});

Deno.test("a busy courier is refused a second order over HTTP", async () => {
  const { sql } = world.stores;
  const id = await placed(world, parcelOrder());
  const courier = await newCourier(world);
  const offerId = await offer(world.dispatch, id, courier.accountId);
  await sql`update couriers set status = 'busy', active_assignments = 1 where id = ${courier.accountId}`;
  const answer = await world.gateway.call(
    "POST",
    `/api/v1/courier/offers/${offerId}/accept`,
    courier,
  );
  assert.equal(answer.status, 409);
  assert.equal(answer.json?.["code"], "courier.at_capacity");
  await sql`update couriers set status = 'available', active_assignments = 0
    where id = ${courier.accountId}`;
});

Deno.test("reject answers 204 without a body, repeats silently, and closes the offer", async () => {
  const id = await placed(world, parcelOrder());
  const courier = await newCourier(world);
  const offerId = await offer(world.dispatch, id, courier.accountId);
  const path = `/api/v1/courier/offers/${offerId}`;
  for (let time = 0; time < 2; time++) {
    const answer = await world.gateway.call("POST", `${path}/reject`, {
      token: courier.token,
      body: { reason: "too far" },
    });
    assert.deepEqual({ status: answer.status, text: answer.text }, { status: 204, text: "" });
  }
  const accepted = await world.gateway.call("POST", `${path}/accept`, courier);
  assert.equal(accepted.json?.["code"], "offer.closed");
  assert.equal(accepted.json?.["state"], "rejected");
});

Deno.test("a courier's shift over HTTP: online, pause, offline, and not while carrying", async () => {
  const { orderId, courier } = await acceptedOrder(world, parcelOrder());
  const shift = async (name: string) => {
    const { status, version } = JSON.parse(
      (await ask(world, courier, "POST", `/api/v1/courier/${name}`)).text,
    );
    return `${status} ${version}`;
  };
  assert.equal(await shift("pause"), "paused 3");
  assert.equal(await shift("online"), "busy 4");
  await ask(world, courier, "POST", `/api/v1/courier/orders/${orderId}/picked-up`);
  const refused = await world.gateway.call("POST", "/api/v1/courier/offline", courier);
  assert.equal(refused.status, 409);
  const { code, orderIds } = JSON.parse(refused.text);
  assert.deepEqual({ code, orderIds }, { code: "courier.carrying", orderIds: [orderId] });
  await ask(world, courier, "POST", `/api/v1/courier/orders/${orderId}/in-transit`);
  await ask(world, courier, "POST", `/api/v1/courier/orders/${orderId}/delivered`);
  assert.equal(await shift("offline"), "offline 6");
  assert.equal(await shift("offline"), "offline 6");
  const off = await world.gateway.call("POST", "/api/v1/courier/pause", courier);
  assert.equal(off.json?.["code"], "courier.off_shift");
});

Deno.test("an order whose courier leaves before the pickup is open for the next one", async () => {
  const { orderId, courier } = await acceptedOrder(world, soupOrder(world));
  await ask(world, courier, "POST", "/api/v1/courier/offline");
  const next = await newCourier(world);
  const offerId = await offer(world.dispatch, orderId, next.accountId);
  const answer = await ask(world, next, "POST", `/api/v1/courier/offers/${offerId}/accept`);
  assert.equal(JSON.parse(answer.text).order.courier.id, next.accountId);
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(world.stores.sql), []);
});
