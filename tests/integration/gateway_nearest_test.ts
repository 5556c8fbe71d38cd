/** `GET /api/v1/couriers/nearest`: who may ask, what is refused, and who answers when. */
import assert from "node:assert/strict";
import { silentLog } from "shared/log/log.ts";
import { connectRedis, connectRedisBlocking, startRedis } from "shared/redis/connect.ts";
import { Registry } from "prom-client";
import { createGatewayMetrics } from "../../services/gateway/metrics.ts";
import { NearestCouriers } from "../../services/gateway/nearest_couriers.ts";
import { CourierIndex, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { eventually } from "../harness/eventually.ts";
import { insertRegion, REGION } from "../harness/fixtures.ts";
import { fieldsOf, type Json, startGateway, type TestGateway } from "../harness/gateway_app.ts";
import { PARTITION } from "../harness/outbox.ts";
import { RedisLink } from "../harness/redis_link.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

interface DeskWorld {
  readonly stores: TestStores;
  readonly gateway: TestGateway;
  readonly index: CourierIndex;
  readonly link: RedisLink;
  /** Asks as a dispatcher near the pickup. */
  ask(query?: string): ReturnType<TestGateway["call"]>;
}

/** A gateway behind a wire to Redis that can be cut. */
async function withDesk(use: (world: DeskWorld) => Promise<void>): Promise<void> {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    await using link = new RedisLink(stores.redisUrl);
    const options = { name: "linked", log: silentLog };
    const redis = connectRedis(link.url, options);
    await startRedis(redis);
    const nearest = new NearestCouriers({
      sql: stores.sql,
      redis,
      keys: stores.keys,
      log: silentLog,
      metrics: createGatewayMetrics(new Registry()),
      openBlocking: () => connectRedisBlocking(link.url, options),
    });
    const gateway = startGateway(stores, { nearest });
    try {
      const { token } = await gateway.signIn("dispatcher");
      const place = `lat=${PICKUP.lat}&lon=${PICKUP.lon}`;
      const ask = (query = "") =>
        gateway.call("GET", `/api/v1/couriers/nearest?${place}&${query}`, { token });
      await use({ stores, gateway, index: new CourierIndex(stores), link, ask });
    } finally {
      gateway.close();
      await nearest.close();
      redis.disconnect();
    }
  });
}

function items(json: Json): Record<string, unknown>[] {
  return (json?.["items"] ?? []) as unknown as Record<string, unknown>[];
}

async function copyToPostgres({ stores }: DeskWorld): Promise<void> {
  for (const id of await stores.redis.zrange(stores.keys.couriersSeen(PARTITION), 0, "-1")) {
    const point = await new CourierIndex(stores).latest(id);
    await stores.sql`
      insert into courier_last_positions (courier_id, lat, lon, recorded_at, received_at)
      values (${id}, ${point?.lat ?? 0}, ${point?.lon ?? 0}, clock_timestamp(), clock_timestamp())`;
  }
}

Deno.test("a search is answered by Redis, then by memory, and by Postgres while Redis is away", async () => {
  await withDesk(async (world) => {
    const { ask, index, link } = world;
    const far = await index.addCourier({ at: northOfPickup(900) });
    const near = await index.addCourier({ at: northOfPickup(300) });
    await index.addCourier({ at: northOfPickup(6_000) });
    await index.addCourier({ status: "busy", at: northOfPickup(10) });
    await copyToPostgres(world);
    const sources: unknown[] = [];
    const answered = async (source: string) => {
      const { status, json, text } = await ask();
      assert.equal(status, 200, text);
      assert.deepEqual(items(json).map(({ courierId }) => courierId), [near, far], text);
      sources.push(json?.["source"]);
      return sources.at(-1) === source;
    };
    assert.ok(await answered("redis"), `the first answer is ${sources}`);
    await eventually("memory answers", () => answered("grid"));
    link.cut();
    await eventually("postgres answers", () => answered("postgres"));
    link.restore();
    await eventually("memory answers again", () => answered("grid"), 20_000);
    const [first] = items((await ask()).json);
    const { heardAgoMs, position, ...rest } = first ?? {};
    assert.ok(Number(heardAgoMs) >= 0 && Number(heardAgoMs) < 45_000);
    assert.ok(Math.abs(Number((position as Record<string, unknown>)["lat"]) - 57.7027) < 1e-4);
    assert.deepEqual(rest, {
      courierId: near,
      distanceM: 300,
      vehicle: "bicycle",
      capacity: 1,
      activeAssignments: 0,
      skills: [],
      rating: 5,
      fleetMerchantId: null,
      version: 1,
    });
  });
});

Deno.test("filters and bounds of a search count, whoever answers", async () => {
  await withDesk(async ({ ask, stores, index }) => {
    const van = await index.addCourier({ at: northOfPickup(500) });
    const trained = await index.addCourier({ at: northOfPickup(300) });
    await stores.sql`
      update couriers set vehicle = 'van', rating = 4.7, capacity = 3 where id = ${van}`;
    await stores.sql`update couriers set skills = '{food,medicine}' where id = ${trained}`;
    const wanted: Record<string, string[]> = {
      "": [trained, van],
      "limit=1": [trained],
      "radiusM=400": [trained],
      "vehicle=van": [van],
      "vehicle=van&vehicle=bicycle": [trained, van],
      "vehicle=car&vehicle=foot": [],
      "skill=food&skill=medicine": [trained],
      "skill=food&skill=heavy": [],
      "minRating=4.7": [trained, van],
      "minRating=4.71": [trained],
      "minFreeCapacity=2": [van],
      [`fleetMerchantId=${van}`]: [],
      [`regionId=${REGION}&radiusM=100000`]: [trained, van],
    };
    const check = async (): Promise<string> => {
      const sources: unknown[] = [];
      for (const [query, expected] of Object.entries(wanted)) {
        const { json, text } = await ask(query);
        assert.deepEqual(items(json).map(({ courierId }) => courierId), expected, query + text);
        sources.push(json?.["source"]);
      }
      return sources.join();
    };
    const first = await check();
    assert.match(first, /^redis/);
    await eventually("memory answers all", async () => !/redis|postgres/.test(await check()));
  });
});

Deno.test("a search that is out of bounds is refused with field, bound and value", async () => {
  await withDesk(async ({ ask, gateway }) => {
    const far = await ask("radiusM=100001");
    assert.equal(far.status, 422);
    assert.equal(far.json?.["code"], "request.invalid");
    assert.deepEqual(far.json?.["errors"], [
      { field: "radiusM", bound: "must be <= 100000", value: "100001" },
    ]);
    const wrong: Record<string, string> = {
      "vehicle=boat": "vehicle.0 must be one of bicycle, motorcycle, car, van, foot",
      "minRating=6": "minRating must be <= 5",
      "minFreeCapacity=1.5": "minFreeCapacity must be a whole number",
      "limit=101": "limit must be <= 100",
      "nearby=yes": "nearby is not a known field",
    };
    for (const [query, field] of Object.entries(wrong)) {
      assert.deepEqual(fieldsOf(await ask(query)), [field], query);
    }
    const { token } = await gateway.signIn("dispatcher");
    const at = (place: string) =>
      gateway.call("GET", `/api/v1/couriers/nearest?${place}`, { token });
    assert.equal((await at("lat=10&lon=10")).json?.["code"], "order.outside_service_area");
    assert.equal((await at("lat=10&lon=10&regionId=atlantis")).json?.["code"], "region.not_found");
    assert.equal((await at(`lat=10&lon=10&regionId=${REGION}`)).status, 200);
    assert.deepEqual(fieldsOf(await at("lat=85.1&lon=10")), ["lat must be <= 85.05112878"]);
    const customer = await gateway.signIn("customer");
    const path = "/api/v1/couriers/nearest?lat=57.7&lon=11.9";
    assert.equal((await gateway.call("GET", path, { token: customer.token })).status, 403);
  });
});
