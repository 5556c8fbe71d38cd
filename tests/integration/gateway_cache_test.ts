/** Orders and positions read fast: fresh after changes, and shown only to who may see them now. */
import assert from "node:assert/strict";
import { Availability } from "shared/availability/availability.ts";
import { Cache } from "shared/cache/cache.ts";
import { silentLog } from "shared/log/log.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import { connectRedis, startRedis } from "shared/redis/connect.ts";
import { followOnce, followOrders } from "../../services/gateway/follow_orders.ts";
import { OrderCache } from "../../services/gateway/order_cache.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { type Answer, startGateway, type TestGateway } from "../harness/gateway_app.ts";
import {
  acceptedOrder,
  ask,
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  newCourier,
  parcelOrder,
  placed,
} from "../harness/gateway_world.ts";
import { openRelay, PARTITION } from "../harness/outbox.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { openTestStores } from "../harness/stores.ts";

/** Long enough that a busy machine is not taken for a Redis that is away. */
const PATIENT_MS = 10_000;

let world: GatewayWorld;
/** Two gateways of one installation. */
let here: TestGateway;
let there: TestGateway;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
  [here, there] = [cachingGateway(), cachingGateway()];
});
Deno.test.afterAll(async () => {
  here?.close();
  there?.close();
  await closeGatewayWorld(world);
});

function cachingGateway(): TestGateway {
  const { stores } = world;
  const cache = new Cache({ ...stores, redisTimeoutMs: PATIENT_MS });
  return startGateway(stores, { cache, orderCache: new OrderCache(cache, stores.sql) });
}

async function read(gateway: TestGateway, id: string, by: { token: string } = world.customer) {
  return await gateway.call("GET", `/api/v1/orders/${id}`, { token: by.token });
}

function seen(answer: Answer): (string | number | null)[] {
  assert.equal(answer.headers.get("cache-control"), "private, no-store");
  return [String(answer.json?.["status"]), answer.headers.get("x-cache")];
}

/** Puts what the outbox has onto the stream. */
async function publish(): Promise<void> {
  const relay = await openRelay(world.stores);
  await eventually("the outbox is empty", async () => await relay.step() === "idle");
}

function followOptions(gateway: TestGateway) {
  const { redis, keys } = world.stores;
  return { redis, keys, partition: PARTITION, orders: gateway.deps.orderCache };
}

async function cancelBehind(orderId: string): Promise<void> {
  const actor = { role: "customer", accountId: world.customer.accountId } as const;
  const outcome = await transitionOrder(world.stores.sql, { orderId, action: "cancel", actor });
  assert.ok(outcome.ok);
}

Deno.test("an order is read from Postgres once, then from the cache by every gateway", async () => {
  const id = await placed(world);
  assert.deepEqual(seen(await read(here, id)), ["placed", "MISS"]);
  assert.deepEqual(seen(await read(here, id)), ["placed", "HIT"]);
  const cached = await read(there, id);
  assert.deepEqual(seen(cached), ["placed", "HIT"]);
  assert.deepEqual(JSON.parse(cached.text), JSON.parse((await read(world.gateway, id)).text));
});

Deno.test("a gateway's own change is seen at once through every gateway", async () => {
  const id = await placed(world);
  for (const gateway of [here, there]) await read(gateway, id);
  const shop = `/api/v1/merchant/orders/${id}`;
  const token = world.merchant.token;
  const steps = [["confirm", "confirmed"], ["prepare", "preparing"], ["ready", "ready_for_pickup"]];
  for (const [step, status] of steps) {
    assert.equal((await here.call("POST", `${shop}/${step}`, { token })).status, 200);
    assert.deepEqual(seen(await read(there, id)), [status, "HIT"]);
    assert.deepEqual(seen(await read(here, id)), [status, "HIT"]);
  }
  const other = await placed(world);
  await read(there, other);
  await ask(
    { ...world, gateway: here },
    world.customer,
    "POST",
    `/api/v1/orders/${other}/cancel`,
    {},
  );
  assert.deepEqual(seen(await read(there, other)), ["cancelled", "HIT"]);
  const ttlMs = await ttlOf(other);
  assert.ok(ttlMs > 5 * 60_000 && ttlMs <= 60 * 60_000, `history is kept ${ttlMs} ms`);
  assert.ok(await ttlOf(id) <= 5 * 60_000, "an active order at most 5 min");
});

async function ttlOf(orderId: string): Promise<number> {
  const { redis, prefix } = world.stores;
  const [key = ""] = await redis.keys(`${prefix}cache:order-*:{${orderId}}`);
  return await redis.pttl(key);
}

Deno.test("a change by another process is seen when its event is heard, by one gateway for all", async () => {
  const id = await placed(world);
  for (const gateway of [here, there]) await read(gateway, id);
  await cancelBehind(id);
  await publish();
  const { id: lastId, count } = await followOnce(followOptions(here), "0");
  assert.ok(count >= 2);
  assert.deepEqual(seen(await read(there, id)), ["cancelled", "MISS"]);
  assert.deepEqual(seen(await read(here, id)), ["cancelled", "HIT"]);
  assert.deepEqual(await followOnce(followOptions(here), lastId), { id: lastId, count: 0 });
});

Deno.test("following the stream goes on after junk and begins before it was started", async () => {
  const { redis, keys } = world.stores;
  const id = await placed(world);
  await read(here, id);
  await cancelBehind(id);
  await redis.xadd(keys.events(PARTITION), "*", "id", "x", "event", "{");
  await redis.xadd(keys.events(PARTITION), "*", "other", "x");
  await publish();
  await using background = new Background();
  background.run((signal) => followOrders({ ...followOptions(here), log: silentLog, signal }));
  await eventually("the change is seen", async () => {
    return (await read(here, id)).json?.["status"] as unknown as string === "cancelled";
  });
});

Deno.test("an announcement that Redis did not get is made again", async () => {
  const { stores } = world;
  await using link = new RedisLink(stores.redisUrl);
  const redis = connectRedis(link.url, { name: "announce", log: silentLog });
  await startRedis(redis);
  try {
    await placed(world);
    await publish();
    const orders = new OrderCache(new Cache({ ...stores, redis }), stores.sql);
    link.cut();
    await assert.rejects(followOnce({ ...followOptions(here), orders }, "0"), /not told/);
  } finally {
    redis.disconnect();
  }
});

Deno.test("a cached order is shown to its parties and does not exist for anybody else", async () => {
  const { orderId, courier } = await acceptedOrder(world);
  assert.deepEqual(seen(await read(here, orderId)), ["confirmed", "MISS"]);
  const strangers = [
    await world.gateway.signIn("customer"),
    await world.gateway.signIn("merchant"),
    await newCourier(world),
  ];
  for (const stranger of strangers) {
    const answer = await read(here, orderId, stranger);
    assert.deepEqual([answer.status, answer.json?.["code"]], [404, "order.not_found"]);
  }
  for (const party of [world.merchant, await world.gateway.signIn("dispatcher")]) {
    assert.deepEqual(seen(await read(here, orderId, party)), ["confirmed", "HIT"]);
  }
  assert.deepEqual(seen(await read(here, orderId, courier)), ["confirmed", null]);
  // Behind the gateway's back, and no event was heard: the courier may not see it any more.
  await cancelBehind(orderId);
  assert.equal((await read(here, orderId, courier)).status, 404);
});

Deno.test("without Redis orders are read past the cache", async () => {
  const { stores } = world;
  await using link = new RedisLink(stores.redisUrl);
  const redis = connectRedis(link.url, { name: "away", log: silentLog });
  await startRedis(redis);
  const cache = new Cache({ ...stores, redis });
  const orderCache = new OrderCache(cache, stores.sql);
  const gateway = startGateway(stores, { redis, cache, orderCache });
  try {
    const id = await placed(world);
    link.cut();
    assert.deepEqual(seen(await read(gateway, id)), ["placed", "BYPASS"]);
    await cancelBehind(id);
    assert.deepEqual(seen(await read(gateway, id)), ["cancelled", "BYPASS"]);
  } finally {
    redis.disconnect();
    gateway.close();
  }
});

async function positionOf(gateway: TestGateway, id: string, by: { token: string }) {
  return await gateway.call("GET", `/api/v1/orders/${id}/position`, { token: by.token });
}

const fixAt = (lat: number) => ({
  lat,
  lon: 11.9,
  accuracyM: 5,
  recordedAt: new Date().toISOString(),
});

Deno.test("a courier's position is shown while it has the order, and no longer", async () => {
  const { redis, keys, sql } = world.stores;
  const waiting = await placed(world, parcelOrder());
  assert.deepEqual((await positionOf(here, waiting, world.customer)).json, {
    position: null,
    parcel: null,
  });
  const { orderId, courier } = await acceptedOrder(world);
  assert.deepEqual((await positionOf(here, orderId, world.customer)).json, {
    position: null,
    parcel: null,
  });
  const index = new Availability(redis, keys, PARTITION);
  await index.applyStatus(courier.accountId, "busy", 1);
  const fix = fixAt(57.7);
  const { recordedAt, ...place } = fix;
  const heard = { ...place, recordedAtMs: Date.parse(recordedAt) };
  const group = { courierId: courier.accountId, maxSpeedMps: 20, fixes: [heard] };
  assert.deepEqual((await index.applyHeard([group]))[0]?.codes, ["accepted"]);
  const first = await positionOf(here, orderId, world.customer);
  assert.deepEqual([first.json, first.headers.get("x-cache")], [
    { position: fix, parcel: null },
    "MISS",
  ]);
  assert.equal(first.headers.get("cache-control"), "private, no-store");
  const second = await positionOf(there, orderId, world.merchant);
  assert.deepEqual([second.json, second.headers.get("x-cache")], [
    { position: fix, parcel: null },
    "HIT",
  ]);
  const ttlMs = await redis.pttl(keys.cache("position", courier.accountId));
  assert.ok(ttlMs > 0 && ttlMs <= 15_000, `${ttlMs} ms`);
  const stranger = await world.gateway.signIn("customer");
  assert.equal((await positionOf(here, orderId, stranger)).status, 404);
  await sql`update assignments set ended_at = clock_timestamp() where order_id = ${orderId}`;
  const after = await positionOf(here, orderId, world.customer);
  assert.deepEqual([after.json, after.headers.get("x-cache")], [
    { position: null, parcel: null },
    "BYPASS",
  ]);
});

Deno.test("where Redis has no fix, the copy in Postgres is shown", async () => {
  const { sql } = world.stores;
  const { orderId, courier } = await acceptedOrder(world, parcelOrder());
  await sql`
    insert into courier_last_positions (courier_id, lat, lon, heading_deg, recorded_at, received_at)
    values (${courier.accountId}, 57.71, 11.91, 90, '2026-01-02T03:04:05.678Z', now())`;
  const answer = await positionOf(here, orderId, world.customer);
  assert.deepEqual(answer.json, {
    parcel: null,
    position: { lat: 57.71, lon: 11.91, headingDeg: 90, recordedAt: "2026-01-02T03:04:05.678Z" },
  });
});
