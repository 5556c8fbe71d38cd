/** Quotes: what they answer, and that one holds its price for one order and for 15 minutes. */
import assert from "node:assert/strict";
import { insertMerchant } from "../harness/fixtures.ts";
import { type Answer, startGateway } from "../harness/gateway_app.ts";
import { assertRefused, type Expected, INVALID, invalid } from "../harness/gateway_refusals.ts";
import {
  ask,
  closeGatewayWorld,
  createGatewayWorld,
  DROPOFF,
  type GatewayWorld,
  type Person,
  place,
} from "../harness/gateway_world.ts";
import { everything } from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores } from "../harness/stores.ts";

/** 299 + 50 a kilometre for 1,261 m. */
const FEE = 362;
const QUOTE_MS = 15 * 60_000;
const SLACK_MS = 5_000;

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

function soup(changes: Record<string, unknown> = {}) {
  const { merchantId, menuItemId } = world.merchant;
  const items = [{ menuItemId, quantity: 2 }];
  return { kind: "marketplace", merchantId, items, dropoff: DROPOFF, ...changes };
}

function parcel(changes: Record<string, unknown> = {}) {
  return { kind: "parcel", pickup: { lat: 57.7, lon: 11.9 }, dropoff: DROPOFF, ...changes };
}

async function askQuote(body: unknown, by: Person = world.customer): Promise<Answer> {
  return await world.gateway.call("POST", "/api/v1/quotes", { token: by.token, body });
}

async function quoted(body: unknown = soup(), by: Person = world.customer): Promise<string> {
  const answer = await askQuote(body, by);
  assert.equal(answer.status, 201, answer.text);
  return String(answer.json?.["id"]);
}

async function refusesOrder(body: unknown, expected: Expected, by?: Person): Promise<Answer> {
  const before = await everything(world.stores.sql);
  const answer = await place(world, body, by === undefined ? {} : { by });
  assertRefused(answer, expected, JSON.stringify(body).slice(0, 300));
  assert.deepEqual(await everything(world.stores.sql), before);
  return answer;
}

Deno.test("POST /quotes answers a price in parts, the way, and arrival times marked as estimated", async () => {
  const startedMs = Date.now();
  const answer = await askQuote(soup({ tipMinor: 500 }));
  assert.equal(answer.status, 201, answer.text);
  const { id, createdAt, validUntil, eta, ...rest } = JSON.parse(answer.text);
  assert.deepEqual(rest, {
    serviceable: true,
    regionId: "testville",
    price: {
      parts: [
        { kind: "items", label: "Items", amountMinor: 19_000 },
        { kind: "delivery_base", label: "Delivery", amountMinor: 299 },
        { kind: "distance", label: "Distance 1.3 km", amountMinor: FEE - 299 },
        { kind: "tip", label: "Tip", amountMinor: 500 },
      ],
      totalMinor: 19_000 + FEE + 500,
      currency: "SEK",
    },
    items: [{
      menuItemId: world.merchant.menuItemId,
      name: "Soup",
      quantity: 2,
      priceMinor: 9_500,
    }],
    distanceM: 1_261,
  });
  assert.match(id, /^[0-9a-f-]{36}$/);
  const createdMs = Date.parse(createdAt);
  assert.ok(Math.abs(createdMs - startedMs) < SLACK_MS);
  assert.equal(Date.parse(validUntil) - createdMs, QUOTE_MS);
  // 6 min until a courier is at the pickup, 2 min of handing over, 1,260.7 m at 30 km/h.
  const p50S = (Date.parse(eta.p50At) - createdMs) / 1_000;
  const p90S = (Date.parse(eta.p90At) - createdMs) / 1_000;
  assert.equal(eta.estimated, true);
  assert.ok(Math.abs(p50S - 631.3) < 3, `p50 in ${p50S} s`);
  assert.ok(Math.abs(p90S - 1.5 * p50S) < 3, `p90 in ${p90S} s`);
});

Deno.test("POST /quotes for a parcel has no items and no items part", async () => {
  const answer = await askQuote(parcel());
  assert.equal(answer.status, 201, answer.text);
  const { items, price } = JSON.parse(answer.text);
  assert.deepEqual(items, []);
  assert.deepEqual(price.parts.map(({ kind }: { kind: string }) => kind), [
    "delivery_base",
    "distance",
  ]);
  assert.equal(price.totalMinor, FEE);
});

Deno.test("what cannot be done now is an answer, 200, with the code of the refusal, and nothing is stored", async () => {
  const { sql } = world.stores;
  const closed = await insertMerchant(sql);
  const pausedUntil = new Date(Date.now() + 600_000);
  await sql`
    update merchants set paused_until = ${pausedUntil} where id = ${closed.merchantId}`;
  const soldOut = await insertMerchant(sql);
  await sql`update menu_items set available = false where id = ${soldOut.menuItemId}`;
  const of = ({ merchantId, menuItemId }: { merchantId: string; menuItemId: string }) =>
    soup({ merchantId, items: [{ menuItemId, quantity: 1 }] });
  const cases: [unknown, Record<string, unknown>][] = [
    [of(closed), { code: "merchant.closed", opensAt: pausedUntil.toISOString() }],
    [of(soldOut), { code: "menu_item.unavailable" }],
    [soup({ dropoff: { lat: 10, lon: 10 } }), {
      code: "order.outside_service_area",
      field: "dropoff",
    }],
    [
      parcel({ pickup: { lat: 10, lon: 10 } }),
      { code: "order.outside_service_area", field: "pickup" },
    ],
  ];
  for (const [body, reason] of cases) {
    const before = await everything(sql);
    const answer = await askQuote(body);
    assert.equal(answer.status, 200, answer.text);
    const { serviceable, reason: { title, detail, ...rest } } = JSON.parse(answer.text);
    assert.equal(serviceable, false);
    assert.deepEqual(rest, reason);
    assert.ok(title.length > 0 && detail.length > 0);
    assert.deepEqual(await everything(sql), before);
  }
});

Deno.test("what is asked wrongly is a problem with field, bound and value, and nothing is stored", async () => {
  const nobody = crypto.randomUUID();
  const { menuItemId } = world.merchant;
  const cases: [unknown, Expected][] = [
    [soup({ merchantId: nobody }), { status: 404, code: "merchant.not_found" }],
    [soup({ items: [{ menuItemId: nobody, quantity: 1 }] }), {
      status: 422,
      code: "menu_item.not_found",
    }],
    [soup({ items: [] }), invalid("items must be >= 1 entries")],
    [soup({ items: Array(51).fill({ menuItemId, quantity: 1 }) }), INVALID],
    [soup({ tipMinor: -1 }), invalid("tipMinor must be >= 0")],
    [soup({ tipMinor: 1e308 }), INVALID],
    [soup({ dropoff: { lat: 181, lon: 11.9 } }), invalid("dropoff.lat must be <= 85.05112878")],
    [soup({ dropoff: { lat: 57.7, lon: -181 } }), invalid("dropoff.lon must be >= -180")],
    [soup({ dropoff: { lat: null, lon: 11.9 } }), invalid("dropoff.lat must be number")],
    [soup({ dropoff: { lat: 1e308, lon: 1e308 } }), INVALID],
    [soup({ price: 1 }), invalid("price is not a known field")],
    [soup({ quoteId: nobody }), invalid("quoteId is not a known field")],
    [parcel({ items: [] }), invalid("items is not a known field")],
    [{ kind: "flight" }, INVALID],
  ];
  for (const [body, expected] of cases) {
    const before = await everything(world.stores.sql);
    assertRefused(await askQuote(body), expected, JSON.stringify(body).slice(0, 200));
    assert.deepEqual(await everything(world.stores.sql), before);
  }
});

Deno.test("quotes are for those who order: not for strangers and couriers, merchants for their own shops", async () => {
  const anonymous = await world.gateway.call("POST", "/api/v1/quotes", { body: soup() });
  assertRefused(anonymous, { status: 401, code: "auth.required" }, "a stranger");
  const forbidden = { status: 403, code: "auth.forbidden" };
  const courier = await world.gateway.signIn("courier");
  assertRefused(await askQuote(soup(), courier), forbidden, "a courier");
  const other = await world.gateway.signIn("merchant");
  assertRefused(await askQuote(soup(), other), forbidden, "another merchant");
  await quoted(parcel(), other);
  const owner = { accountId: world.merchant.accountId, token: world.merchant.token };
  await quoted(soup(), owner);
  for (const role of ["dispatcher", "admin"] as const) {
    await quoted(soup(), await world.gateway.signIn(role));
  }
});

Deno.test("an order that names a quote gets exactly its price, whatever menu and fees say by then", async () => {
  const { sql } = world.stores;
  const shop = await insertMerchant(sql);
  const body = soup({
    merchantId: shop.merchantId,
    items: [{ menuItemId: shop.menuItemId, quantity: 3 }],
    tipMinor: 700,
  });
  const answer = await askQuote(body);
  const { id: quoteId, price } = JSON.parse(answer.text);
  await sql`
    update menu_items set price_minor = 1, name = 'Cheap soup' where id = ${shop.menuItemId}`;
  await sql`update regions set policy = jsonb_set(policy, '{pricing,baseMinor}', '100')`;
  // One that has read nothing before the change.
  const gateway = startGateway(world.stores);
  try {
    const unquoted = await place({ ...world, gateway }, body);
    const cheap = { items: 3, delivery: FEE - 199, tip: 700, total: 3 + FEE - 199 + 700 };
    assert.deepEqual(JSON.parse(unquoted.text).priceMinor, cheap);
    const placed = await place({ ...world, gateway }, { ...body, quoteId, note: "as promised" });
    assert.equal(placed.status, 201, placed.text);
    const order = JSON.parse(placed.text);
    assert.deepEqual(order.price, price);
    assert.deepEqual([order.quoteId, order.distanceM], [quoteId, 1_261]);
    assert.deepEqual(order.priceMinor, {
      items: 28_500,
      delivery: FEE,
      tip: 700,
      total: 28_500 + FEE + 700,
    });
    assert.deepEqual(order.items[0].name, "Soup");
    const [quote] = await sql`select order_id from quotes where id = ${quoteId}`;
    assert.deepEqual({ ...quote }, { orderId: order.id });
    const read = await ask(world, world.customer, "GET", `/api/v1/orders/${order.id}`);
    assert.deepEqual(JSON.parse(read.text).price, price);
  } finally {
    gateway.close();
    await sql`update regions set policy = jsonb_set(policy, '{pricing,baseMinor}', '299')`;
  }
});

Deno.test("of twenty orders that name one quote at once, one is made and the others are told that it is used", async () => {
  const quoteId = await quoted();
  const { sql } = world.stores;
  const orders = async () => (await sql`select count(*)::int as n from orders`)[0]?.["n"] as number;
  const before = await orders();
  const answers = await Promise.all(
    Array.from(
      { length: 20 },
      (_, n) => place(world, soup({ quoteId }), n % 2 === 0 ? { key: crypto.randomUUID() } : {}),
    ),
  );
  const made = answers.filter(({ status }) => status === 201);
  assert.equal(made.length, 1);
  for (const answer of answers.filter(({ status }) => status !== 201)) {
    assertRefused(answer, { status: 409, code: "quote.used" }, "a later order");
    assert.equal(answer.json?.["orderId"], made[0]?.json?.["id"]);
  }
  assert.equal(await orders(), before + 1);
});

Deno.test("a repeat with the same idempotency key gets the order, though its quote is used", async () => {
  const quoteId = await quoted();
  const key = crypto.randomUUID();
  const first = await place(world, soup({ quoteId }), { key });
  const again = await place(world, soup({ quoteId }), { key });
  assert.deepEqual([first.status, again.status], [201, 201]);
  assert.equal(again.json?.["id"], first.json?.["id"]);
  assert.equal(again.headers.get("idempotent-replayed"), "true");
});

Deno.test("a quote that has expired, does not exist or is somebody else's makes no order", async () => {
  const { sql } = world.stores;
  const quoteId = await quoted();
  const other = await world.gateway.signIn("customer");
  const missing = { status: 404, code: "quote.not_found" };
  await refusesOrder(soup({ quoteId }), missing, other);
  await refusesOrder(soup({ quoteId: crypto.randomUUID() }), missing);
  await refusesOrder(soup({ quoteId: "soon" }), INVALID);
  const validUntil = new Date(Date.now() - 1);
  await sql`update quotes set valid_until = ${validUntil} where id = ${quoteId}`;
  const answer = await refusesOrder(soup({ quoteId }), { status: 409, code: "quote.expired" });
  assert.equal(answer.json?.["validUntil"], validUntil.toISOString());
});

Deno.test("an order that differs from its quote is refused and told where, and the quote stays good", async () => {
  const { menuItemId } = world.merchant;
  const quoteId = await quoted();
  const cases: [Record<string, unknown>, string[]][] = [
    [soup({ items: [{ menuItemId, quantity: 3 }] }), ["items"]],
    [soup({ dropoff: { lat: 57.72, lon: 11.91 } }), ["dropoff"]],
    [soup({ tipMinor: 100 }), ["tipMinor"]],
    [parcel(), ["kind", "merchantId", "items", "pickup"]],
  ];
  for (const [body, fields] of cases) {
    const expected = { status: 422, code: "quote.mismatch" };
    const answer = await refusesOrder({ ...body, quoteId }, expected);
    const errors = JSON.parse(answer.text).errors as { field: string; bound: string }[];
    assert.deepEqual(errors.map(({ field }) => field), fields);
    for (const { bound } of errors) assert.match(bound, /^must be as quoted: /);
  }
  // Addresses and notes are the order's own.
  const dropoff = { ...DROPOFF, address: "Door Street 2" };
  const placed = await place(world, soup({ quoteId, dropoff, note: "ring twice", tipMinor: 0 }));
  assert.equal(placed.status, 201, placed.text);
});

Deno.test("a time window decides about opening and peak hours, and belongs to what is quoted", async () => {
  const { sql } = world.stores;
  const shop = await insertMerchant(sql);
  const day = (offset: number) =>
    new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
  const closed = [-1, 0].map((offset) => ({ date: day(offset), intervals: [] }));
  const weekly = [1, 2, 3, 4, 5, 6, 7].map((n) => ({ day: n, opens: "00:00", closes: "24:00" }));
  await sql`
    update merchants set time_zone = 'UTC', hours = ${sql.json({ weekly, exceptions: closed })}
    where id = ${shop.merchantId}`;
  const items = [{ menuItemId: shop.menuItemId, quantity: 1 }];
  const window = { startsAt: `${day(1)}T12:00:00Z`, endsAt: `${day(1)}T13:00:00Z` };
  const now = soup({ merchantId: shop.merchantId, items });
  const later = { ...now, window };
  assert.equal((await askQuote(now)).json?.["reason"]?.["code"], "merchant.closed");
  const answered = await askQuote(later);
  assert.equal(answered.status, 201, answered.text);
  const { id: quoteId, eta } = JSON.parse(answered.text);
  assert.equal(eta.p50At, `${day(1)}T12:00:00.000Z`);
  assert.ok(eta.p90At > eta.p50At);
  const past = { startsAt: `${day(-2)}T12:00:00Z`, endsAt: `${day(-2)}T13:00:00Z` };
  const before = await everything(sql);
  assertRefused(await askQuote(parcel({ window: past })), INVALID, "a window that is over");
  assert.deepEqual(await everything(sql), before);
  const other = { ...window, endsAt: `${day(1)}T14:00:00Z` };
  const mismatch = { status: 422, code: "quote.mismatch" };
  const answer = await refusesOrder({ ...later, quoteId, window: other }, mismatch);
  assert.equal(JSON.parse(answer.text).errors[0].field, "window");
  assert.equal((await place(world, { ...later, quoteId })).status, 201);
});

Deno.test("of a batch whose orders name one quote, one is placed", async () => {
  const quoteId = await quoted();
  const order = soup({ quoteId });
  const answer = await ask(world, world.customer, "POST", "/api/v1/orders/batch", {
    orders: [order, order, order],
  });
  const items = JSON.parse(answer.text).items as { status: number; problem?: { code: string } }[];
  assert.deepEqual(items.map(({ status }) => status).sort(), [201, 409, 409]);
  const codes = items.flatMap(({ problem }) => problem === undefined ? [] : [problem.code]);
  assert.deepEqual(codes, ["quote.used", "quote.used"]);
});

Deno.test("a quote promises a price and not an open kitchen: what is gone meanwhile is refused", async () => {
  const { sql } = world.stores;
  const shop = await insertMerchant(sql);
  const items = [{ menuItemId: shop.menuItemId, quantity: 1 }];
  const body = soup({ merchantId: shop.merchantId, items });
  const quoteId = await quoted(body);
  await sql`update merchants set open = false where id = ${shop.merchantId}`;
  await refusesOrder({ ...body, quoteId }, { status: 409, code: "merchant.closed" });
  await sql`update merchants set open = true where id = ${shop.merchantId}`;
  await sql`update menu_items set available = false where id = ${shop.menuItemId}`;
  await refusesOrder({ ...body, quoteId }, { status: 409, code: "menu_item.unavailable" });
  await sql`update menu_items set available = true where id = ${shop.menuItemId}`;
  assert.equal((await place(world, { ...body, quoteId })).status, 201);
});

Deno.test("the database refuses an order whose parts do not add up", async () => {
  const { sql } = world.stores;
  const answer = await place(world, soup());
  const id = String(answer.json?.["id"]);
  const [row] = await sql<{ parts: { kind: string }[] }[]>`
    select price_parts as parts from orders where id = ${id}`;
  assert.deepEqual(row?.parts.map(({ kind }) => kind), ["items", "delivery_base", "distance"]);
  await assert.rejects(sql`update orders set delivery_minor = delivery_minor + 1 where id = ${id}`);
  await sql`update orders set tip_minor = 300 where id = ${id}`;
  const read = await ask(world, world.customer, "GET", `/api/v1/orders/${id}`);
  assert.deepEqual(JSON.parse(read.text).price.parts.at(-1), {
    kind: "tip",
    label: "Tip",
    amountMinor: 300,
  });
});

Deno.test("an order from before prices had parts shows its sums as parts", async () => {
  const { sql } = world.stores;
  const id = String((await place(world, soup())).json?.["id"]);
  await sql`update orders set price_parts = null where id = ${id}`;
  const read = await ask(world, world.customer, "GET", `/api/v1/orders/${id}`);
  const { price, priceMinor } = JSON.parse(read.text);
  assert.deepEqual(
    price.parts.map(({ kind, amountMinor }: { kind: string; amountMinor: number }) => [
      kind,
      amountMinor,
    ]),
    [["items", 19_000], ["delivery_base", FEE]],
  );
  assert.equal(price.totalMinor, priceMinor.total);
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(world.stores.sql), []);
});
