/** What goes on while Redis is away (DESIGN §11): positions and dispatch, through Postgres. */
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { FIX_BURST } from "shared/availability/cleaning.ts";
import type { FixCode } from "shared/availability/fix.ts";
import { silentLog } from "shared/log/log.ts";
import { connectRedis, connectRedisBlocking, startRedis } from "shared/redis/connect.ts";
import { DegradedPositions } from "../../services/ingest/degraded_positions.ts";
import { QueueFullError } from "../../services/ingest/fix_batcher.ts";
import { createIngestMetrics } from "../../services/ingest/metrics.ts";
import { Background } from "../harness/background.ts";
import { CourierIndex, fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { eventually } from "../harness/eventually.ts";
import { insertCourier, insertRegion } from "../harness/fixtures.ts";
import { Ingest } from "../harness/ingest_world.ts";
import { withMatcherWorld } from "../harness/matcher_world.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { sqlWith } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

interface DownWorld {
  readonly stores: TestStores;
  readonly ingest: Ingest;
  readonly index: CourierIndex;
  readonly link: RedisLink;
}

/** Ingest behind a wire to Redis that can be cut; its loops run, on a Postgres that may be bent. */
async function withLink(
  use: (world: DownWorld) => Promise<void>,
  bend: (sql: TestStores["sql"]) => TestStores["sql"] = (sql) => sql,
): Promise<void> {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    await using link = new RedisLink(stores.redisUrl);
    const redis = connectRedis(link.url, { name: "linked", log: silentLog });
    try {
      await startRedis(redis);
      const ingest = new Ingest({ ...stores, sql: bend(stores.sql) }, redis);
      await using background = new Background();
      background.run((signal) => ingest.recorder.degraded.run(signal));
      await use({ stores, ingest, index: new CourierIndex(stores), link });
    } finally {
      redis.disconnect();
    }
  });
}

async function storedAt({ sql }: TestStores, courierId: string): Promise<number | undefined> {
  const [row] = await sql<{ recordedAt: Date }[]>`
    select recorded_at from courier_last_positions where courier_id = ${courierId}`;
  return row?.recordedAt.getTime();
}

Deno.test("ingest acknowledges from Postgres while Redis is away, and Redis gets what it missed", async () => {
  await withLink(async ({ stores, ingest, index, link }) => {
    const ids = [await insertCourier(stores.sql), await insertCourier(stores.sql)];
    const [id = "", quiet = ""] = ids;
    const [token = "", quietToken = ""] = await Promise.all(ids.map((one) => ingest.token(one)));
    assert.deepEqual((await ingest.post(token, fixAt(PICKUP, 9_000))).body, { accepted: true });
    await ingest.post(quietToken, fixAt(PICKUP, 9_000));
    link.cut();
    const newer = fixAt(northOfPickup(30), 6_000);
    const answer = await ingest.post(token, newer);
    assert.deepEqual(answer.body, { accepted: true, degraded: true });
    assert.equal(await storedAt(stores, id), newer.recordedAtMs, "it is in postgres by then");
    const batch = await ingest.postMany(token, [
      fixAt(northOfPickup(40), 5_000),
      { ...fixAt(northOfPickup(55), 2_000), accuracyM: 90 },
      fixAt(northOfPickup(50), 3_000),
    ]);
    assert.deepEqual(batch.body, {
      accepted: 1,
      results: ["unavailable", "unavailable", "accepted"],
      degraded: true,
    });
    // The last that is acknowledged while Redis is away.
    const last = fixAt(northOfPickup(60), 1_000);
    await ingest.post(quietToken, last);
    link.restore();
    await eventually(
      "positions go to redis again",
      async () => (await ingest.post(token, fixAt(northOfPickup(70)))).body["degraded"] !== true,
    );
    // Nothing more comes from the quiet one: what it was promised is there all the same.
    await eventually(
      "redis has what was acknowledged",
      async () => (await index.latest(quiet))?.recordedAtMs === last.recordedAtMs,
    );
    assert.equal(await index.isIndexed(quiet), true);
    const { values } = await ingest.metrics.degraded.get();
    assert.equal(values[0]?.value, 0);
  });
});

Deno.test("ingest without Redis stores nobody off shift, keeps newer fixes and hears heartbeats", async () => {
  await withLink(async ({ stores, ingest, link }) => {
    const id = await insertCourier(stores.sql);
    const off = await insertCourier(stores.sql, { status: "offline" });
    link.cut();
    const refused = await ingest.post(await ingest.token(off), fixAt(PICKUP));
    assert.equal(refused.status, 409);
    assert.equal(refused.body["code"], "courier.off_shift");
    assert.equal(await storedAt(stores, off), undefined);
    const token = await ingest.token(id);
    const newest = fixAt(northOfPickup(10), 2_000);
    await ingest.post(token, newest);
    const older = await ingest.post(token, fixAt(PICKUP, 4_000));
    assert.deepEqual(older.body, { accepted: false, reason: "stale", degraded: true });
    assert.equal(await storedAt(stores, id), newest.recordedAtMs);
    await stores.sql`
      update courier_last_positions set received_at = clock_timestamp() - interval '1 minute'`;
    const heartbeat = await ingest.recorder.record(id, []);
    assert.deepEqual([...heartbeat.codes], ["accepted"]);
    const [row] = await stores.sql<{ isFresh: boolean }[]>`
      select received_at > clock_timestamp() - interval '30 seconds' as is_fresh
      from courier_last_positions where courier_id = ${id}`;
    assert.deepEqual(row, { isFresh: true });
    assert.deepEqual([...(await ingest.recorder.record(off, [])).codes], ["off_shift"]);
    const nowhereYet = await insertCourier(stores.sql);
    assert.deepEqual([...(await ingest.recorder.record(nowhereYet, [])).codes], ["accepted"]);
  });
});

Deno.test("ingest answers 503 while both stores are away, and loses nothing it promised", async () => {
  let isPostgresAway = false;
  const away = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  const bend = (sql: TestStores["sql"]) =>
    sqlWith(sql, /into courier_last_positions/, () => {
      if (isPostgresAway) throw away;
    });
  await withLink(async ({ stores, ingest, index, link }) => {
    const id = await insertCourier(stores.sql);
    const token = await ingest.token(id);
    await ingest.post(token, fixAt(PICKUP, 9_000));
    link.cut();
    const promised = fixAt(PICKUP, 8_000);
    assert.deepEqual((await ingest.post(token, promised)).body, { accepted: true, degraded: true });
    isPostgresAway = true;
    const refused = await ingest.post(token, fixAt(PICKUP, 7_000));
    assert.deepEqual([refused.status, refused.body["code"]], [503, "service.unavailable"]);
    assert.equal(refused.headers.get("retry-after"), "2");
    const batch = await ingest.postMany(token, [fixAt(PICKUP, 6_500), fixAt(PICKUP, 6_000)]);
    assert.deepEqual([batch.status, batch.body["code"]], [503, "service.unavailable"]);
    assert.equal(batch.headers.get("retry-after"), "2");
    assert.equal(await storedAt(stores, id), promised.recordedAtMs);
    isPostgresAway = false;
    const last = fixAt(northOfPickup(5), 5_000);
    assert.deepEqual((await ingest.post(token, last)).body, { accepted: true, degraded: true });
    link.restore();
    await eventually(
      "redis has what was acknowledged",
      async () => (await index.latest(id))?.recordedAtMs === last.recordedAtMs,
    );
  }, bend);
});

Deno.test("what one ingest kept without Redis never takes the place of what Redis heard since", async () => {
  await withLink(async ({ stores, ingest, index, link }) => {
    const id = await insertCourier(stores.sql);
    const token = await ingest.token(id);
    await ingest.post(token, fixAt(PICKUP, 20_000));
    link.cut();
    assert.equal(
      (await ingest.post(token, fixAt(northOfPickup(30), 9_000))).body["degraded"],
      true,
    );
    // The phone goes on by another process, whose Redis is there.
    const newer = fixAt(northOfPickup(60), 2_000);
    const other = new Ingest(stores);
    assert.deepEqual((await other.post(token, newer)).body, { accepted: true });
    await other.lastPositions.flush();
    link.restore();
    await eventually("what was kept is brought to Redis", async () => {
      const { values } = await ingest.metrics.replayed.get();
      return values.some(({ labels, value }) => labels.result === "late" && value === 1);
    });
    assert.equal((await index.latest(id))?.recordedAtMs, newer.recordedAtMs);
    await ingest.lastPositions.flush();
    assert.equal(await storedAt(stores, id), newer.recordedAtMs);
  });
});

/** The degraded mode alone, with what the test gives for its stores. */
function degradedOver(
  stores: TestStores,
  bent: { sql?: TestStores["sql"]; isRedisBack?: () => Promise<boolean> } = {},
) {
  const replayed: string[] = [];
  const degraded = new DegradedPositions({
    sql: bent.sql ?? stores.sql,
    log: silentLog,
    metrics: createIngestMetrics(new Registry()),
    isRedisBack: bent.isRedisBack ?? (() => Promise.resolve(false)),
    replay: (courierId): Promise<FixCode> => {
      replayed.push(courierId);
      return Promise.resolve("accepted");
    },
  });
  return { degraded, replayed };
}

Deno.test("DegradedPositions limits each courier by the same rule, and refuses over its bound", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const { degraded } = degradedOver(stores);
    const [flood = "", other = ""] = [
      await insertCourier(stores.sql),
      await insertCourier(stores.sql),
    ];
    const answers = Array.from(
      { length: 200 },
      (_, at) => degraded.record(flood, [fixAt(PICKUP, 200 - at)]),
    );
    const another = degraded.record(other, [fixAt(PICKUP)]);
    await degraded.flush();
    const codes = (await Promise.all(answers)).flatMap((answer) => answer.codes);
    assert.equal(codes.filter((code) => code === "limited").length, 200 - FIX_BURST);
    assert.equal(codes.filter((code) => code === "accepted").length, 1, "the newest");
    assert.deepEqual((await another).codes, ["accepted"]);
    // 20,000 may wait, of however many couriers.
    const waiting: Promise<unknown>[] = [];
    for (let at = 0; at < 20_000; at++) {
      waiting.push(degraded.record(crypto.randomUUID(), [fixAt(PICKUP)]));
    }
    await assert.rejects(degraded.record(other, [fixAt(PICKUP)]), QueueFullError);
    await degraded.flush();
    assert.equal((await Promise.allSettled(waiting)).length, 20_000);
    const room = degraded.record(other, []);
    await degraded.flush();
    assert.deepEqual((await room).codes, ["accepted"], "there is room again");
  });
});

Deno.test("DegradedPositions rejects those whose write failed, and keeps what was acknowledged", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    let isFailing = false;
    let isBack = false;
    const sql = sqlWith(stores.sql, /insert into courier_last_positions/, () => {
      if (isFailing) throw new Error("postgres is away");
    });
    const { degraded, replayed } = degradedOver(stores, {
      sql,
      isRedisBack: () => Promise.resolve(isBack),
    });
    const kept = await insertCourier(stores.sql);
    const failed = await insertCourier(stores.sql);
    degraded.enter(new Error("redis is away"));
    const first = degraded.record(kept, [fixAt(PICKUP)]);
    await degraded.flush();
    assert.deepEqual((await first).codes, ["accepted"]);
    isFailing = true;
    const second = degraded.record(failed, [fixAt(PICKUP)]);
    const rejected = assert.rejects(second, /postgres is away/);
    await degraded.flush();
    await rejected;
    isBack = true;
    await using background = new Background();
    background.run((signal) => degraded.run(signal));
    await eventually("redis has it", () => replayed.length > 0);
    assert.deepEqual(replayed, [kept]);
    assert.equal(degraded.isActive, false);
  });
});

Deno.test("the matcher goes on without Redis: open orders each second, the nearest by Postgres's rows", async () => {
  await withMatcherWorld(async (world) => {
    const { sql, redisUrl } = world.stores;
    await using link = new RedisLink(redisUrl);
    link.cut();
    const [far = "", near = "", silent = "", busy = ""] = [
      await insertCourier(sql),
      await insertCourier(sql),
      await insertCourier(sql),
      await insertCourier(sql, { status: "busy" }),
    ];
    const place = async (courierId: string, distanceM: number, agoS: number) => {
      const { lat, lon } = northOfPickup(distanceM);
      await sql`
        insert into courier_last_positions (courier_id, lat, lon, recorded_at, received_at)
        values (${courierId}, ${lat}, ${lon}, clock_timestamp(),
          clock_timestamp() - ${agoS} * interval '1 second')`;
    };
    await place(far, 900, 1);
    await place(near, 300, 20);
    await place(silent, 10, 46);
    await place(busy, 20, 1);
    const matcher = world.startMatcher(
      "matcher",
      () => connectRedisBlocking(link.url, { name: "cut", log: silentLog }),
    );
    const orderId = await world.placeOrder();
    const offer = await world.offered(orderId);
    assert.equal(offer.courierId, near);
    const { values } = await matcher.metrics.degraded.get();
    assert.equal(values[0]?.value, 1);
    // Redis comes back: the stream says where everybody is now.
    link.restore();
    await eventually(
      "the stream is read",
      async () => (await matcher.metrics.degraded.get()).values[0]?.value === 0,
    );
    await world.index.availability.applyStatus(far, "available", 1);
    await world.index.fix(far, fixAt(northOfPickup(100)));
    const next = await world.offered(await world.placeOrder());
    assert.deepEqual([next.courierId, next.distanceToPickupM], [far, 100]);
  });
});
