/** What owners and admins do with merchants and menus, and what nobody may. */
import assert from "node:assert/strict";
import { REGION } from "../harness/fixtures.ts";
import { type Answer } from "../harness/gateway_app.ts";
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
import { openTestStores } from "../harness/stores.ts";

const DELI = {
  name: "Deli",
  category: "Sandwiches",
  address: "Side Street 3",
  location: { lat: 57.71, lon: 11.92 },
  preparationMinutes: 7,
};
const ALWAYS = [1, 2, 3, 4, 5, 6, 7].map((day) => ({ day, opens: "00:00", closes: "24:00" }));

let world: GatewayWorld;
let owner: Person;
let admin: Person;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
  owner = await world.gateway.signIn("merchant");
  admin = await world.gateway.signIn("admin");
});
Deno.test.afterAll(() => closeGatewayWorld(world));

async function open(changes: Record<string, unknown> = {}, by: Person = owner): Promise<string> {
  const answer = await ask(world, by, "POST", "/api/v1/merchants", { ...DELI, ...changes });
  return String(answer.json?.["id"]);
}

async function sell(merchantId: string, item: Record<string, unknown>): Promise<string> {
  const path = `/api/v1/merchants/${merchantId}/menu/items`;
  return String((await ask(world, owner, "POST", path, item)).json?.["id"]);
}

/** A request that must be refused like this, and must not write a row. */
async function refuses(
  by: Person,
  method: string,
  path: string,
  body: unknown,
  expected: Expected,
): Promise<Answer> {
  const before = await everything(world.stores.sql);
  const answer = await world.gateway.call(method, path, { token: by.token, body });
  assertRefused(answer, expected, `${method} ${path} ${JSON.stringify(body)?.slice(0, 200)}`);
  assert.deepEqual(await everything(world.stores.sql), before);
  return answer;
}

async function orderOf(merchantId: string, menuItemId: string, line: object = {}) {
  const items = [{ menuItemId, quantity: 1, ...line }];
  return await place(world, { kind: "marketplace", merchantId, items, dropoff: DROPOFF });
}

Deno.test("an owner opens a merchant in the region that serves its place, and sees it as its own", async () => {
  const answer = await ask(world, owner, "POST", "/api/v1/merchants", DELI);
  assert.equal(answer.status, 201);
  const { id, createdAt, updatedAt, ...rest } = JSON.parse(answer.text);
  assert.deepEqual(rest, {
    ...DELI,
    regionId: REGION,
    accountId: owner.accountId,
    description: "",
    timeZone: "Europe/Stockholm",
    hours: null,
    open: true,
    opensAt: null,
    closesAt: null,
    takesOrders: true,
    pausedUntil: null,
    fleet: "shared",
  });
  assert.equal(createdAt, updatedAt);
  const own = await ask(world, owner, "GET", "/api/v1/merchant/merchants");
  assert.deepEqual(JSON.parse(own.text).items.map((item: { id: string }) => item.id), [id]);
  const seen = JSON.parse((await world.gateway.call("GET", `/api/v1/merchants/${id}`)).text);
  assert.deepEqual(
    Object.keys(seen).filter((key) =>
      ["accountId", "fleet", "takesOrders", "pausedUntil"].includes(key)
    ),
    [],
    "what is the owner's alone",
  );
});

Deno.test("an admin opens a merchant for an account that is one", async () => {
  const id = await open({ accountId: owner.accountId }, admin);
  const [row] = await world.stores.sql`select account_id from merchants where id = ${id}`;
  assert.deepEqual({ ...row }, { accountId: owner.accountId });
  const noMerchant = world.customer.accountId;
  const bound = "accountId must be an account with the role merchant";
  for (const accountId of [undefined, noMerchant, crypto.randomUUID()]) {
    const body = { ...DELI, accountId };
    await refuses(admin, "POST", "/api/v1/merchants", body, invalid(bound));
  }
  const body = { ...DELI, accountId: world.merchant.accountId };
  const other = invalid("accountId must be your own: only an admin names another");
  await refuses(owner, "POST", "/api/v1/merchants", body, other);
});

Deno.test("a merchant belongs to its owner: for other merchants it does not exist, others may not ask", async () => {
  const id = await open();
  const itemId = await sell(id, { name: "Bagel", priceMinor: 4_000 });
  const courier = await world.gateway.signIn("courier");
  const asks: [string, string, unknown][] = [
    ["PATCH", `/api/v1/merchants/${id}`, { name: "Mine now" }],
    ["DELETE", `/api/v1/merchants/${id}`, undefined],
    ["POST", `/api/v1/merchants/${id}/pause`, { minutes: 5 }],
    ["POST", `/api/v1/merchants/${id}/resume`, undefined],
    ["POST", `/api/v1/merchants/${id}/menu/items`, { name: "Free", priceMinor: 0 }],
    ["PATCH", `/api/v1/merchants/${id}/menu/items/${itemId}`, { priceMinor: 0 }],
    ["DELETE", `/api/v1/merchants/${id}/menu/items/${itemId}`, undefined],
    ["POST", `/api/v1/merchants/${id}/menu/categories`, { name: "Mine" }],
  ];
  for (const [method, path, body] of asks) {
    const stranger = { status: 404, code: "merchant.not_found" };
    await refuses(world.merchant, method, path, body, stranger);
    const forbidden = { status: 403, code: "auth.forbidden" };
    for (const by of [world.customer, courier]) await refuses(by, method, path, body, forbidden);
    const anonymous = await world.gateway.call(method, path, { body });
    assertRefused(anonymous, { status: 401, code: "auth.required" }, path);
  }
});

Deno.test("PATCH changes what it names and leaves the rest, null clears what may be cleared", async () => {
  const hours = { weekly: ALWAYS, exceptions: [] };
  const id = await open({ description: "Rye and more", timeZone: "Asia/Tokyo", hours });
  const path = `/api/v1/merchants/${id}`;
  const read = async () => JSON.parse((await world.gateway.call("GET", path)).text);
  const before = await read();
  assert.deepEqual(
    [before.timeZone, before.hours, before.open, before.closesAt],
    ["Asia/Tokyo", hours, true, null],
  );
  await ask(world, owner, "PATCH", path, { preparationMinutes: 0, fleet: "own" });
  assert.deepEqual(await read(), { ...before, preparationMinutes: 0 });
  const cleared = { timeZone: null, hours: null, description: "" };
  await ask(world, owner, "PATCH", path, cleared);
  assert.deepEqual(await read(), {
    ...before,
    preparationMinutes: 0,
    timeZone: "Europe/Stockholm",
    hours: null,
    description: "",
  });
  await ask(world, owner, "PATCH", path, {});
  const moved = { lat: 57.79, lon: 11.99 };
  await ask(world, owner, "PATCH", path, { location: moved });
  assert.deepEqual((await read()).location, moved);
});

Deno.test("merchants with bad fields are refused with field, bound and value, and nothing is written", async () => {
  const id = await open();
  const hours = (weekly: unknown[]) => ({ hours: { weekly, exceptions: [] } });
  const cases: [Record<string, unknown>, Expected][] = [
    [{ location: { lat: 181, lon: 11.9 } }, invalid("location.lat must be <= 85.05112878")],
    [{ location: { lat: 57.7, lon: -181 } }, invalid("location.lon must be >= -180")],
    [{ location: { lat: 1e308, lon: 11.9 } }, invalid("location.lat must be <= 85.05112878")],
    [{ location: { lat: null, lon: 11.9 } }, invalid("location.lat must be number")],
    [{ location: { lat: 10, lon: 10 } }, INVALID],
    [{ preparationMinutes: -1 }, invalid("preparationMinutes must be >= 0")],
    [{ preparationMinutes: 241 }, invalid("preparationMinutes must be <= 240")],
    [{ preparationMinutes: 1e308 }, INVALID],
    [{ name: "" }, invalid("name must be >= 1 characters")],
    [{ name: "a\0b" }, INVALID],
    [{ name: "x".repeat(101) }, invalid("name must be <= 100 characters")],
    [{ timeZone: "Mars/Base" }, invalid("timeZone must be an IANA time zone")],
    [{ fleet: "borrowed" }, INVALID],
    [{ open: true }, invalid("open is not a known field")],
    [{ region: REGION }, invalid("region is not a known field")],
    [{ archivedAt: null }, invalid("archivedAt is not a known field")],
    [
      hours([{ day: 8, opens: "10:00", closes: "11:00" }]),
      invalid("hours.weekly.0.day must be <= 7"),
    ],
    [hours([{ day: 1, opens: "25:00", closes: "11:00" }]), INVALID],
    [hours(Array(43).fill(ALWAYS[0])), invalid("hours.weekly must be <= 42 entries")],
  ];
  for (const [change, expected] of cases) {
    await refuses(owner, "POST", "/api/v1/merchants", { ...DELI, ...change }, expected);
    await refuses(owner, "PATCH", `/api/v1/merchants/${id}`, change, expected);
  }
  for (const minutes of [0, -5, 1.5, 10_081, 1e308, "10", null]) {
    await refuses(owner, "POST", `/api/v1/merchants/${id}/pause`, { minutes }, INVALID);
  }
});

Deno.test("an account has at most 200 merchants", async () => {
  const { sql } = world.stores;
  const many = await world.gateway.signIn("merchant");
  await sql`
    insert into merchants (id, account_id, region, name, category, address, lat, lon,
      preparation_minutes)
    select gen_random_uuid(), ${many.accountId}, ${REGION}, 'M ' || n, 'x', 'y', 57.7, 11.9, 5
    from generate_series(1, 199) n`;
  const open = () =>
    world.gateway.call("POST", "/api/v1/merchants", { token: many.token, body: DELI });
  const statuses = (await Promise.all([open(), open(), open()])).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), [201, 409, 409]);
  await refuses(many, "POST", "/api/v1/merchants", DELI, { status: 409, code: "catalogue.full" });
});

Deno.test("a closed merchant takes no order, and the refusal says why and when it opens", async () => {
  const id = await open();
  const itemId = await sell(id, { name: "Bagel", priceMinor: 4_000 });
  const path = `/api/v1/merchants/${id}`;
  assert.equal((await orderOf(id, itemId)).status, 201);
  const refused = async (because: string, opensAt: unknown) => {
    const before = await everything(world.stores.sql);
    const answer = await orderOf(id, itemId);
    assertRefused(answer, { status: 409, code: "merchant.closed" }, because);
    assert.deepEqual([answer.json?.["because"], answer.json?.["opensAt"]], [because, opensAt]);
    assert.deepEqual(await everything(world.stores.sql), before);
  };
  const paused = await ask(world, owner, "POST", `${path}/pause`, { minutes: 10 });
  const { pausedUntil, open: isOpen, opensAt } = JSON.parse(paused.text);
  assert.deepEqual([isOpen, opensAt], [false, pausedUntil]);
  await refused("paused", pausedUntil);
  await ask(world, owner, "POST", `${path}/resume`);
  assert.equal((await orderOf(id, itemId)).status, 201);
  await ask(world, owner, "PATCH", path, { takesOrders: false });
  await refused("closed", null);
  // Closed today and yesterday, open the whole of tomorrow, in a zone without summer time.
  const day = (offset: number) =>
    new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
  const hours = {
    weekly: ALWAYS,
    exceptions: [-1, 0].map((offset) => ({ date: day(offset), intervals: [] })),
  };
  await ask(world, owner, "PATCH", path, { takesOrders: true, timeZone: "UTC", hours });
  await refused("hours", `${day(1)}T00:00:00.000Z`);
  await ask(world, owner, "PATCH", path, { hours: { weekly: ALWAYS, exceptions: [] } });
  assert.equal((await orderOf(id, itemId)).status, 201);
});

Deno.test("an archived merchant is gone, its orders stay with its owner", async () => {
  const id = await open();
  const itemId = await sell(id, { name: "Bagel", priceMinor: 4_000 });
  const orderId = String((await orderOf(id, itemId)).json?.["id"]);
  assert.equal((await ask(world, owner, "DELETE", `/api/v1/merchants/${id}`)).status, 204);
  const gone = { status: 404, code: "merchant.not_found" };
  await refuses(owner, "DELETE", `/api/v1/merchants/${id}`, undefined, gone);
  for (const path of [`/api/v1/merchants/${id}`, `/api/v1/merchants/${id}/menu`]) {
    assertRefused(await world.gateway.call("GET", path), gone, path);
  }
  assertRefused(await orderOf(id, itemId), gone, "an order");
  assert.equal((await ask(world, owner, "GET", `/api/v1/orders/${orderId}`)).status, 200);
});

Deno.test("only an admin puts couriers into fleets", async () => {
  const id = await open({ fleet: "own" });
  const courier = await world.gateway.signIn("courier");
  await world.stores.sql`
    insert into couriers (id, region, shard, vehicle)
    values (${courier.accountId}, ${REGION}, 0, 'bicycle')`;
  const path = `/api/v1/admin/couriers/${courier.accountId}/fleet`;
  for (const by of [owner, courier]) {
    const forbidden = { status: 403, code: "auth.forbidden" };
    await refuses(by, "PUT", path, { merchantId: id }, forbidden);
  }
  assert.equal((await ask(world, admin, "PUT", path, { merchantId: id })).status, 204);
  const fleetOf = async () =>
    (await world.stores.sql`select fleet from couriers where id = ${courier.accountId}`)[0]
      ?.["fleet"];
  assert.equal(await fleetOf(), id);
  const nobody = crypto.randomUUID();
  await refuses(admin, "PUT", path, { merchantId: nobody }, {
    status: 404,
    code: "merchant.not_found",
  });
  await refuses(admin, "PUT", `/api/v1/admin/couriers/${nobody}/fleet`, { merchantId: null }, {
    status: 404,
    code: "courier.not_found",
  });
  await ask(world, admin, "PUT", path, { merchantId: null });
  assert.equal(await fleetOf(), null);
  const entries = await world.stores.sql`
    select action from audit_log where subject_id = ${courier.accountId}`;
  assert.deepEqual(entries.map(({ action }) => action), ["courier.fleet_set", "courier.fleet_set"]);
});
