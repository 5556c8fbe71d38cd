/** Placing, reading and listing orders over HTTP: the exact answers and what stands in Postgres. */
import assert from "node:assert/strict";
import { hashToken, hexOf } from "shared/auth/token.ts";
import type { Route, Router, RoutingRefusal } from "shared/routing/router.ts";
import { insertAccount, insertMerchant } from "../harness/fixtures.ts";
import { PUBLIC_URL, startGateway } from "../harness/gateway_app.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  DROPOFF,
  type GatewayWorld,
  parcelOrder,
  place,
  placed,
  soupOrder,
} from "../harness/gateway_world.ts";
import { eventLines, everything, orderFacts, timersOf } from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores } from "../harness/stores.ts";

/** 299 + 50 a kilometre for 1,260.7 m, worked out apart from the product. */
const FEE = 362;
const DISTANCE_M = 1_261;
const SLACK_MS = 5_000;

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

Deno.test("POST /orders answers 201 with the whole order, priced from the menu and the distance", async () => {
  const startedMs = Date.now();
  const dropoff = { ...DROPOFF, address: "Door Street 2" };
  const body = soupOrder(world, { dropoff, tipMinor: 1000, note: "Ring twice" });
  const answer = await place(world, body);
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.headers.get("content-type"), "application/json");
  assert.equal(answer.headers.get("cache-control"), "private, no-store");
  const json: Record<string, unknown> = JSON.parse(answer.text);
  const { id, placedAt, estimatedDeliveryAt, stateTimes, tracking, ...rest } = json;
  assert.deepEqual(rest, {
    externalId: null,
    kind: "marketplace",
    mode: "live",
    status: "placed",
    version: 1,
    regionId: "testville",
    merchantId: world.merchant.merchantId,
    parcel: null,
    window: null,
    releaseAt: null,
    hold: null,
    cashOnDelivery: null,
    cancellation: null,
    items: [{
      menuItemId: world.merchant.menuItemId,
      name: "Soup",
      quantity: 2,
      priceMinor: 9500,
    }],
    note: "Ring twice",
    pickup: { lat: 57.7, lon: 11.9, address: "Main Street 1" },
    dropoff,
    distanceM: DISTANCE_M,
    priceMinor: { items: 19_000, delivery: FEE, tip: 1000, total: 20_362 },
    price: {
      parts: [
        { kind: "items", label: "Items", amountMinor: 19_000 },
        { kind: "delivery_base", label: "Delivery", amountMinor: 299 },
        { kind: "distance", label: "Distance 1.3 km", amountMinor: FEE - 299 },
        { kind: "tip", label: "Tip", amountMinor: 1000 },
      ],
      totalMinor: 20_362,
      currency: "SEK",
    },
    quoteId: null,
    currency: "SEK",
    courier: null,
  });
  const placedMs = Date.parse(String(placedAt));
  assert.ok(Math.abs(placedMs - startedMs) < SLACK_MS);
  // 6 min until a courier is at the pickup, 2 min of handing over, 1,260.7 m at 30 km/h.
  const estimateS = (Date.parse(String(estimatedDeliveryAt)) - placedMs) / 1000;
  assert.ok(Math.abs(estimateS - 631.3) < 3, `estimated in ${estimateS} s`);
  assert.deepEqual(Object.keys(stateTimes as object), ["placed"]);
  const { url, token } = tracking as { url: string; token: string };
  assert.equal(url, `${PUBLIC_URL}/t/${id}#${token}`);
  assert.match(token, /^[A-Za-z0-9_-]{43}$/);
});

Deno.test("POST /orders commits order, deadlines and one event before it answers", async () => {
  const { sql } = world.stores;
  const answer = await place(world, soupOrder(world));
  const id = String(answer.json?.["id"]);
  const [row] = await sql`
    select region, shard, kind, status, version, customer_id, merchant_id, items_minor,
      delivery_minor, tip_minor, offers_made, encode(tracking_token_hash, 'hex') as token_hash
    from orders where id = ${id}`;
  const token = String(answer.json?.["tracking"]?.["token"]);
  assert.deepEqual({ ...row }, {
    region: "testville",
    shard: 0,
    kind: "marketplace",
    status: "placed",
    version: 1,
    customerId: world.customer.accountId,
    merchantId: world.merchant.merchantId,
    itemsMinor: 19_000,
    deliveryMinor: FEE,
    tipMinor: 0,
    offersMade: 0,
    tokenHash: hexOf(await hashToken(token)),
  });
  assert.deepEqual(await eventLines(sql, id), ["1 order.placed"]);
  assert.deepEqual((await timersOf(sql, id)).map(({ kind }) => kind), [
    "order.expire",
    "order.unconfirmed",
  ]);
  assert.deepEqual(Object.keys((await orderFacts(sql, id)).stateTimes), ["placed"]);
});

Deno.test("POST /orders takes a parcel, which has no merchant, no items and no items price", async () => {
  const pickup = { lat: 57.72, lon: 11.85 };
  const answer = await place(world, parcelOrder({ pickup, dropoff: { lat: 57.66, lon: 11.95 } }));
  assert.equal(answer.status, 201, answer.text);
  const json: Record<string, unknown> = JSON.parse(answer.text);
  assert.deepEqual(
    [json["kind"], json["merchantId"], json["items"], json["note"], json["pickup"]],
    ["parcel", null, [], null, pickup],
  );
  assert.equal(json["distanceM"], 8935);
  assert.deepEqual(json["priceMinor"], { items: 0, delivery: 746, tip: 0, total: 746 });
});

Deno.test("prices are integers of the menu at that moment, and later changes do not touch an order", async () => {
  const { sql } = world.stores;
  const merchant = await insertMerchant(sql);
  const [stew, bread] = [crypto.randomUUID(), crypto.randomUUID()];
  await sql`insert into menu_items (id, merchant_id, name, price_minor) values
    (${stew}, ${merchant.merchantId}, 'Stew', 12345), (${bread}, ${merchant.merchantId}, 'Bread', 1)`;
  const items = [
    { menuItemId: stew, quantity: 99 },
    { menuItemId: bread, quantity: 1 },
    { menuItemId: stew, quantity: 1 },
  ];
  const id = await placed(world, soupOrder(world, { merchantId: merchant.merchantId, items }));
  await sql`update menu_items set price_minor = 1, name = 'Old stew' where id = ${stew}`;
  const answer = await world.gateway.call("GET", `/api/v1/orders/${id}`, world.customer);
  assert.deepEqual({ ...answer.json?.["priceMinor"] }, {
    items: 1_234_501,
    delivery: FEE,
    tip: 0,
    total: 1_234_863,
  });
  const names = JSON.parse(answer.text).items.map((item: { name: string }) => item.name);
  assert.deepEqual(names, ["Stew", "Bread", "Stew"]);
});

Deno.test("the largest basket of dear things is priced or refused, and never an error", async () => {
  const { sql } = world.stores;
  const merchant = await insertMerchant(sql);
  await sql`update menu_items set price_minor = 1000000 where id = ${merchant.menuItemId}`;
  const line = { menuItemId: merchant.menuItemId, quantity: 99 };
  const answer = await place(
    world,
    soupOrder(world, { merchantId: merchant.merchantId, items: Array(50).fill(line) }),
  );
  // 50 x 99 x 10,000.00 is more than the column's 21 million: either wider columns or a bound.
  if (answer.status === 201) assert.equal(answer.json?.["priceMinor"]?.["items"], 4_950_000_000);
  else assert.equal(answer.status, 422, answer.text);
});

/** A gateway whose streets answer every route like this. */
async function withRouter(
  answer: Route | RoutingRefusal,
  use: (routed: GatewayWorld) => Promise<void>,
): Promise<void> {
  const refused = { ok: false, code: "no_route", router: "embedded" } as const;
  const router: Router = {
    name: "embedded",
    route: () => Promise.resolve(answer),
    nearest: () => Promise.resolve(refused),
    table: () => Promise.resolve(refused),
  };
  const streets = new Map([
    ["testville", { router, mapGzip: new Uint8Array(), mapTag: `"none"`, attribution: "nobody" }],
  ]);
  const gateway = startGateway(world.stores, { streets });
  try {
    await use({ ...world, gateway });
  } finally {
    gateway.close();
  }
}

Deno.test("where the streets are known, distance and fee are those of the way", async () => {
  const way: Route = {
    ok: true,
    distanceM: 2_499.6,
    durationS: 300,
    points: [DROPOFF, DROPOFF],
    fromSnapM: 0,
    toSnapM: 0,
    router: "embedded",
  };
  await withRouter(way, async (routed) => {
    const { distanceM, priceMinor } = JSON.parse((await place(routed, soupOrder(routed))).text);
    assert.deepEqual({ distanceM, delivery: priceMinor.delivery }, {
      distanceM: 2_500,
      delivery: 424,
    });
  });
});

Deno.test("an end that no street leads to is outside the served area, and which end is said", async () => {
  const base = { ok: false, router: "embedded" } as const;
  for (
    const [refusal, field, reason] of [
      [{ ...base, code: "no_street_near", end: "from" }, "pickup", "no street near"],
      [{ ...base, code: "no_street_near", end: "to" }, "dropoff", "no street near"],
      [{ ...base, code: "no_route" }, "dropoff", "no route"],
    ] as const
  ) {
    await withRouter(refusal, async (routed) => {
      const before = await everything(world.stores.sql);
      const answer = await place(routed, parcelOrder());
      assert.equal(answer.status, 422, answer.text);
      const { code, field: end, detail } = JSON.parse(answer.text);
      assert.deepEqual({ code, field: end, detail }, {
        code: "order.outside_service_area",
        field,
        detail: `Cannot place the order: ${field} must be reachable by street: ${reason}`,
      });
      assert.deepEqual(await everything(world.stores.sql), before);
    });
  }
});

Deno.test("a router that is away does not stop orders: the straight line stands in", async () => {
  await withRouter(
    { ok: false, code: "router_unavailable", router: "embedded" },
    async (routed) => {
      const answer = await place(routed, soupOrder(routed));
      assert.equal(answer.status, 201, answer.text);
      assert.equal(answer.json?.["distanceM"], DISTANCE_M);
    },
  );
});

Deno.test("GET /orders/:id shows the order without the link's secret", async () => {
  const answer = await place(world, soupOrder(world));
  const id = String(answer.json?.["id"]);
  const read = await world.gateway.call("GET", `/api/v1/orders/${id}`, world.customer);
  assert.equal(read.status, 200);
  assert.equal(read.headers.get("cache-control"), "private, no-store");
  const expected = JSON.parse(answer.text);
  expected.tracking = { url: `${PUBLIC_URL}/t/${id}` };
  assert.deepEqual(JSON.parse(read.text), expected);
});

Deno.test("GET /orders pages through a customer's own orders, the newest first, without gap or repeat", async () => {
  const customer = await world.gateway.signIn("customer");
  const ids: string[] = [];
  for (let index = 0; index < 5; index++) {
    const answer = await place(world, parcelOrder(), { by: customer });
    ids.unshift(String(answer.json?.["id"]));
  }
  const seen: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 4; page++) {
    const query = cursor === undefined ? "limit=2" : `limit=2&cursor=${cursor}`;
    const answer = await world.gateway.call("GET", `/api/v1/orders?${query}`, customer);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("cache-control"), "private, no-store");
    const { items, nextCursor } = JSON.parse(answer.text);
    seen.push(...items.map((item: { id: string }) => item.id));
    if (nextCursor === null) break;
    cursor = nextCursor;
  }
  // Ids of one millisecond are not ordered among themselves, so only the set is exact.
  assert.deepEqual([...seen].sort(), [...ids].sort());
  assert.deepEqual(seen, [...seen].sort().reverse());
  assert.equal(new Set(seen).size, 5);
});

Deno.test("GET /orders filters by status and refuses what is no status, limit or cursor", async () => {
  const customer = await world.gateway.signIn("customer");
  await place(world, parcelOrder(), { by: customer });
  const list = async (query: string) =>
    await world.gateway.call("GET", `/api/v1/orders?${query}`, customer);
  assert.equal(JSON.parse((await list("status=placed")).text).items.length, 1);
  assert.deepEqual(JSON.parse((await list("status=delivered")).text), {
    items: [],
    nextCursor: null,
  });
  for (
    const query of [
      "status=lost",
      "limit=0",
      "limit=101",
      "limit=-1",
      "limit=1.5",
      "limit=ten",
      "limit=",
      "cursor=1",
      "cursor=%00",
      "colour=red",
      "limit=1&limit=2",
    ]
  ) {
    const answer = await list(query);
    assert.equal(answer.json?.["code"], "request.invalid", `${query}: ${answer.text}`);
  }
});

Deno.test("GET /orders/:id/events tells the order's history to its customer", async () => {
  const id = await placed(world);
  const token = world.merchant.token;
  await world.gateway.call("POST", `/api/v1/merchant/orders/${id}/confirm`, { token });
  const answer = await world.gateway.call("GET", `/api/v1/orders/${id}/events`, world.customer);
  assert.equal(answer.status, 200);
  const { items } = JSON.parse(answer.text);
  assert.deepEqual(items.map((item: { type: string }) => item.type), [
    "order.placed",
    "order.status_changed",
    "order.confirmed",
  ]);
  assert.deepEqual(Object.keys(items[0]).sort(), ["actor", "data", "id", "occurredAt", "type"]);
  assert.deepEqual(items.map((item: { actor: unknown }) => item.actor), [
    { role: "customer" },
    { role: "merchant" },
    { role: "merchant" },
  ]);
});

Deno.test("a dispatcher and a shop may place an order, a courier may not, nor a shop for another's goods", async () => {
  const dispatcher = await world.gateway.signIn("dispatcher");
  assert.equal((await place(world, parcelOrder(), { by: dispatcher })).status, 201);
  for (const body of [parcelOrder(), soupOrder(world)]) {
    assert.equal((await place(world, body, { by: world.merchant })).status, 201);
  }
  const other = await world.gateway.signIn("merchant");
  const courier = await insertAccount(world.stores.sql, "courier");
  const token = await world.gateway.tokenOf(courier);
  for (
    const [by, body] of [
      [{ accountId: courier, token }, parcelOrder()],
      [other, soupOrder(world)],
    ] as const
  ) {
    const answer = await place(world, body, { by });
    assert.equal(answer.json?.["code"], "auth.forbidden");
  }
  assert.equal(
    (await world.gateway.call("POST", "/api/v1/orders", { body: parcelOrder() })).status,
    401,
  );
});

Deno.test("what anybody may read may be cached, what is private may not", async () => {
  const { merchantId } = world.merchant;
  for (
    const path of [
      "/api/v1/regions",
      "/api/v1/merchants",
      `/api/v1/merchants/${merchantId}`,
      `/api/v1/merchants/${merchantId}/menu`,
    ]
  ) {
    const answer = await world.gateway.call("GET", path);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("cache-control") ?? "", /^public, s-maxage=30/);
  }
  for (const path of ["/api/v1/me", "/api/v1/orders"]) {
    const answer = await world.gateway.call("GET", path, world.customer);
    assert.equal(answer.headers.get("cache-control"), "private, no-store");
  }
});

Deno.test("GET /merchants finds by distance, and menus show prices with their currency", async () => {
  const near = await world.gateway.call(
    "GET",
    "/api/v1/merchants?lat=57.71&lon=11.91&radiusM=2000",
  );
  const items = JSON.parse(near.text).items as { id: string; distanceM: number }[];
  const own = items.find(({ id }) => id === world.merchant.merchantId);
  assert.equal(own?.distanceM, DISTANCE_M);
  const far = await world.gateway.call("GET", "/api/v1/merchants?lat=57.71&lon=11.91&radiusM=1000");
  assert.deepEqual(JSON.parse(far.text), { items: [], nextCursor: null });
  const menu = await world.gateway.call(
    "GET",
    `/api/v1/merchants/${world.merchant.merchantId}/menu`,
  );
  assert.deepEqual(JSON.parse(menu.text), {
    items: [{
      id: world.merchant.menuItemId,
      name: "Soup",
      description: "",
      categoryId: null,
      sortOrder: 0,
      priceMinor: 9500,
      available: true,
      optionGroups: [],
      currency: "SEK",
    }],
    categories: [],
  });
  const half = await world.gateway.call("GET", "/api/v1/merchants?lat=57.71");
  assert.equal(half.json?.["code"], "request.invalid");
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(world.stores.sql), []);
});
