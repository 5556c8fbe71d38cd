/** Couriers near a place, asked of memory, of Redis and of Postgres: one question, one answer. */
import assert from "node:assert/strict";
import { HIDDEN_AFTER_MS } from "shared/availability/cleaning.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { normalizeLonDeg, type Point } from "shared/geo/point.ts";
import { silentLog } from "shared/log/log.ts";
import { CourierFollower } from "shared/nearest/courier_follower.ts";
import { CourierProfiles } from "shared/nearest/courier_profiles.ts";
import { nearestByPostgres } from "shared/nearest/last_places.ts";
import { LiveCouriers } from "shared/nearest/live_couriers.ts";
import type { NearestCourier, NearestQuery } from "shared/nearest/nearest_couriers.ts";
import { findCandidates, rankCandidates } from "shared/nearest/redis_nearest.ts";
import { changeProfile } from "shared/orders/courier_profile.ts";
import { pauseShift } from "shared/orders/courier_shift.ts";
import { connectRedisBlocking, startRedis } from "shared/redis/connect.ts";
import { Background } from "../harness/background.ts";
import { CourierIndex, fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { eventually } from "../harness/eventually.ts";
import { insertRegion, REGION } from "../harness/fixtures.ts";
import {
  addCouriers,
  hear,
  keptPoint,
  type ModelCourier,
  type Neighbour,
  neighboursOf,
  pickOf,
  randomFilter,
  silenceInPostgres,
} from "../harness/nearest_world.ts";
import { openRelay, PARTITION } from "../harness/outbox.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { redisWith } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

/** What the geo set keeps of a place: 26 bits for each coordinate, so half a metre at most. */
const GEO_ERROR_M = 0.7;

const PLACES: Record<string, (random: () => number) => Point> = {
  city: (random) => ({ lat: 57.6 + random() * 0.2, lon: 11.8 + random() * 0.3 }),
  "high latitude": (random) => ({ lat: 84.6 + random() * 0.4, lon: 20 + random() * 5 }),
  antimeridian: (random) => ({
    lat: -16.9 + random() * 0.2,
    lon: normalizeLonDeg(179.9 + random() * 0.2),
  }),
};

interface NearestWorld {
  readonly stores: TestStores;
  readonly live: LiveCouriers;
  readonly follower: CourierFollower;
  /** What each source answers. */
  ask(query: NearestQuery): Promise<Record<"grid" | "redis" | "postgres", NearestCourier[]>>;
  /** Waits until memory has read all that was written so far. */
  caughtUp(): Promise<void>;
}

/** A region that is followed in memory. `prepare` runs before anything is read. */
async function withNearest(
  prepare: (stores: TestStores) => Promise<void>,
  use: (world: NearestWorld) => Promise<void>,
): Promise<void> {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    await prepare(stores);
    const { sql, redis: shared, keys } = stores;
    const live = new LiveCouriers();
    const redis = stores.openBlocking();
    await startRedis(redis);
    await using background = new Background();
    const { signal } = background;
    const profiles = new CourierProfiles({ sql, region: REGION, shard: 0, live, log: silentLog });
    const follower = new CourierFollower(live, {
      keys,
      partition: PARTITION,
      redis,
      log: silentLog,
      signal,
      profiles,
    });
    background.run(() => follower.follow());
    await eventually("memory is live", () => follower.isLive(performance.now()));
    await use({
      stores,
      live,
      follower,
      ask: async (query) => {
        const candidates = await findCandidates(shared, keys, [PARTITION], query);
        const { couriers, isWhole } = await rankCandidates(sql, candidates, query);
        assert.ok(isWhole, "redis alone could answer");
        return {
          grid: live.nearest(query, performance.now()),
          redis: [...couriers],
          postgres: await nearestByPostgres(sql, REGION, query),
        };
      },
      caughtUp: async () => {
        const marker = crypto.randomUUID();
        const heard = { c: marker, s: "offline", v: 1, r: 0, f: [[1, 0, 0]], k: "a" };
        const couriers = JSON.stringify([heard]);
        await shared.xadd(keys.positions(PARTITION), "*", "at", Date.now(), "couriers", couriers);
        await eventually("the stream is read", () => live.find(marker) !== undefined);
      },
    });
  });
}

function told(couriers: readonly NearestCourier[]): Neighbour[] {
  return couriers.map(({ profile, distanceM }) => ({ id: profile.id, distanceM }));
}

const everywhere = (center: Point = PICKUP): NearestQuery => ({
  center,
  radiusM: 100_000,
  limit: 100,
  filter: {},
});

function idsOf(answers: Record<string, NearestCourier[]>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(answers).map(([source, couriers]) => [
      source,
      couriers.map(({ profile }) => profile.id),
    ]),
  );
}

/** The same as the list says, but for what is as near as the geo set can tell. */
function assertAbout(
  answer: readonly Neighbour[],
  couriers: readonly ModelCourier[],
  query: NearestQuery,
  what: string,
): void {
  const { radiusM } = query;
  const wider = neighboursOf(couriers, { ...query, radiusM: radiusM + GEO_ERROR_M, limit: 1_000 });
  const narrower = neighboursOf(couriers, {
    ...query,
    radiusM: Math.max(0, radiusM - GEO_ERROR_M),
  });
  const known = new Map(wider.map(({ id, distanceM }) => [id, distanceM]));
  assert.ok(answer.length >= narrower.length, `${what}: too few`);
  assert.equal(new Set(answer.map(({ id }) => id)).size, answer.length, `${what}: twice`);
  for (const [index, { id, distanceM }] of answer.entries()) {
    const trueM = known.get(id) ?? Infinity;
    assert.ok(Math.abs(trueM - distanceM) <= GEO_ERROR_M, `${what}: ${id} is ${trueM} m off`);
    const rankedM = wider[index]?.distanceM ?? Infinity;
    assert.ok(Math.abs(rankedM - distanceM) <= GEO_ERROR_M, `${what}: place ${index} is wrong`);
  }
}

Deno.test("memory, Redis and Postgres agree with the list, also near the pole and across the antimeridian", async () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = createSeededRandom(seed);
  const couriers: ModelCourier[] = [];
  const kinds = Object.keys(PLACES);
  const placeOf = (index: number) => PLACES[kinds[index % kinds.length] ?? ""]?.(random) ?? PICKUP;
  await withNearest(async (stores) => {
    const places = Array.from({ length: 360 }, (_, index) => placeOf(index));
    couriers.push(...await addCouriers(stores, random, places));
  }, async ({ stores, ask, caughtUp }) => {
    for (let round = 0; round < 4; round++) {
      await caughtUp();
      for (let index = 0; index < 75; index++) {
        const center = random() < 0.2
          ? pickOf(random, couriers).position
          : keptPoint(placeOf(index));
        const query: NearestQuery = {
          center,
          radiusM: pickOf(random, [200, 1_000, 5_000, 100_000]),
          limit: pickOf(random, [1, 5, 20]),
          filter: randomFilter(random),
        };
        const what = `seed ${seed}, ${JSON.stringify(query)}`;
        const answers = await ask(query);
        const expected = neighboursOf(couriers, query);
        assert.deepEqual(told(answers.grid), expected, `grid: ${what}`);
        assert.deepEqual(told(answers.postgres), expected, `postgres: ${what}`);
        assertAbout(told(answers.redis), couriers, query, `redis: ${what}`);
        assert.deepEqual(answers.grid[0]?.profile, answers.postgres[0]?.profile, what);
      }
      // A step of a few metres for some.
      const moved = couriers.filter(() => random() < 0.3);
      for (const courier of moved) {
        const { lat, lon } = courier.position;
        if (courier.profile.status === "offline" || Math.abs(lon) > 179.9998) continue;
        courier.position = keptPoint({
          lat: lat + (random() - 0.5) * 2e-4,
          lon: lon + (random() - 0.5) * 2e-4,
        });
      }
      await hear(stores, moved);
    }
  });
});

Deno.test("no source names who is busy, silent, or back from silence just now", async () => {
  const couriers: Record<string, string> = {};
  await withNearest(async (stores) => {
    const index = new CourierIndex(stores);
    for (const name of ["near", "busy", "silent", "returning"]) {
      const status = name === "busy" ? "busy" as const : "available" as const;
      couriers[name] = await index.addCourier({ status, at: northOfPickup(100) });
      const position = { lat: northOfPickup(100).lat, lon: PICKUP.lon };
      await stores.sql`
        insert into courier_last_positions (courier_id, lat, lon, recorded_at, received_at)
        values (${couriers[name]}, ${position.lat}, ${position.lon}, clock_timestamp(),
          clock_timestamp())`;
    }
    const { silent = "", returning = "" } = couriers;
    await index.age(silent, HIDDEN_AFTER_MS);
    await silenceInPostgres(stores, silent);
    await index.age(returning, HIDDEN_AFTER_MS + 1_000);
    assert.equal(await index.fix(returning, fixAt(northOfPickup(90))), "accepted");
  }, async ({ ask }) => {
    const { near, returning } = couriers;
    const ids = idsOf(await ask(everywhere()));
    assert.deepEqual(ids["grid"], [near]);
    assert.deepEqual(ids["redis"], [near]);
    // The copy in Postgres only knows that it was heard.
    assert.deepEqual(ids["postgres"], [near, returning].sort());
  });
});

Deno.test("memory learns of statuses and profiles from events, and of new couriers from the stream", async () => {
  await withNearest(() => Promise.resolve(), async ({ stores, ask, live }) => {
    const index = new CourierIndex(stores);
    const relay = await openRelay(stores);
    const id = await index.addCourier({ at: northOfPickup(50) });
    const query = everywhere();
    const inMemory = () => live.nearest(query, performance.now())[0]?.profile;
    await eventually("the new courier is known", () => inMemory()?.id === id);
    const changed = await changeProfile(stores.sql, id, {
      vehicle: "van",
      capacity: 3,
      skills: ["food"],
    });
    assert.ok(changed.ok);
    await relay.step();
    await eventually("the profile is new", () => inMemory()?.vehicle === "van");
    const filter = { vehicles: ["van"] as const, skills: ["food"], minFreeCapacity: 3 };
    assert.equal((await ask({ ...query, filter })).grid.length, 1);
    assert.ok((await pauseShift(stores.sql, id)).ok);
    await relay.step();
    await eventually("the courier is paused", () => inMemory() === undefined);
    // Redis has not been told; what Postgres knows counts there too.
    assert.deepEqual(idsOf(await ask(query)), { grid: [], redis: [], postgres: [] });
  });
});

Deno.test("memory begins with what the hashes say: nobody is missing who stands still", async () => {
  let id = "";
  await withNearest(async (stores) => {
    const index = new CourierIndex(stores);
    id = await index.addCourier({ at: northOfPickup(50) });
    await stores.redis.xtrim(stores.keys.positions(PARTITION), "MAXLEN", 0);
  }, async ({ live }) => {
    const [found] = live.nearest(everywhere(), performance.now());
    assert.equal(found?.profile.id, id);
    assert.deepEqual(found?.position, keptPoint(northOfPickup(50)));
    await Promise.resolve();
  });
});

Deno.test("a fix that arrives while memory is loaded is not lost", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const index = new CourierIndex(stores);
    const id = await index.addCourier({ at: northOfPickup(50) });
    const live = new LiveCouriers();
    const connection = stores.openBlocking();
    await startRedis(connection);
    // Its hash is read, and then it moves before the stream is.
    const redis = redisWith(connection, {
      hmgetBuffer: async (args, real) => {
        const row = await real(...args);
        await index.fix(id, fixAt(northOfPickup(80), -1_000));
        return row;
      },
    });
    const { keys } = stores;
    const { signal } = new AbortController();
    const options = { keys, partition: PARTITION, redis, log: silentLog, signal };
    await new CourierFollower(live, options).load();
    assert.deepEqual(live.find(id)?.point, northOfPickup(80));
  });
});

Deno.test("memory reads all anew after it lost its connection, also what the stream has no more", async () => {
  await withStores(async (stores) => {
    const { redis: shared, redisUrl, keys } = stores;
    await insertRegion(stores.sql);
    const index = new CourierIndex(stores);
    const id = await index.addCourier({ at: northOfPickup(50) });
    await using link = new RedisLink(redisUrl);
    const redis = connectRedisBlocking(link.url, { name: "linked", log: silentLog });
    await startRedis(redis);
    await using background = new Background();
    const { signal } = background;
    const live = new LiveCouriers();
    const options = { keys, partition: PARTITION, redis, log: silentLog, signal };
    background.run(() => new CourierFollower(live, options).follow());
    await eventually("the courier is known", () => live.find(id) !== undefined);
    link.cut();
    assert.equal(await index.fix(id, fixAt(northOfPickup(90))), "accepted");
    await shared.xtrim(keys.positions(PARTITION), "MAXLEN", 0);
    link.restore();
    const moved = keptPoint(northOfPickup(90));
    await eventually("its new place is known", () => live.find(id)?.point.lat === moved.lat);
  });
});

Deno.test("findCandidates() asks Redis once, whatever it has to look at", async () => {
  const random = createSeededRandom(7);
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const places = Array.from({ length: 120 }, () => PLACES["city"]?.(random) ?? PICKUP);
    const couriers = await addCouriers(stores, random, places);
    const index = new CourierIndex(stores);
    // So many are silent that the first members of the set are not enough.
    for (const { profile } of couriers.slice(0, 60)) await index.age(profile.id, HIDDEN_AFTER_MS);
    const { redis, keys, prefix } = stores;
    await findCandidates(redis, keys, [PARTITION], everywhere());
    const monitor = await redis.monitor();
    const commands: string[] = [];
    monitor.on("monitor", (_time: string, args: string[], source: string) => {
      if (source !== "lua" && args.some((arg) => arg.startsWith(prefix))) {
        commands.push(args[0]?.toLowerCase() ?? "");
      }
    });
    try {
      for (const filter of [{}, { vehicles: ["van"] as const }]) {
        const query = { ...everywhere(), limit: 10, filter };
        const candidates = await findCandidates(redis, keys, [PARTITION], query);
        const { couriers: found } = await rankCandidates(stores.sql, candidates, query);
        const heard = couriers.slice(60);
        assertAbout(told(found), heard, query, JSON.stringify(filter));
      }
      const end = `${prefix}end`;
      await redis.get(end);
      await eventually("the monitor has seen all", () => commands.includes("get"));
      assert.deepEqual(commands, ["evalsha", "evalsha", "get"]);
    } finally {
      monitor.disconnect();
    }
  });
});

Deno.test("rankCandidates() tells when Postgres left out so many that somebody nearer may be missing", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const index = new CourierIndex(stores);
    for (let at = 0; at < 20; at++) await index.addCourier({ at: northOfPickup(10 + at) });
    // Redis has not heard of it yet.
    await stores.sql`update couriers set status = 'busy'`;
    await index.addCourier({ at: northOfPickup(500) });
    const query = { ...everywhere(), limit: 1 };
    const candidates = await findCandidates(stores.redis, stores.keys, [PARTITION], query);
    const answer = await rankCandidates(stores.sql, candidates, query);
    assert.deepEqual(answer, { couriers: [], isWhole: false });
    const wider = await findCandidates(stores.redis, stores.keys, [PARTITION], everywhere());
    assert.equal((await rankCandidates(stores.sql, wider, query)).couriers.length, 1);
  });
});
