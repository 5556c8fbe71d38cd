/** Tickets for the live track and the courier's channel: who gets one, and what it opens. */
import assert from "node:assert/strict";
import { consumeTicket, TICKET_TTL_S } from "shared/auth/tickets.ts";
import { hashToken, hexOf } from "shared/auth/token.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { everything } from "../harness/order_facts.ts";
import { type Answer, TRACKER_URL } from "../harness/gateway_app.ts";
import {
  acceptedOrder,
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  newCourier,
  place,
  placed,
  soupOrder,
} from "../harness/gateway_world.ts";
import { openTestStores } from "../harness/stores.ts";

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

async function ticketFor(
  id: string,
  how: { token?: string; link?: string },
): Promise<Answer> {
  return await world.gateway.call("POST", `/api/v1/orders/${id}/track-tickets`, {
    token: how.token,
    ...(how.link === undefined ? {} : { headers: { "x-tracking-token": how.link } }),
  });
}

Deno.test("the link's secret gets a ticket without a session, for this order, once, within 30 s", async () => {
  const { redis, keys } = world.stores;
  const order = await place(world, soupOrder(world));
  const id = String(order.json?.["id"]);
  const link = String(order.json?.["tracking"]?.["token"]);
  const answer = await ticketFor(id, { link });
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.headers.get("cache-control"), "private, no-store");
  const { ticket, expiresAt, ...urls } = JSON.parse(answer.text);
  assert.deepEqual(urls, {
    webSocketUrl: `ws://tracker.example/api/v1/orders/${id}/track?ticket=${ticket}`,
    eventStreamUrl: `${TRACKER_URL}/api/v1/orders/${id}/track?ticket=${ticket}`,
  });
  assert.ok(Math.abs(Date.parse(expiresAt) - Date.now() - TICKET_TTL_S * 1000) < 3_000);
  const ttlS = await redis.ttl(keys.ticket(hexOf(await hashToken(ticket))));
  assert.ok(ttlS > 25 && ttlS <= TICKET_TTL_S, `it lives ${ttlS} s`);
  assert.equal((await redis.keys("*")).some((key) => key.includes(ticket)), false);
  assert.deepEqual(await consumeTicket(redis, keys, ticket), { kind: "track", orderId: id });
  assert.equal(await consumeTicket(redis, keys, ticket), undefined);
});

Deno.test("each party's session gets a ticket, and a stranger's does not", async () => {
  const { gateway, customer, merchant } = world;
  const { orderId, courier } = await acceptedOrder(world);
  const parties = [customer, merchant, courier, await gateway.signIn("dispatcher")];
  for (const { token } of parties) {
    assert.equal((await ticketFor(orderId, { token })).status, 201);
  }
  for (const { token } of [await gateway.signIn("customer"), await newCourier(world)]) {
    const answer = await ticketFor(orderId, { token });
    assert.deepEqual([answer.status, answer.json?.["code"]], [404, "order.not_found"]);
  }
  assert.equal((await ticketFor(orderId, {})).json?.["code"], "auth.required");
});

Deno.test("a wrong secret, and the right one of another order, find nothing", async () => {
  const first = await place(world, soupOrder(world));
  const second = await place(world, soupOrder(world));
  const id = String(first.json?.["id"]);
  const link = String(first.json?.["tracking"]?.["token"]);
  const other = String(second.json?.["tracking"]?.["token"]);
  const wrong = [
    other,
    `${link.slice(0, -1)}${link.endsWith("A") ? "B" : "A"}`,
    link.slice(1),
    "",
    "x",
    link.repeat(100),
  ];
  for (const secret of wrong) {
    const answer = await ticketFor(id, { link: secret });
    assert.deepEqual([answer.status, answer.json?.["code"]], [404, "order.not_found"], secret);
    // A session beside it does not help: the link is what was asked with.
    const both = await ticketFor(id, { link: secret, token: world.customer.token });
    assert.equal(both.status, 404);
  }
  assert.equal((await ticketFor(uuidv7(), { link })).status, 404);
});

Deno.test("the secret of the link is shown once: not in reads, lists, steps or events", async () => {
  const order = await place(world, soupOrder(world), { key: "shown-once" });
  const id = String(order.json?.["id"]);
  const link = String(order.json?.["tracking"]?.["token"]);
  const { customer, merchant, gateway } = world;
  const answers = [
    await gateway.call("GET", `/api/v1/orders/${id}`, customer),
    await gateway.call("GET", "/api/v1/orders", customer),
    await gateway.call("GET", `/api/v1/orders/${id}/events`, customer),
    await gateway.call("POST", `/api/v1/merchant/orders/${id}/confirm`, merchant),
    await gateway.call("GET", "/api/v1/merchant/orders", merchant),
    await gateway.call("POST", `/api/v1/orders/${id}/cancel`, { token: customer.token, body: {} }),
  ];
  for (const answer of answers) {
    assert.equal(answer.status, 200);
    assert.equal(answer.text.includes(link), false);
  }
  // But the repeat of a lost answer has it, or the customer would never get the link.
  const repeat = await place(world, soupOrder(world), { key: "shown-once" });
  assert.equal(repeat.json?.["tracking"]?.["token"], link);
  assert.deepEqual(repeat.json, order.json);
});

Deno.test("the secret of the link stands in no table, also not in what is kept for a repeat", async () => {
  const order = await place(world, soupOrder(world), { key: "not-stored" });
  const link = String(order.json?.["tracking"]?.["token"]);
  assert.match(link, /^[A-Za-z0-9_-]{43}$/);
  const stored = await everything(world.stores.sql);
  assert.ok((stored["idempotency"] ?? []).some((row) => row.includes(String(order.json?.["id"]))));
  assert.equal(JSON.stringify(stored).includes(link), false);
});

Deno.test("a courier's session gets a ticket for its own channel", async () => {
  const { redis, keys } = world.stores;
  const courier = await newCourier(world);
  const answer = await world.gateway.call("POST", "/api/v1/courier/channel-tickets", courier);
  assert.equal(answer.status, 201, answer.text);
  const { ticket, webSocketUrl } = JSON.parse(answer.text);
  assert.equal(webSocketUrl, `ws://tracker.example/api/v1/courier/channel?ticket=${ticket}`);
  const [session] = await world.stores.sql<{ id: string }[]>`
    select id from sessions where account_id = ${courier.accountId}`;
  assert.deepEqual(await consumeTicket(redis, keys, ticket), {
    kind: "courier_channel",
    courierId: courier.accountId,
    credentialId: session?.id,
  });
});

Deno.test("a courier's session gets a ticket for sending its positions", async () => {
  const { redis, keys } = world.stores;
  const courier = await newCourier(world);
  const answer = await world.gateway.call("POST", "/api/v1/courier/position-tickets", courier);
  assert.equal(answer.status, 201, answer.text);
  const [session] = await world.stores.sql<{ id: string }[]>`
    select id from sessions where account_id = ${courier.accountId}`;
  assert.deepEqual(await consumeTicket(redis, keys, JSON.parse(answer.text).ticket), {
    kind: "courier_positions",
    courierId: courier.accountId,
    credentialId: session?.id,
  });
});

Deno.test("no secret of a link and no ticket is in a log line", async () => {
  const order = await place(world, soupOrder(world));
  const link = String(order.json?.["tracking"]?.["token"]);
  const answer = await ticketFor(String(order.json?.["id"]), { link });
  await placed(world);
  const lines = world.gateway.logLines.join("\n");
  assert.equal(lines.includes(link), false);
  assert.equal(lines.includes(String(answer.json?.["ticket"])), false);
});
