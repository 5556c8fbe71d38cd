/** Idempotency-Key over HTTP (DESIGN §4.1): one effect per caller and key, and the same answer. */
import assert from "node:assert/strict";
import { insertMerchant } from "../harness/fixtures.ts";
import { type Answer, fieldsOf } from "../harness/gateway_app.ts";
import { eventually } from "../harness/eventually.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  parcelOrder,
  type Person,
  place,
  placed,
  soupOrder,
} from "../harness/gateway_world.ts";
import { everything, orderFacts } from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores } from "../harness/stores.ts";

const TWINS = 50;

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

async function ordersOf(person: Person): Promise<string[]> {
  const rows = await world.stores.sql<{ id: string }[]>`
    select id from orders where customer_id = ${person.accountId} order by id`;
  return rows.map(({ id }) => id);
}

async function newCustomer(): Promise<Person> {
  return await world.gateway.signIn("customer");
}

/** Asserts that the answer is the first one again and that nothing was written for it. */
async function replays(first: Answer, again: () => Promise<Answer>): Promise<void> {
  const before = await everything(world.stores.sql);
  const answer = await again();
  assert.deepEqual(await everything(world.stores.sql), before);
  assert.equal(answer.status, first.status, answer.text);
  assert.equal(answer.headers.get("idempotent-replayed"), "true");
  assert.equal(answer.headers.get("content-type"), first.headers.get("content-type"));
  assert.equal(answer.headers.get("cache-control"), "private, no-store");
  // The request id of a refusal is that of the first request, or none.
  const strip = ({ text }: Answer) => ({ ...JSON.parse(text), instance: undefined });
  assert.deepEqual(strip(answer), strip(first));
}

Deno.test("a repeat with the same key and body gets the first answer, link and all, and no second order", async () => {
  const by = await newCustomer();
  const first = await place(world, soupOrder(world), { by, key: "again" });
  assert.equal(first.status, 201, first.text);
  assert.equal(first.headers.get("idempotent-replayed"), null);
  for (let time = 0; time < 3; time++) {
    await replays(first, () => place(world, soupOrder(world), { by, key: "again" }));
  }
  assert.deepEqual(await ordersOf(by), [first.json?.["id"]]);
});

Deno.test("the same request in another order of fields and with other white space is a repeat", async () => {
  const by = await newCustomer();
  const body = soupOrder(world, { note: "n", tipMinor: 5 });
  const first = await place(world, body, { by, key: "spelling" });
  const turned = Object.fromEntries(Object.entries(body).reverse());
  await replays(
    first,
    () => place(world, JSON.stringify(turned, null, 4), { by, key: "spelling" }),
  );
  const number = JSON.stringify(body).replace("57.71", "57.7100");
  await replays(first, () => place(world, number, { by, key: "spelling" }));
});

Deno.test("X-Idempotency-Key is the same header", async () => {
  const by = await newCustomer();
  const first = await place(world, parcelOrder(), {
    by,
    headers: { "x-idempotency-key": "either" },
  });
  assert.equal(first.status, 201);
  await replays(first, () => place(world, parcelOrder(), { by, key: "either" }));
});

Deno.test("another customer's equal key is another key: each gets an order of its own", async () => {
  const [one, two] = [await newCustomer(), await newCustomer()];
  const first = await place(world, soupOrder(world), { by: one, key: "order-1" });
  const second = await place(world, soupOrder(world), { by: two, key: "order-1" });
  assert.deepEqual([first.status, second.status], [201, 201]);
  assert.notEqual(first.json?.["id"], second.json?.["id"]);
  assert.deepEqual(await ordersOf(one), [first.json?.["id"]]);
  assert.deepEqual(await ordersOf(two), [second.json?.["id"]]);
  const seen = await world.gateway.call("GET", `/api/v1/orders/${first.json?.["id"]}`, two);
  assert.equal(seen.status, 404);
});

Deno.test("without a key every request is its own", async () => {
  const by = await newCustomer();
  await place(world, parcelOrder(), { by });
  await place(world, parcelOrder(), { by });
  assert.equal((await ordersOf(by)).length, 2);
});

Deno.test("fifty equal requests at once make one order; each is answered with it or told to wait", async () => {
  const by = await newCustomer();
  const send = () => place(world, soupOrder(world), { by, key: "fifty" });
  const answers = await Promise.all(Array.from({ length: TWINS }, send));
  const [id, ...others] = await ordersOf(by);
  assert.deepEqual(others, []);
  const taken = answers.filter(({ status }) => status === 201);
  const waiting = answers.filter(({ status }) => status === 409);
  assert.equal(taken.length + waiting.length, TWINS, answers.map(({ status }) => status).join(" "));
  assert.ok(taken.length >= 1);
  for (const answer of taken) {
    assert.deepEqual(JSON.parse(answer.text), JSON.parse(taken[0]?.text ?? ""));
  }
  assert.equal(taken[0]?.json?.["id"], id);
  assert.equal(
    taken.filter(({ headers }) => headers.get("idempotent-replayed") === null).length,
    1,
  );
  for (const answer of waiting) {
    assert.equal(answer.json?.["code"], "idempotency.in_progress");
    assert.equal(answer.headers.get("retry-after"), "1");
  }
  // Whoever was told to wait asks again and gets the order.
  assert.equal((await send()).json?.["id"], id);
  console.log(`${taken.length} got the order at once, ${waiting.length} were told to wait`);
});

Deno.test("fifty different bodies with one key at once make one order and never a second", async () => {
  const by = await newCustomer();
  const answers = await Promise.all(
    Array.from(
      { length: TWINS },
      (_, index) =>
        place(world, parcelOrder({ note: `body ${index}` }), { by, key: "one of many" }),
    ),
  );
  assert.equal((await ordersOf(by)).length, 1);
  const codes = new Set(
    answers.map((answer) => `${answer.status} ${answer.json?.["code"] ?? "taken"}`),
  );
  for (const code of codes) {
    assert.ok(
      ["201 taken", "409 idempotency.in_progress", "422 idempotency.key_reused"].includes(code),
      code,
    );
  }
  assert.equal(answers.filter(({ status }) => status === 201).length, 1);
});

Deno.test("a twin is refused at once while the first is still at work, and holds no connection", async () => {
  const { sql } = world.stores;
  const by = await newCustomer();
  const first = Promise.withResolvers<Answer>();
  // The insert of the order has to wait for this lock, so the first request stays inside.
  await sql.begin(async (tx) => {
    await tx`lock table timers in access exclusive mode`;
    place(world, parcelOrder(), { by, key: "slow" }).then(first.resolve, first.reject);
    await eventually("the first request is at work", async () => {
      const [row] = await sql<{ waiting: number }[]>`select count(*)::int as waiting
        from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return row?.waiting === 1;
    });
    const startedMs = performance.now();
    const twins = await Promise.all(
      Array.from({ length: TWINS }, () => place(world, parcelOrder(), { by, key: "slow" })),
    );
    const tookMs = performance.now() - startedMs;
    assert.deepEqual(
      twins.map((answer) => answer.json?.["code"]),
      Array(TWINS).fill("idempotency.in_progress"),
    );
    assert.ok(tookMs < 3_000, `${TWINS} twins took ${tookMs} ms`);
  });
  const answer = await first.promise;
  assert.equal(answer.status, 201, answer.text);
  assert.deepEqual(await ordersOf(by), [answer.json?.["id"]]);
});

Deno.test("the same key with another body is refused, and the first order stays as it is", async () => {
  const by = await newCustomer();
  const first = await place(world, soupOrder(world), { by, key: "reused" });
  const before = await everything(world.stores.sql);
  for (
    const body of [soupOrder(world, { tipMinor: 1 }), soupOrder(world, { note: "" }), parcelOrder()]
  ) {
    const answer = await place(world, body, { by, key: "reused" });
    assert.equal(answer.status, 422, answer.text);
    assert.equal(answer.json?.["code"], "idempotency.key_reused");
    assert.equal(
      answer.json?.["detail"],
      "Cannot repeat: the body must be the one first sent with this key",
    );
  }
  assert.deepEqual(await everything(world.stores.sql), before);
  await replays(first, () => place(world, soupOrder(world), { by, key: "reused" }));
});

Deno.test("a repeat after the merchant closed and the dish sold out still gets the first 201", async () => {
  const { sql } = world.stores;
  const by = await newCustomer();
  const { merchantId, menuItemId } = await insertMerchant(sql);
  const body = soupOrder(world, { merchantId, items: [{ menuItemId, quantity: 1 }] });
  const first = await place(world, body, { by, key: "closed later" });
  assert.equal(first.status, 201);
  await sql`update merchants set open = false where id = ${merchantId}`;
  await sql`update menu_items set available = false, price_minor = 1 where id = ${menuItemId}`;
  const fresh = await place(world, body, { by, key: "too late" });
  assert.equal(fresh.json?.["code"], "merchant.closed");
  await replays(first, () => place(world, body, { by, key: "closed later" }));
  await sql`delete from menu_items where id = ${menuItemId}`;
  await replays(first, () => place(world, body, { by, key: "closed later" }));
});

Deno.test("a repeat after the order moved on gets the answer of then, not the order of now", async () => {
  const by = await newCustomer();
  const first = await place(world, soupOrder(world), { by, key: "moved on" });
  const id = String(first.json?.["id"]);
  const cancel = { token: by.token, body: {} };
  await world.gateway.call("POST", `/api/v1/orders/${id}/cancel`, cancel);
  await replays(first, () => place(world, soupOrder(world), { by, key: "moved on" }));
  assert.equal((await orderFacts(world.stores.sql, id)).status, "cancelled");
});

Deno.test("a refusal of the domain is the answer of its key, also when it would be taken now", async () => {
  const { sql } = world.stores;
  const by = await newCustomer();
  const { merchantId, menuItemId } = await insertMerchant(sql);
  const body = soupOrder(world, { merchantId, items: [{ menuItemId, quantity: 1 }] });
  await sql`update merchants set open = false where id = ${merchantId}`;
  const refused = await place(world, body, { by, key: "refused" });
  assert.deepEqual([refused.status, refused.json?.["code"]], [409, "merchant.closed"]);
  await sql`update merchants set open = true where id = ${merchantId}`;
  await replays(refused, () => place(world, body, { by, key: "refused" }));
  assert.equal((await place(world, body, { by, key: "another" })).status, 201);
  assert.equal((await ordersOf(by)).length, 1);
});

Deno.test("what is no valid request does not use the key up", async () => {
  const by = await newCustomer();
  const wrong = await place(world, soupOrder(world, { items: [] }), { by, key: "second try" });
  assert.equal(wrong.json?.["code"], "request.invalid");
  const malformed = await place(world, "{", { by, key: "second try" });
  assert.equal(malformed.json?.["code"], "request.malformed");
  assert.equal((await place(world, soupOrder(world), { by, key: "second try" })).status, 201);
});

Deno.test("a server error is not the answer of its key: the repeat is taken", async () => {
  const { sql } = world.stores;
  const by = await newCustomer();
  const call = (allowed: number) =>
    world.gateway.call("POST", "/api/v1/orders", {
      token: by.token,
      body: parcelOrder(),
      headers: { "idempotency-key": "broken" },
      allowed,
    });
  // The order's last insert fails, after the order itself is written.
  await sql`alter table outbox rename to outbox_away`;
  try {
    const before = await sql`select count(*)::int as rows from orders`;
    const failed = await call(500);
    assert.equal(failed.json?.["code"], "internal");
    assert.deepEqual(
      await sql`select count(*)::int as rows from orders`,
      before,
      "the order was rolled back",
    );
  } finally {
    await sql`alter table outbox_away rename to outbox`;
  }
  const keys = await sql`select 1 from idempotency where account_id = ${by.accountId}`;
  assert.equal(keys.length, 0);
  assert.equal((await call(0)).status, 201);
  assert.equal((await ordersOf(by)).length, 1);
});

Deno.test("keys of 1 to 255 characters are taken, others are refused with the bound", async () => {
  const by = await newCustomer();
  for (
    const key of [
      "x",
      "x".repeat(255),
      "ä".repeat(255),
      "'; drop table orders; --",
      "🍕".length + "%",
    ]
  ) {
    assert.equal((await place(world, parcelOrder(), { by, key })).status, 201, key);
  }
  const before = await everything(world.stores.sql);
  for (const key of ["", "x".repeat(256), "x".repeat(10_000)]) {
    const answer = await place(world, parcelOrder(), { by, key });
    assert.equal(answer.status, 422, answer.text);
    assert.equal(answer.json?.["code"], "request.invalid");
    assert.deepEqual(fieldsOf(answer), ["Idempotency-Key must be 1 to 255 characters"]);
  }
  assert.deepEqual(await everything(world.stores.sql), before);
});

Deno.test("a key is forgotten after 24 hours and can be used for another order", async () => {
  const { sql } = world.stores;
  const by = await newCustomer();
  const first = await place(world, soupOrder(world), { by, key: "yesterday" });
  const age = async (interval: string) =>
    await sql`update idempotency set created_at = clock_timestamp() - ${interval}::interval
      where account_id = ${by.accountId}`;
  await age("23 hours 59 minutes");
  await replays(first, () => place(world, soupOrder(world), { by, key: "yesterday" }));
  await age("24 hours 1 second");
  const second = await place(world, parcelOrder(), { by, key: "yesterday" });
  assert.equal(second.status, 201, second.text);
  assert.notEqual(second.json?.["id"], first.json?.["id"]);
  await replays(second, () => place(world, parcelOrder(), { by, key: "yesterday" }));
});

Deno.test("another session of the same customer may repeat, a session that ended may not", async () => {
  const by = await newCustomer();
  const first = await place(world, parcelOrder(), { by, key: "two phones" });
  const token = await world.gateway.tokenOf(by.accountId);
  await replays(
    first,
    () => place(world, parcelOrder(), { by: { ...by, token }, key: "two phones" }),
  );
  await world.gateway.call("POST", "/api/v1/auth/logout", { token });
  const answer = await place(world, parcelOrder(), { by: { ...by, token }, key: "two phones" });
  assert.equal(answer.status, 401);
});

Deno.test("after all of it every rule of the database holds", async () => {
  await placed(world);
  assert.deepEqual(await brokenRules(world.stores.sql), []);
});
