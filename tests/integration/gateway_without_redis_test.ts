/** Redis is away (DESIGN §11): orders, accepts and sessions go on in Postgres. */
import assert from "node:assert/strict";
import { Sessions } from "shared/auth/sessions.ts";
import { silentLog } from "shared/log/log.ts";
import { connectRedis, type Redis, startRedis } from "shared/redis/connect.ts";
import { startGateway, type TestGateway } from "../harness/gateway_app.ts";
import {
  acceptedOrder,
  ask,
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  parcelOrder,
  place,
  soupOrder,
} from "../harness/gateway_world.ts";
import { eventLines, orderFacts } from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { openTestStores } from "../harness/stores.ts";

/** Below the time-outs of connecting (3 s) and of a command (2 s). */
const QUICK_MS = 1_900;
/** Reading and writing the session's cache, 2 s each, and the order itself. */
const SILENT_MS = 6_000;

let world: GatewayWorld;
let redis: Redis;

/** A port that nobody listens on. */
function closedPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

function gatewayWith(of: Redis): TestGateway {
  return startGateway(world.stores, { redis: of });
}

Deno.test.beforeAll(async () => {
  const whole = await createGatewayWorld(await openTestStores());
  redis = connectRedis(`redis://127.0.0.1:${closedPort()}`, { name: "away", log: silentLog });
  await startRedis(redis);
  whole.gateway.close();
  world = { ...whole, gateway: startGateway(whole.stores, { redis }) };
});
Deno.test.afterAll(async () => {
  redis.disconnect();
  await closeGatewayWorld(world);
});

Deno.test("accounts, sessions and logouts work without Redis", async () => {
  const email = `${crypto.randomUUID()}@test.example`;
  const password = "a long password";
  const registered = await world.gateway.call("POST", "/api/v1/auth/register", {
    body: { role: "customer", name: "Kim", email, password },
  });
  assert.equal(registered.status, 201, registered.text);
  const body = { email, password };
  const login = await world.gateway.call("POST", "/api/v1/auth/login", { body });
  const token = String(login.json?.["token"]);
  assert.equal((await world.gateway.call("GET", "/api/v1/me", { token })).status, 200);
  assert.equal((await world.gateway.call("POST", "/api/v1/auth/logout", { token })).status, 204);
  assert.equal((await world.gateway.call("GET", "/api/v1/me", { token })).status, 401);
});

Deno.test("an order is placed, accepted and delivered without Redis, and without waiting for it", async () => {
  const startedMs = performance.now();
  const answer = await place(world, soupOrder(world), { key: "without redis" });
  const tookMs = performance.now() - startedMs;
  assert.equal(answer.status, 201, answer.text);
  assert.ok(tookMs < QUICK_MS, `placing took ${tookMs} ms`);
  const again = await place(world, soupOrder(world), { key: "without redis" });
  assert.deepEqual(JSON.parse(again.text), JSON.parse(answer.text));
  const { orderId, courier } = await acceptedOrder(world);
  const shop = `/api/v1/merchant/orders/${orderId}`;
  await ask(world, world.merchant, "POST", `${shop}/prepare`);
  await ask(world, world.merchant, "POST", `${shop}/ready`);
  const road = `/api/v1/courier/orders/${orderId}`;
  for (const step of ["picked-up", "in-transit", "delivered"]) {
    await ask(world, courier, "POST", `${road}/${step}`);
  }
  assert.equal((await orderFacts(world.stores.sql, orderId)).status, "delivered");
  assert.equal((await eventLines(world.stores.sql, orderId)).length, 13);
});

Deno.test("an order is cancelled, and couriers come and go, without Redis", async () => {
  const { orderId, courier } = await acceptedOrder(world, parcelOrder());
  await ask(world, world.customer, "POST", `/api/v1/orders/${orderId}/cancel`, {});
  for (const name of ["pause", "online", "offline"]) {
    await ask(world, courier, "POST", `/api/v1/courier/${name}`);
  }
});

Deno.test("what cannot be had without Redis says so: tickets answer 503 and not an error", async () => {
  const { orderId, courier } = await acceptedOrder(world);
  const allowed = 503;
  const track = await world.gateway.call("POST", `/api/v1/orders/${orderId}/track-tickets`, {
    token: world.customer.token,
    allowed,
  });
  const channel = await world.gateway.call("POST", "/api/v1/courier/channel-tickets", {
    token: courier.token,
    allowed,
  });
  for (const answer of [track, channel]) {
    assert.deepEqual([answer.status, answer.json?.["code"]], [503, "service.unavailable"]);
    assert.equal(answer.headers.get("retry-after"), "1");
  }
});

Deno.test("a session from before the outage works during it, and a logout during it ends its session", async () => {
  await using link = new RedisLink(world.stores.redisUrl);
  const wired = connectRedis(link.url, { name: "wired", log: silentLog, isPipelined: true });
  await startRedis(wired);
  const gateway = gatewayWith(wired);
  try {
    const { token } = await gateway.signIn("customer");
    const other = await gateway.signIn("customer");
    const status = async (of: string) =>
      (await gateway.call("GET", "/api/v1/me", { token: of })).status;
    // Both are in the cache now.
    assert.deepEqual([await status(token), await status(other.token)], [200, 200]);
    link.cut();
    assert.deepEqual([await status(token), await status(other.token)], [200, 200]);
    assert.equal((await gateway.call("POST", "/api/v1/auth/logout", { token })).status, 204);
    assert.deepEqual([await status(token), await status(other.token)], [401, 200]);
    assert.equal((await place(world, parcelOrder(), { by: other })).status, 201);
    // What Redis still holds of the ended session is believed for 5 min, then looked up again.
    const now = () => Date.now() + 300_000;
    const later = new Sessions({ ...world.stores, log: silentLog, now });
    assert.equal(await later.find(token), undefined);
  } finally {
    wired.disconnect();
    gateway.close();
  }
});

Deno.test("a Redis that has gone silent delays an order by its command time-outs and no more", async () => {
  await using link = new RedisLink(world.stores.redisUrl);
  const wired = connectRedis(link.url, { name: "silent", log: silentLog, isPipelined: true });
  await startRedis(wired);
  const gateway = gatewayWith(wired);
  try {
    await wired.ping();
    link.freeze();
    const startedMs = performance.now();
    const answer = await gateway.call("POST", "/api/v1/orders", {
      token: world.customer.token,
      body: parcelOrder(),
    });
    const tookMs = performance.now() - startedMs;
    assert.equal(answer.status, 201, answer.text);
    assert.ok(tookMs < SILENT_MS, `placing took ${tookMs} ms`);
    console.log(`with a silent Redis an order took ${Math.round(tookMs)} ms`);
  } finally {
    wired.disconnect();
    gateway.close();
  }
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(world.stores.sql), []);
});
