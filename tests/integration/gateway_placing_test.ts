/** Ways to place an order over HTTP: external ids, batches, reorders, windows, contacts, cash. */
import assert from "node:assert/strict";
import { readOpenOrders } from "../../services/matcher/dispatch_store.ts";
import { REGION } from "../harness/fixtures.ts";
import { fieldsOf } from "../harness/gateway_app.ts";
import {
  acceptedOrder,
  ask,
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  parcelOrder,
  place,
  placed,
  soupOrder,
} from "../harness/gateway_world.ts";
import { fireTimer } from "../harness/keeper_timers.ts";
import { everything, timersOf } from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores } from "../harness/stores.ts";

const RACERS = 20;
const HOUR_MS = 60 * 60_000;
const CONTACT = { name: "Ann Marker", phone: "+46701234567" };

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

function inHours(hours: number): string {
  return new Date(Date.now() + hours * HOUR_MS).toISOString();
}

async function orderCount(): Promise<number> {
  const [row] = await world.stores.sql<{ n: number }[]>`select count(*)::int as n from orders`;
  return row?.n ?? 0;
}

Deno.test("an externalId leads the same body to the same order for ever, and another body to its id", async () => {
  const body = soupOrder(world, { externalId: "shop-1001" });
  const first = await place(world, body);
  assert.equal(first.status, 201, first.text);
  assert.equal(first.json?.["externalId"], "shop-1001");
  await world.stores.sql`update merchants set open = false`;
  const again = await place(world, body);
  await world.stores.sql`update merchants set open = true`;
  assert.equal(again.status, 200, again.text);
  assert.equal(again.headers.get("idempotent-replayed"), "true");
  assert.equal(again.json?.["id"], first.json?.["id"]);
  assert.deepEqual(again.json?.["tracking"], first.json?.["tracking"]);
  const other = await place(world, { ...body, tipMinor: 5 });
  assert.equal(other.status, 409);
  assert.equal(other.json?.["code"], "order.external_id_taken");
  assert.equal(other.json?.["orderId"], first.json?.["id"]);
  // It is the account's own name: another account may use it too.
  const by = await world.gateway.signIn("customer");
  assert.equal((await place(world, body, { by })).status, 201);
});

Deno.test("an externalId and an Idempotency-Key together answer as each would alone", async () => {
  const body = parcelOrder({ externalId: "both-1" });
  const first = await place(world, body, { key: "key-of-both" });
  assert.equal(first.status, 201);
  const sameKey = await place(world, body, { key: "key-of-both" });
  assert.deepEqual([sameKey.status, sameKey.json?.["id"]], [201, first.json?.["id"]]);
  const newKey = await place(world, body, { key: "another-key" });
  assert.deepEqual([newKey.status, newKey.json?.["id"]], [200, first.json?.["id"]]);
});

Deno.test("twenty posts of one externalId at once make one order; each answer is it or a request to wait", async () => {
  const before = await orderCount();
  const body = parcelOrder({ externalId: "race-1" });
  const answers = await Promise.all(Array.from({ length: RACERS }, () => place(world, body)));
  const ids = new Set(answers.filter(({ status }) => status < 300).map(({ json }) => json?.["id"]));
  assert.equal(ids.size, 1);
  for (const { status, json } of answers) {
    if (status >= 300) assert.equal(json?.["code"], "idempotency.in_progress");
  }
  assert.equal(await orderCount(), before + 1);
});

Deno.test("a batch answers for each order, places the good ones, and repeated places none", async () => {
  const before = await orderCount();
  const orders = [
    soupOrder(world, { externalId: "batch-1" }),
    soupOrder(world, { merchantId: crypto.randomUUID() }),
    parcelOrder(),
    parcelOrder({ dropoff: { lat: 10, lon: 10 } }),
  ];
  const send = () =>
    world.gateway.call("POST", "/api/v1/orders/batch", {
      token: world.customer.token,
      body: { orders },
      headers: { "idempotency-key": "k".repeat(255) },
    });
  const first = await send();
  assert.equal(first.status, 200, first.text);
  const brief = (text: string) =>
    JSON.parse(text).items.map((item: Record<string, { code?: string; id?: string }>) => [
      item["index"],
      item["status"],
      item["problem"]?.code ?? item["order"]?.id,
    ]);
  const [soup, , parcel] = brief(first.text);
  assert.deepEqual(brief(first.text), [
    [0, 201, soup?.[2]],
    [1, 404, "merchant.not_found"],
    [2, 201, parcel?.[2]],
    [3, 422, "order.outside_service_area"],
  ]);
  assert.equal(await orderCount(), before + 2);
  const again = await send();
  assert.deepEqual(brief(again.text), brief(first.text));
  assert.ok(JSON.parse(again.text).items.every((item: { replayed: boolean }) => item.replayed));
  assert.equal(await orderCount(), before + 2);
});

Deno.test("a batch of 100 full orders is taken, one of 101 and one of none are not", async () => {
  const note = "x".repeat(500);
  const send = (count: number) =>
    world.gateway.call("POST", "/api/v1/orders/batch", {
      token: world.customer.token,
      body: {
        orders: Array.from({ length: count }, () => parcelOrder({ note, dropoffNote: note })),
      },
    });
  const taken = await send(100);
  assert.equal(taken.status, 200);
  const statuses = JSON.parse(taken.text).items.map((item: { status: number }) => item.status);
  assert.deepEqual(statuses, Array(100).fill(201));
  for (const count of [0, 101]) {
    assert.equal((await send(count)).json?.["code"], "request.invalid");
  }
  const twice = await world.gateway.call("POST", "/api/v1/orders/batch", {
    token: world.customer.token,
    body: { orders: [1, 2].map(() => parcelOrder({ externalId: "twice" })) },
  });
  assert.deepEqual(fieldsOf(twice), ["orders.1.externalId must be in the batch only once"]);
});

Deno.test("only the batch takes a large body", async () => {
  const body = JSON.stringify({ orders: [parcelOrder({ note: "x".repeat(1_100_000) })] });
  const large = await world.gateway.call("POST", "/api/v1/orders/batch", {
    token: world.customer.token,
    body,
  });
  assert.equal(large.json?.["code"], "request.too_large");
  const single = await place(world, JSON.stringify(parcelOrder({ note: "x".repeat(70_000) })));
  assert.equal(single.json?.["code"], "request.too_large");
});

Deno.test("a reorder asks for the same things at today's prices, and only its customer may", async () => {
  const { sql } = world.stores;
  const id = await placed(world, soupOrder(world, { note: "ring", tipMinor: 300 }));
  await sql`update menu_items set price_minor = 10000 where id = ${world.merchant.menuItemId}`;
  const path = `/api/v1/orders/${id}/reorder`;
  const { token } = world.customer;
  const headers = { "idempotency-key": "reorder-1" };
  const answer = await world.gateway.call("POST", path, { token, body: {}, headers });
  assert.equal(answer.status, 201, answer.text);
  assert.notEqual(answer.json?.["id"], id);
  assert.equal(answer.json?.["note"], "ring");
  assert.deepEqual(answer.json?.["priceMinor"], {
    items: 20_000,
    delivery: 362,
    tip: 0,
    total: 20_362,
  });
  const again = await world.gateway.call("POST", path, { token, body: {}, headers });
  assert.equal(again.json?.["id"], answer.json?.["id"]);
  await sql`update menu_items set price_minor = 9500 where id = ${world.merchant.menuItemId}`;
  for (const by of [world.merchant, await world.gateway.signIn("customer")]) {
    const refused = await world.gateway.call("POST", path, { token: by.token, body: {} });
    assert.equal(refused.json?.["code"], "order.not_found");
  }
});

Deno.test("an order in a window is visible at once, and dispatched from its release on", async () => {
  const { sql } = world.stores;
  const window = { startsAt: inHours(5), endsAt: inHours(6) };
  const answer = await place(world, parcelOrder({ window }));
  assert.equal(answer.status, 201, answer.text);
  const id = String(answer.json?.["id"]);
  const order = JSON.parse(answer.text);
  assert.deepEqual([order.status, order.hold, order.window], ["placed", "scheduled", window]);
  assert.equal(order.estimatedDeliveryAt, window.startsAt);
  const leadMs = Date.parse(window.startsAt) - Date.parse(order.releaseAt);
  assert.ok(leadMs > 5 * 60_000 && leadMs < 30 * 60_000, `${leadMs} ms before the window`);
  assert.deepEqual((await timersOf(sql, id)).map(({ kind }) => kind), ["order.release"]);
  assert.deepEqual(await readOpenOrders(sql, REGION, 0, [id]), []);
  await fireTimer(sql, "order.release", id);
  assert.equal((await readOpenOrders(sql, REGION, 0, [id])).length, 1);
  const read = await ask(world, world.customer, "GET", `/api/v1/orders/${id}`);
  assert.equal(read.json?.["hold"], null);
});

Deno.test("a window that cannot be met names its field, bound and value", async () => {
  const window = { startsAt: inHours(5), endsAt: inHours(5.1) };
  const answer = await place(world, parcelOrder({ window }));
  assert.equal(answer.status, 422);
  assert.deepEqual(JSON.parse(answer.text).errors, [{
    field: "window.endsAt",
    bound: "must be 15 min to 24 h after window.startsAt",
    value: window.endsAt,
  }]);
});

Deno.test("contacts and notes reach the parties, the courier only while it has the order, and no log", async () => {
  const body = parcelOrder({
    pickupContact: { name: "Store" },
    dropoffContact: CONTACT,
    pickupNote: "back door",
    dropoffNote: "third floor",
    size: { lengthCm: 30, widthCm: 20, heightCm: 10 },
    weightG: 1200,
  });
  const { orderId, courier } = await acceptedOrder(world, body);
  const read = async (by: { token: string }) =>
    JSON.parse((await ask(world, by, "GET", `/api/v1/orders/${orderId}`)).text);
  for (const by of [world.customer, courier]) {
    const { pickup, dropoff, parcel } = await read(by);
    assert.deepEqual([pickup.note, pickup.contact], ["back door", { name: "Store" }]);
    assert.deepEqual([dropoff.note, dropoff.contact], ["third floor", CONTACT]);
    assert.equal(parcel.weightG, 1200);
  }
  const road = `/api/v1/courier/orders/${orderId}`;
  for (const step of ["picked-up", "in-transit", "delivered"]) {
    await ask(world, courier, "POST", `${road}/${step}`);
  }
  assert.equal((await read(courier)).dropoff.contact, undefined);
  assert.deepEqual((await read(world.customer)).dropoff.contact, CONTACT);
  const told = JSON.stringify((await everything(world.stores.sql))["outbox"]);
  for (const text of [told, world.gateway.logLines.join("\n")]) {
    assert.doesNotMatch(text, /Ann Marker|\+46701234567/);
  }
});

Deno.test("cash on delivery is shown, asked for and kept", async () => {
  const { orderId, courier } = await acceptedOrder(
    world,
    parcelOrder({ cashOnDeliveryMinor: 25_000 }),
  );
  const road = `/api/v1/courier/orders/${orderId}`;
  for (const step of ["picked-up", "in-transit"]) {
    await ask(world, courier, "POST", `${road}/${step}`);
  }
  const refused = await world.gateway.call("POST", `${road}/delivered`, courier);
  assert.deepEqual([refused.status, refused.json?.["code"]], [422, "order.cash_required"]);
  const body = { cashCollectedMinor: 25_000 };
  const answer = await ask(world, courier, "POST", `${road}/delivered`, body);
  assert.deepEqual(answer.json?.["cashOnDelivery"], {
    amountMinor: 25_000,
    collectedMinor: 25_000,
  });
});

Deno.test("what a placement may hold is bounded, and what decides is not for the caller", async () => {
  const before = await orderCount();
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ externalId: "" }, /^externalId/],
    [{ externalId: "x".repeat(101) }, /^externalId/],
    [{ dropoffContact: { name: "A", phone: "070-123" } }, /^dropoffContact\.phone must be E\.164/],
    [{ dropoffContact: { phone: "+46701234567" } }, /^dropoffContact\.name/],
    [{ weightG: 0 }, /^weightG/],
    [{ size: { lengthCm: 1, widthCm: 1, heightCm: 501 } }, /^size\.heightCm/],
    [{ requiredVehicles: ["rocket"] }, /^requiredVehicles\.0/],
    [{ requiredSkills: ["Not A Skill"] }, /^requiredSkills\.0/],
    [{ cashOnDeliveryMinor: -1 }, /^cashOnDeliveryMinor/],
    [{ cashOnDeliveryMinor: 1e308 }, /^cashOnDeliveryMinor/],
    [{ window: { startsAt: "soon", endsAt: "later" } }, /^window/],
    [{ mode: "test" }, /mode/],
    [{ status: "delivered" }, /status/],
    [{ courierId: crypto.randomUUID() }, /courierId/],
    [{ deliveryMinor: 0 }, /deliveryMinor/],
    [{ hold: null }, /hold/],
  ];
  for (const [changes, field] of refused) {
    const answer = await place(world, parcelOrder(changes));
    assert.equal(answer.json?.["code"], "request.invalid", JSON.stringify(changes));
    assert.match(fieldsOf(answer).join("; "), field);
  }
  assert.equal(await orderCount(), before);
});

Deno.test("a list filters by merchant, external id and time, and its cursor is stable while orders come in", async () => {
  const by = await world.gateway.signIn("customer");
  const ids: string[] = [];
  for (let index = 0; index < 5; index++) {
    const body = parcelOrder({ externalId: `list-${index}` });
    ids.push(String((await place(world, body, { by })).json?.["id"]));
  }
  const soup = String((await place(world, soupOrder(world), { by })).json?.["id"]);
  const list = async (query: string) => {
    const answer = await ask(world, by, "GET", `/api/v1/orders?${query}`);
    const { items, nextCursor } = JSON.parse(answer.text);
    return { ids: items.map(({ id }: { id: string }) => id) as string[], nextCursor };
  };
  assert.deepEqual((await list("externalId=list-3")).ids, [ids[3]]);
  assert.deepEqual((await list(`merchantId=${world.merchant.merchantId}`)).ids, [soup]);
  assert.deepEqual((await list(`to=${inHours(-1)}`)).ids, []);
  assert.equal((await list(`from=${inHours(-1)}&to=${inHours(1)}`)).ids.length, 6);
  const first = await list("limit=4");
  assert.equal(typeof first.nextCursor, "string");
  await place(world, parcelOrder(), { by });
  const second = await list(`limit=4&cursor=${first.nextCursor}`);
  assert.deepEqual([...first.ids, ...second.ids].sort(), [...ids, soup].sort());
  assert.equal(second.nextCursor, null);
  const forbidden = await world.gateway.call(
    "GET",
    `/api/v1/orders?courierId=${crypto.randomUUID()}`,
    by,
  );
  assert.equal(forbidden.json?.["code"], "auth.forbidden");
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(world.stores.sql), []);
});
