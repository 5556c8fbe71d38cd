/** A device that travels with one order: its key, what it sends, and who sees it. */
import assert from "node:assert/strict";
import { hashToken } from "shared/auth/token.ts";
import { parseOrderPositions } from "shared/availability/order_positions.ts";
import { parseStreamedCouriers } from "shared/availability/streamed_fixes.ts";
import { OWNTRACKS_PATH, POSITIONS_PATH } from "shared/live_api/ingest_routes.ts";
import { silentLog } from "shared/log/log.ts";
import { connectRedis, startRedis } from "shared/redis/connect.ts";
import { bodyOf, fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import type { Answer } from "../harness/gateway_app.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  newCourier,
  parcelOrder,
  placed,
} from "../harness/gateway_world.ts";
import { Ingest } from "../harness/ingest_world.ts";
import { PARTITION } from "../harness/outbox.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { openTestStores } from "../harness/stores.ts";

let world: GatewayWorld;
let ingest: Ingest;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
  ingest = new Ingest(world.stores);
});
Deno.test.afterAll(() => closeGatewayWorld(world));

async function askKey(orderId: string, token = world.customer.token): Promise<Answer> {
  const path = `/api/v1/orders/${orderId}/device-keys`;
  return await world.gateway.call("POST", path, { token, body: { name: "box" } });
}

/** A parcel and the key of a device in it. */
async function parcelWithDevice(): Promise<{ orderId: string; key: string; keyId: string }> {
  const orderId = await placed(world, parcelOrder());
  const made = await askKey(orderId);
  assert.equal(made.status, 201, made.text);
  assert.deepEqual([...JSON.parse(made.text).scopes], ["positions:write"]);
  return { orderId, key: String(made.json?.["key"]), keyId: String(made.json?.["id"]) };
}

async function kept(orderId: string): Promise<number> {
  const rows = await world.stores.sql`select 1 from parcel_positions where order_id = ${orderId}`;
  return rows.length;
}

async function get(path: string, token = world.customer.token): Promise<Answer> {
  return await world.gateway.call("GET", path, { token });
}

Deno.test("fixes of a device go to its order: kept, shown beside the courier's, told to the track, and in no index", async () => {
  const { orderId, key } = await parcelWithDevice();
  const { redis, keys } = world.stores;
  const fix = { ...fixAt(northOfPickup(40), 2_000), accuracyM: 9 };
  assert.deepEqual((await ingest.post(key, fix)).body, { accepted: true });
  const seen = JSON.parse((await get(`/api/v1/orders/${orderId}/position`)).text);
  const { recordedAt, lat, lon, accuracyM } = bodyOf(fix);
  assert.deepEqual(seen, {
    position: null,
    parcel: { lat, lon, accuracyM, recordedAt: new Date(String(recordedAt)).toISOString() },
  });
  const [entry] = await redis.xrevrange(keys.positions(PARTITION), "+", "-", "COUNT", 1);
  const flat = entry?.[1] ?? [];
  const fields = Object.fromEntries(
    flat.flatMap((name, at) => at % 2 === 0 ? [[name, flat[at + 1] ?? ""]] : []),
  );
  assert.deepEqual(parseStreamedCouriers(fields), []);
  assert.deepEqual(parseOrderPositions(fields), [{ orderId, source: "device", fix }]);
  assert.equal(await redis.zcard(keys.couriersGeo(PARTITION)), 0);
  assert.equal(await redis.zcard(keys.couriersSeen(PARTITION)), 0);
});

Deno.test("each way in takes the key of a device, but for the couriers' socket", async () => {
  const { orderId, key } = await parcelWithDevice();
  const tst = Math.floor(Date.now() / 1000) - 10;
  const ownTracks = await ingest.respond(
    new Request(`http://ingest.test${OWNTRACKS_PATH}`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`box:${key}`)}` },
      body: JSON.stringify({ _type: "location", lat: 57.7, lon: 11.9, tst }),
    }),
  );
  assert.equal(ownTracks.status, 200);
  const osmAnd = await ingest.respond(
    new Request(`http://ingest.test/api/v1/devices/osmand?id=${key}&lat=57.7&lon=11.91`),
  );
  assert.equal(osmAnd.status, 200);
  const batch = await ingest.postMany(key, [fixAt(PICKUP, 8_000), fixAt(PICKUP, 4_000)]);
  assert.equal(batch.body["accepted"], 2, JSON.stringify(batch.body));
  assert.equal(await kept(orderId), 4);
  const headers = { authorization: `Bearer ${key}`, upgrade: "websocket" };
  const socket = await ingest.fetch(
    new Request(`http://ingest.test${POSITIONS_PATH}`, { headers }),
  );
  assert.deepEqual([socket.status, socket.body["code"]], [403, "auth.forbidden"]);
});

Deno.test("what is older, twice, inaccurate or of the future is judged; what is kept can be read in pages", async () => {
  const { orderId, key } = await parcelWithDevice();
  const newest = fixAt(PICKUP, 5_000);
  const answer = await ingest.postMany(key, [
    fixAt(PICKUP, 9_000),
    newest,
    newest,
    { ...fixAt(PICKUP, 3_000), accuracyM: 300 },
  ]);
  assert.deepEqual(answer.body["results"], ["accepted", "accepted", "duplicate", "low_accuracy"]);
  const late = await ingest.post(key, fixAt(PICKUP, 20_000));
  assert.deepEqual(late.body, { accepted: true, reason: "late" });
  assert.deepEqual((await ingest.post(key, newest)).body, { accepted: true, reason: "duplicate" });
  const future = await ingest.post(key, fixAt(PICKUP, -60_000));
  assert.deepEqual(future.body, { accepted: true, clamped: true });
  assert.equal(await kept(orderId), 5);
  const path = `/api/v1/orders/${orderId}/parcel-positions`;
  const first = JSON.parse((await get(`${path}?limit=3`)).text);
  const rest = JSON.parse((await get(`${path}?limit=3&cursor=${first.nextCursor}`)).text);
  const times = [...first.items, ...rest.items].map((item) => Date.parse(item.recordedAt));
  assert.equal(times.length, 5);
  assert.deepEqual(times, times.toSorted((a, b) => b - a));
  assert.equal(rest.nextCursor, null);
  assert.ok((times[0] ?? 0) <= Date.now());
});

Deno.test("the key of a device opens nothing else, and only who placed, sells or dispatches the order makes one", async () => {
  const { orderId, key } = await parcelWithDevice();
  for (const path of ["/api/v1/me", "/api/v1/orders", `/api/v1/orders/${orderId}`]) {
    const answer = await get(path, key);
    assert.equal(answer.status, 403, `${path} ${answer.text}`);
  }
  const stranger = await world.gateway.signIn("customer");
  assert.equal((await askKey(orderId, stranger.token)).status, 404);
  assert.equal((await askKey(orderId, world.merchant.token)).status, 404);
  const courier = await newCourier(world);
  assert.equal((await askKey(orderId, courier.token)).status, 403);
  const dispatcher = await world.gateway.signIn("dispatcher");
  assert.equal((await askKey(orderId, dispatcher.token)).status, 201);
  // They are the order's, not among those that an account may have.
  assert.deepEqual(JSON.parse((await get("/api/v1/api-keys")).text).items, []);
  const listed = JSON.parse((await get(`/api/v1/orders/${orderId}/device-keys`)).text);
  assert.equal(listed.items.length, 2);
  assert.equal("key" in listed.items[0], false);
});

Deno.test("an order has at most five keys of devices, also when they are asked for at once", async () => {
  const { orderId } = await parcelWithDevice();
  const answers = await Promise.all(Array.from({ length: 8 }, () => askKey(orderId)));
  assert.deepEqual(
    answers.map(({ status }) => status).sort(),
    [201, 201, 201, 201, 409, 409, 409, 409],
  );
  assert.ok(
    answers.every(({ status, json }) =>
      status === 201 || String(json?.["code"]) === "api_key.too_many"
    ),
  );
});

Deno.test("the key ends with its order, and when somebody ends it", async () => {
  const { orderId, key } = await parcelWithDevice();
  assert.equal((await ingest.post(key, fixAt(PICKUP, 3_000))).status, 200);
  const cancel = `/api/v1/orders/${orderId}/cancel`;
  const { token } = world.customer;
  assert.equal((await world.gateway.call("POST", cancel, { token, body: {} })).status, 200);
  const late = await ingest.post(key, fixAt(PICKUP, 1_000));
  assert.deepEqual([late.status, late.body["code"]], [401, "auth.required"]);
  assert.equal(await kept(orderId), 1);
  const position = JSON.parse((await get(`/api/v1/orders/${orderId}/position`)).text);
  assert.equal(position.parcel, null);
  const refused = await askKey(orderId);
  assert.deepEqual([refused.status, refused.json?.["state"]], [409, "cancelled"]);
  const other = await parcelWithDevice();
  const path = `/api/v1/orders/${other.orderId}/device-keys/${other.keyId}`;
  const stranger = await world.gateway.signIn("customer");
  const foreign = await world.gateway.call("DELETE", path, { token: stranger.token });
  assert.equal(foreign.status, 404);
  assert.equal((await world.gateway.call("DELETE", path, { token })).status, 204);
  assert.equal((await world.gateway.call("DELETE", path, { token })).status, 204, "a repeat");
  await ingest.credentials.revocations.poll();
  assert.equal((await ingest.post(other.key, fixAt(PICKUP))).status, 401);
  assert.equal(await kept(other.orderId), 0);
});

Deno.test("a device may send 1 a second and 120 at once; another one is not disturbed", async () => {
  const { key } = await parcelWithDevice();
  const other = await parcelWithDevice();
  const points = (from: number, count: number) =>
    Array.from({ length: count }, (_, at) => fixAt(PICKUP, 30_000 - (from + at) * 10));
  assert.equal((await ingest.postMany(key, points(0, 100))).body["accepted"], 100);
  const part = await ingest.postMany(key, points(100, 60));
  assert.equal(part.body["accepted"], 20);
  assert.ok(Number(part.headers.get("retry-after")) >= 1);
  const none = await ingest.post(key, fixAt(PICKUP, 1_000));
  assert.deepEqual([none.status, none.body["code"]], [429, "limit.exceeded"]);
  assert.equal((await ingest.post(other.key, fixAt(PICKUP, 1_000))).status, 200);
});

Deno.test("while Redis is away a device's fix is kept, and the answer says so", async () => {
  const { orderId, key } = await parcelWithDevice();
  await using link = new RedisLink(world.stores.redisUrl);
  const redis = connectRedis(link.url, { name: "linked", log: silentLog });
  try {
    await startRedis(redis);
    const alone = new Ingest(world.stores, redis);
    link.cut();
    const answer = await alone.post(key, fixAt(PICKUP, 1_000));
    assert.deepEqual(answer.body, { accepted: true, degraded: true });
    assert.equal(await kept(orderId), 1);
  } finally {
    redis.disconnect();
  }
});

Deno.test("the tracking link shows where the parcel was, and nobody else's link does", async () => {
  const { orderId, key } = await parcelWithDevice();
  await ingest.post(key, fixAt(PICKUP, 1_000));
  const secret = "a link of the test, which nobody else has";
  await world.stores.sql`
    update orders set tracking_token_hash = ${await hashToken(secret)} where id = ${orderId}`;
  const path = `/api/v1/orders/${orderId}/parcel-positions`;
  const by = async (link: string) =>
    (await world.gateway.call("GET", path, { headers: { "x-tracking-token": link } })).status;
  assert.deepEqual([await by(secret), await by("another")], [200, 404]);
});
