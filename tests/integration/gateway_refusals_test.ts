/** What the API refuses: each with its code, field and bound, and with nothing written. */
import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import { insertMerchant } from "../harness/fixtures.ts";
import { type CallOptions, fieldsOf } from "../harness/gateway_app.ts";
import {
  acceptedOrder,
  closeGatewayWorld,
  createGatewayWorld,
  DROPOFF,
  type GatewayWorld,
  newCourier,
  parcelOrder,
  place,
  soupOrder,
} from "../harness/gateway_world.ts";
import { everything, orderFacts } from "../harness/order_facts.ts";
import { assertRefused, INVALID, invalid, refusesOrder } from "../harness/gateway_refusals.ts";
import { openTestStores } from "../harness/stores.ts";

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

function withQuantity(quantity: unknown) {
  return soupOrder(world, { items: [{ menuItemId: world.merchant.menuItemId, quantity }] });
}

Deno.test("POST /orders refuses every quantity that is not a whole number from 1 to 99", async () => {
  const field = "items.0.quantity";
  for (const quantity of [-1, 0, -2147483648]) {
    await refusesOrder(world, withQuantity(quantity), invalid(`${field} must be >= 1`));
  }
  for (const quantity of [100, 2147483647]) {
    await refusesOrder(world, withQuantity(quantity), invalid(`${field} must be <= 99`));
  }
  for (const quantity of [1.5, "2", null, true, [1], 1e308, 9007199254740993]) {
    const answer = await refusesOrder(world, withQuantity(quantity), INVALID);
    assert.equal(fieldsOf(answer)[0]?.startsWith(`${field} must be `), true, answer.text);
  }
});

Deno.test("a refusal names the field, its bound and the value it had", async () => {
  const answer = await refusesOrder(
    world,
    withQuantity(-4),
    invalid("items.0.quantity must be >= 1"),
  );
  assert.deepEqual(JSON.parse(answer.text), {
    type: "/problems/request.invalid",
    title: "Request is not valid",
    status: 422,
    code: "request.invalid",
    detail: "Cannot use the request: fields must keep their bounds",
    instance: answer.headers.get("x-request-id"),
    errors: [{ field: "items.0.quantity", bound: "must be >= 1", value: -4 }],
  });
});

Deno.test("POST /orders refuses places that are none, and takes the bounds themselves", async () => {
  const maxLat = 85.05112878;
  const wrong: readonly [unknown, string][] = [
    [{ lat: 1e308, lon: 11.9 }, `dropoff.lat must be <= ${maxLat}`],
    [{ lat: -1e308, lon: 11.9 }, `dropoff.lat must be >= -${maxLat}`],
    [{ lat: 90, lon: 11.9 }, `dropoff.lat must be <= ${maxLat}`],
    [{ lat: 57.7, lon: 181 }, "dropoff.lon must be <= 180"],
    [{ lat: 57.7, lon: -181 }, "dropoff.lon must be >= -180"],
    [{ lat: "57.7", lon: 11.9 }, "dropoff.lat must be number"],
    [{ lat: null, lon: 11.9 }, "dropoff.lat must be number"],
    [{ lon: 11.9 }, "dropoff.lat must be number"],
    [[57.7, 11.9], "dropoff must be object"],
    ["57.7,11.9", "dropoff must be object"],
  ];
  for (const [dropoff, field] of wrong) {
    await refusesOrder(world, soupOrder(world, { dropoff }), invalid(field));
    const pickup = field.replace("dropoff", "pickup");
    await refusesOrder(world, parcelOrder({ pickup: dropoff }), invalid(pickup));
  }
  for (const lon of [180, -180]) {
    await refusesOrder(world, parcelOrder({ dropoff: { lat: maxLat, lon } }), {
      status: 422,
      code: "order.outside_service_area",
    });
  }
});

Deno.test("numbers that JSON cannot carry are refused: NaN as malformed, 1e400 as no number", async () => {
  const text = JSON.stringify(soupOrder(world));
  for (const value of ["NaN", "Infinity", "-Infinity", "undefined", "057", ".5"]) {
    const body = text.replace("57.71", value);
    await refusesOrder(world, body, { status: 400, code: "request.malformed" });
  }
  for (const value of ["1e400", "-1e400"]) {
    const answer = await refusesOrder(
      world,
      text.replace("57.71", value),
      invalid("dropoff.lat must be number"),
    );
    assert.match(answer.text, /"value":"-?Infinity"/);
  }
});

Deno.test("POST /orders refuses every field that is not the caller's to set", async () => {
  const fields = {
    id: uuidv7(),
    status: "delivered",
    version: 7,
    customerId: uuidv7(),
    courierId: uuidv7(),
    regionId: "elsewhere",
    distanceM: 1,
    priceMinor: { total: 0 },
    deliveryMinor: 0,
    currency: "XXX",
    placedAt: "2020-01-01T00:00:00Z",
    estimatedDeliveryAt: "2020-01-01T00:00:00Z",
    constructor: 1,
  };
  for (const [field, value] of Object.entries(fields)) {
    const expected = invalid(`${field} is not a known field`);
    await refusesOrder(world, soupOrder(world, { [field]: value }), expected);
    await refusesOrder(world, parcelOrder({ [field]: value }), expected);
  }
  const { menuItemId } = world.merchant;
  for (const field of ["priceMinor", "name", "discount"]) {
    await refusesOrder(
      world,
      soupOrder(world, { items: [{ menuItemId, quantity: 1, [field]: 1 }] }),
      invalid(`items.0.${field} is not a known field`),
    );
  }
  await refusesOrder(
    world,
    soupOrder(world, { dropoff: { ...DROPOFF, altitude: 1 } }),
    invalid("dropoff.altitude is not a known field"),
  );
  await refusesOrder(
    world,
    parcelOrder({ merchantId: world.merchant.merchantId }),
    invalid("merchantId is not a known field"),
  );
});

Deno.test("POST /orders keeps the bounds of baskets, tips, notes and kinds", async () => {
  const line = { menuItemId: world.merchant.menuItemId, quantity: 1 };
  await refusesOrder(world, soupOrder(world, { items: [] }), invalid("items must be >= 1 entries"));
  await refusesOrder(
    world,
    soupOrder(world, { items: Array(51).fill(line) }),
    invalid("items must be <= 50 entries"),
  );
  await refusesOrder(world, soupOrder(world, { tipMinor: -1 }), invalid("tipMinor must be >= 0"));
  await refusesOrder(
    world,
    soupOrder(world, { tipMinor: 100_000_001 }),
    invalid("tipMinor must be <= 100000000"),
  );
  await refusesOrder(world, soupOrder(world, { tipMinor: 0.5 }), INVALID);
  await refusesOrder(
    world,
    soupOrder(world, { note: "x".repeat(501) }),
    invalid("note must be <= 500 characters"),
  );
  await refusesOrder(
    world,
    parcelOrder({ dropoff: { ...DROPOFF, address: "x".repeat(201) } }),
    invalid("dropoff.address must be <= 200 characters"),
  );
  for (const kind of ["", "Marketplace", "pizza", null, 1]) {
    const answer = await refusesOrder(world, soupOrder(world, { kind }), INVALID);
    assert.match(fieldsOf(answer)[0] ?? "", /^kind /, answer.text);
  }
  const full = soupOrder(world, {
    items: Array(50).fill(line),
    tipMinor: 100_000_000,
    note: "é".repeat(500),
  });
  assert.equal((await place(world, full)).status, 201, "the bounds themselves are allowed");
});

Deno.test("POST /orders refuses an item of another merchant, one that is none, and one that is sold out", async () => {
  const { sql } = world.stores;
  const other = await insertMerchant(sql);
  const { merchantId, menuItemId } = world.merchant;
  const basket = (id: string, ofMerchant = merchantId) =>
    soupOrder(world, {
      merchantId: ofMerchant,
      items: [{
        menuItemId: ofMerchant === merchantId ? menuItemId : other.menuItemId,
        quantity: 1,
      }, {
        menuItemId: id,
        quantity: 1,
      }],
    });
  for (const id of [other.menuItemId, uuidv7()]) {
    const answer = await refusesOrder(world, basket(id), {
      status: 422,
      code: "menu_item.not_found",
    });
    assert.equal(
      answer.json?.["detail"],
      `items.1.menuItemId must be on the merchant's menu: it is ${id}`,
    );
  }
  await sql`update menu_items set available = false where id = ${other.menuItemId}`;
  const soldOut = await refusesOrder(
    world,
    soupOrder(world, {
      merchantId: other.merchantId,
      items: [{ menuItemId: other.menuItemId, quantity: 1 }],
    }),
    { status: 409, code: "menu_item.unavailable" },
  );
  assert.equal(soldOut.json?.["detail"], "items.0.menuItemId must be available: Soup is sold out");
  await sql`update merchants set open = false where id = ${other.merchantId}`;
  await refusesOrder(world, soupOrder(world, { merchantId: other.merchantId }), {
    status: 409,
    code: "merchant.closed",
  });
  await refusesOrder(world, soupOrder(world, { merchantId: uuidv7() }), {
    status: 404,
    code: "merchant.not_found",
  });
});

Deno.test("POST /orders refuses what lies outside the served area and says which end and which bounds", async () => {
  const outside = await refusesOrder(
    world,
    soupOrder(world, { dropoff: { lat: 57.9, lon: 11.91 } }),
    { status: 422, code: "order.outside_service_area" },
  );
  const { type: _type, instance: _instance, ...body } = JSON.parse(outside.text);
  assert.deepEqual(body, {
    title: "Outside the served area",
    status: 422,
    code: "order.outside_service_area",
    detail: "Cannot place the order: dropoff must be inside the served area of Testville: " +
      "it is at 57.9, 11.91",
    field: "dropoff",
    bounds: { south: 57.6, west: 11.8, north: 57.8, east: 12 },
  });
  const pickup = await refusesOrder(world, parcelOrder({ pickup: { lat: 0, lon: 0 } }), {
    status: 422,
    code: "order.outside_service_area",
  });
  assert.equal(pickup.json?.["field"], "pickup");
  assert.equal(
    pickup.json?.["detail"],
    "Cannot place the order: pickup must be inside a served area: it is at 0, 0",
  );
  await refusesOrder(world, parcelOrder({ dropoff: { lat: 57.7, lon: -168.1 } }), {
    status: 422,
    code: "order.outside_service_area",
  });
});

/** Every route that takes an id, with a person who may use it. */
function idRoutes(courier: { token: string }): [string, string, CallOptions, string][] {
  const { customer, merchant } = world;
  const json = (by: { token: string }) => ({ token: by.token, body: {} });
  return [
    ["GET", "/api/v1/orders/:id", { token: customer.token }, "order.not_found"],
    ["GET", "/api/v1/orders/:id/events", { token: customer.token }, "order.not_found"],
    ["POST", "/api/v1/orders/:id/cancel", json(customer), "order.not_found"],
    ["POST", "/api/v1/orders/:id/track-tickets", { token: customer.token }, "order.not_found"],
    ["POST", "/api/v1/orders/:id/track-tickets", {
      headers: { "x-tracking-token": "x".repeat(43) },
    }, "order.not_found"],
    ["GET", "/api/v1/merchants/:id", {}, "merchant.not_found"],
    ["GET", "/api/v1/merchants/:id/menu", {}, "merchant.not_found"],
    ["POST", "/api/v1/merchant/orders/:id/confirm", { token: merchant.token }, "order.not_found"],
    ["POST", "/api/v1/merchant/orders/:id/prepare", { token: merchant.token }, "order.not_found"],
    ["POST", "/api/v1/merchant/orders/:id/ready", { token: merchant.token }, "order.not_found"],
    ["POST", "/api/v1/courier/offers/:id/accept", { token: courier.token }, "offer.not_found"],
    ["POST", "/api/v1/courier/offers/:id/reject", json(courier), "offer.not_found"],
    ["POST", "/api/v1/courier/orders/:id/picked-up", { token: courier.token }, "order.not_found"],
    ["POST", "/api/v1/courier/orders/:id/in-transit", { token: courier.token }, "order.not_found"],
    ["POST", "/api/v1/courier/orders/:id/delivered", { token: courier.token }, "order.not_found"],
  ];
}

Deno.test("an id that is none is refused on every route, and an unknown one does not exist", async () => {
  const courier = await newCourier(world);
  const before = await everything(world.stores.sql);
  const malformed = [
    "1",
    "abc",
    "%00",
    "%E0%A4%A",
    "'%20or%201=1--",
    "..%2f..%2fetc",
    "00000000-0000-0000-0000-00000000000",
    `${uuidv7()}0`,
    "x".repeat(5_000),
    "%F0%9F%8D%95",
  ];
  for (const [method, path, options, code] of idRoutes(courier)) {
    for (const id of malformed) {
      const answer = await world.gateway.call(method, path.replace(":id", id), options);
      assertRefused(answer, invalid("id Invalid UUID"), `${method} ${path} with ${id}`);
    }
    const unknown = [uuidv7(), "00000000-0000-0000-0000-000000000000", crypto.randomUUID()];
    for (const id of unknown) {
      const answer = await world.gateway.call(method, path.replace(":id", id), options);
      assertRefused(answer, { status: 404, code }, `${method} ${path} with ${id}`);
    }
  }
  assert.deepEqual(await everything(world.stores.sql), before);
});

Deno.test("an unknown route, method or page is a problem like any other", async () => {
  const routes: [string, string][] = [
    ["GET", "/api/v1/nothing"],
    ["GET", "/api/v2/orders"],
    ["DELETE", "/api/v1/orders"],
    ["PUT", `/api/v1/orders/${uuidv7()}`],
    ["GET", "/nothing"],
    ["GET", "/assets/missing.js"],
    ["GET", "/assets/..%2f..%2fmain.ts"],
    ["GET", "/api/v1/map/nowhere"],
    ["GET", "/api/v1/demo"],
    ["GET", "/api/v1/orders//events"],
  ];
  for (const [method, path] of routes) {
    const answer = await world.gateway.call(method, path, { token: world.customer.token });
    assert.ok(
      answer.status === 404 || answer.status === 405,
      `${method} ${path}: ${answer.status}`,
    );
  }
});

Deno.test("cancel and reject keep the bounds of their reason and refuse unknown fields", async () => {
  const { orderId, courier } = await acceptedOrder(world);
  const { gateway, customer } = world;
  for (
    const [body, field] of [
      [{ reason: "x".repeat(201) }, "reason must be <= 200 characters"],
      [{ reason: 1 }, "reason must be string"],
      [{ status: "cancelled" }, "status is not a known field"],
    ] as const
  ) {
    const before = await everything(world.stores.sql);
    const cancel = { token: customer.token, body };
    const cancelled = await gateway.call("POST", `/api/v1/orders/${orderId}/cancel`, cancel);
    assertRefused(cancelled, invalid(field), "cancel");
    const path = `/api/v1/courier/offers/${uuidv7()}/reject`;
    const rejected = await gateway.call("POST", path, { token: courier.token, body });
    assertRefused(rejected, invalid(field), "reject");
    assert.deepEqual(await everything(world.stores.sql), before);
  }
  assert.equal((await orderFacts(world.stores.sql, orderId)).status, "confirmed");
});

Deno.test("no coordinate, token, e-mail or note of all these requests is in a log line", () => {
  // A request may take 57.7 ms, or be logged at 11.910 s.
  const lines = world.gateway.logLines.join("\n")
    .replaceAll(/"durationMs":[\d.]+|"time":"[^"]*"/g, "");
  assert.ok(world.gateway.logLines.length > 100, "there are log lines to look at");
  for (
    const [what, pattern] of [
      ["a latitude", /57\.7|57\.9/],
      ["a longitude", /11\.91|168\.1/],
      ["an e-mail", /@test\.example/],
      ["a password", /a long password/],
      ["a session", new RegExp(world.customer.token)],
      ["a note", /éé/],
    ] as const
  ) {
    assert.doesNotMatch(lines, pattern, `${what} is in the log`);
  }
});
