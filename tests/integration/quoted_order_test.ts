/** An order that names its quote and says nothing that the quote knows. */
import assert from "node:assert/strict";
import {
  closeGatewayWorld,
  createGatewayWorld,
  DROPOFF,
  type GatewayWorld,
  parcelOrder,
  type Person,
  place,
  soupOrder,
} from "../harness/gateway_world.ts";
import { assertRefused, INVALID, invalid } from "../harness/gateway_refusals.ts";
import { everything } from "../harness/order_facts.ts";
import { openTestStores } from "../harness/stores.ts";

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

interface Shown {
  readonly price: unknown;
  readonly [field: string]: unknown;
}

async function quote(body: unknown): Promise<Shown & { readonly id: string }> {
  const { token } = world.customer;
  const answer = await world.gateway.call("POST", "/api/v1/quotes", { token, body });
  assert.equal(answer.status, 201, answer.text);
  return JSON.parse(answer.text);
}

async function order(body: unknown): Promise<Shown> {
  const answer = await place(world, body);
  assert.equal(answer.status, 201, answer.text);
  return JSON.parse(answer.text);
}

async function refuses(
  body: unknown,
  expected: Parameters<typeof assertRefused>[1],
  by: Person = world.customer,
): Promise<void> {
  const before = await everything(world.stores.sql);
  assertRefused(await place(world, body, { by }), expected, JSON.stringify(body));
  assert.deepEqual(await everything(world.stores.sql), before);
}

Deno.test("a quoted order is what was quoted, at its price, with what only the order says", async () => {
  const { sql } = world.stores;
  const dropoff = { ...DROPOFF, address: "Main St 7" };
  const quoted = await quote(soupOrder(world, { dropoff, tipMinor: 500 }));
  await sql`update menu_items set price_minor = price_minor + 100
    where id = ${world.merchant.menuItemId}`;
  const contact = { name: "Ann Lind", phone: "+46701234567" };
  const placed = await order({
    kind: "quoted",
    quoteId: quoted.id,
    externalId: "shop-1",
    note: "no onions",
    dropoffNote: "Ring twice",
    dropoffContact: contact,
    cashOnDeliveryMinor: 100,
  });
  assert.deepEqual(placed.price, quoted.price);
  assert.equal(placed["kind"], "marketplace");
  assert.equal(placed["merchantId"], world.merchant.merchantId);
  assert.deepEqual(placed["items"], quoted["items"]);
  assert.deepEqual(placed["dropoff"], { ...dropoff, note: "Ring twice", contact });
  assert.equal(placed["note"], "no onions");
  assert.equal(placed["externalId"], "shop-1");
  assert.equal(placed["quoteId"], quoted.id);
});

Deno.test("a quoted parcel has the quote's places and window, and what the order says of the parcel", async () => {
  const startsAt = new Date(Date.now() + 3 * 3_600_000);
  const window = {
    startsAt: startsAt.toISOString(),
    endsAt: new Date(startsAt.getTime() + 3_600_000).toISOString(),
  };
  const pickup = { lat: 57.7, lon: 11.9, address: "Back door 2" };
  const quoted = await quote(parcelOrder({ pickup, window }));
  const placed = await order({
    kind: "quoted",
    quoteId: quoted.id,
    weightG: 900,
    requiredVehicles: ["car"],
  });
  assert.deepEqual(placed.price, quoted.price);
  assert.deepEqual([placed["kind"], placed["window"]], ["parcel", window]);
  assert.deepEqual(placed["pickup"], pickup);
  assert.equal((placed["parcel"] as { weightG: number }).weightG, 900);
});

Deno.test("the same quoted order sent again by its key gets its answer, another one finds the quote used", async () => {
  const { id: quoteId } = await quote(soupOrder(world));
  const body = { kind: "quoted", quoteId };
  const first = await place(world, body, { key: "quoted" });
  const second = await place(world, body, { key: "quoted" });
  assert.deepEqual([first.status, second.status], [201, 201]);
  assert.equal(second.json?.["id"], first.json?.["id"]);
  assert.equal(second.headers.get("idempotent-replayed"), "true");
  await refuses(body, { status: 409, code: "quote.used" });
});

Deno.test("a quoted order is refused for what the quote knows, for what its kind lacks, and to strangers", async () => {
  const { id: quoteId } = await quote(soupOrder(world));
  const body = { kind: "quoted", quoteId };
  for (const [field, value] of Object.entries({ tipMinor: 1, dropoff: DROPOFF, status: "x" })) {
    await refuses({ ...body, [field]: value }, invalid(`${field} is not a known field`));
  }
  await refuses({ ...body, weightG: 900 }, invalid("weightG is not a known field"));
  await refuses({ kind: "quoted" }, INVALID);
  const stranger = await world.gateway.signIn("customer");
  await refuses(body, { status: 404, code: "quote.not_found" }, stranger);
  const { sql } = world.stores;
  await sql`update quotes set valid_until = clock_timestamp() where id = ${quoteId}`;
  await refuses(body, { status: 409, code: "quote.expired" });
});

Deno.test("quoted orders may stand in a batch", async () => {
  const { id: quoteId } = await quote(soupOrder(world));
  const answer = await world.gateway.call("POST", "/api/v1/orders/batch", {
    token: world.customer.token,
    body: { orders: [{ kind: "quoted", quoteId }, { kind: "quoted", quoteId, weightG: 1 }] },
  });
  const { items } = JSON.parse(answer.text) as { items: { status: number }[] };
  assert.deepEqual(items.map(({ status }) => status), [201, 422]);
});
