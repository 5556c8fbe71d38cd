import { eventually } from "../harness/eventually.ts";
import assert from "node:assert/strict";
import { takeLease } from "shared/lease/lease.ts";
import { silentLog } from "shared/log/log.ts";
import { Relay } from "shared/outbox/relay.ts";
import { rebuildRedis } from "shared/rebuild/rebuild.ts";
import { readGeneration, redisGeneration } from "shared/redis/generation.ts";
import { partitionOf } from "shared/redis/keys.ts";
import { Wake } from "shared/clock/wake.ts";
import { writeLastPositions } from "../../services/ingest/last_positions.ts";
import { findLoss } from "../../services/keeper/watch_redis.ts";
import { TrackLog } from "../../services/tracker/track_log.ts";
import {
  insertAccount,
  insertCourier,
  insertOrder,
  insertRegion,
  REGION,
} from "../harness/fixtures.ts";
import { CourierIndex, fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const PARTITION = partitionOf(REGION, 0);

async function openRelay({ sql, redis, keys }: TestStores): Promise<Relay> {
  await sql`update leases set expires_at = clock_timestamp() - interval '1 second'`;
  const lease = await takeLease(sql, "relay", crypto.randomUUID());
  assert.ok(lease);
  return new Relay({
    sql,
    redis,
    keys,
    region: REGION,
    shard: 0,
    lease,
    wake: new Wake(),
    log: silentLog,
    signal: new AbortController().signal,
  });
}

async function relayAll(relay: Relay): Promise<string> {
  for (let steps = 0; steps < 100; steps++) {
    const moved = await relay.step();
    if (moved !== "moved") return moved;
  }
  throw new Error("the relay never came to rest");
}

/** Removes every key of this test's installation: what FLUSHALL is to a server of its own. */
async function wipe({ redis, prefix }: TestStores): Promise<void> {
  const found = await redis.keys(`${prefix}*`);
  if (found.length > 0) await redis.del(...found);
}

async function streamedIds({ redis, keys }: TestStores): Promise<string[]> {
  const entries = await redis.xrange(keys.events(PARTITION), "-", "+");
  return entries.map(([, fields]) => fields[fields.indexOf("id") + 1] ?? "");
}

/** A region with orders whose events are on the stream, as a rebuilt installation has them. */
async function publishedWorld(stores: TestStores, orders: number): Promise<Relay> {
  await insertRegion(stores.sql);
  await rebuildRedis({ ...stores, log: silentLog });
  const customerId = await insertAccount(stores.sql, "customer");
  for (let index = 0; index < orders; index++) await insertOrder(stores.sql, { customerId });
  const relay = await openRelay(stores);
  assert.equal(await relayAll(relay), "idle");
  return relay;
}

Deno.test("findLoss() sees nothing where nothing was lost, while the relay works", async () => {
  await withStores(async (stores) => {
    const relay = await publishedWorld(stores, 5);
    assert.equal(await findLoss(stores), undefined);
    const customerId = await insertAccount(stores.sql, "customer");
    for (let index = 0; index < 20; index++) {
      await insertOrder(stores.sql, { customerId });
      const [, loss] = await Promise.all([relay.step(), findLoss(stores)]);
      assert.equal(loss, undefined);
    }
  });
});

Deno.test("a wiped Redis is seen, nothing goes out before the rebuild, and every event after it", async () => {
  await withStores(async (stores) => {
    const relay = await publishedWorld(stores, 5);
    const before = await streamedIds(stores);
    assert.equal(before.length, 5);
    await wipe(stores);
    assert.match(await findLoss(stores) ?? "", /generation is missing/);
    const customerId = await insertAccount(stores.sql, "customer");
    await insertOrder(stores.sql, { customerId });
    assert.equal(await relayAll(relay), "lost");
    assert.deepEqual(await streamedIds(stores), []);
    const report = await rebuildRedis({ ...stores, log: silentLog });
    assert.equal(report.changes, 5);
    assert.equal(await relayAll(relay), "idle");
    const after = await streamedIds(stores);
    assert.deepEqual(after.slice(0, 5), before, "in the order of their ids");
    assert.equal(after.length, 6);
    assert.equal(await findLoss(stores), undefined);
    assert.equal(
      await redisGeneration(stores.redis, stores.keys),
      await readGeneration(stores.sql),
    );
  });
});

Deno.test("a stream that lost its tail in a failover is seen", async () => {
  await withStores(async (stores) => {
    const relay = await publishedWorld(stores, 3);
    const key = stores.keys.relay(PARTITION);
    const before = await stores.redis.hget(key, "batches");
    const customerId = await insertAccount(stores.sql, "customer");
    await insertOrder(stores.sql, { customerId });
    assert.equal(await relayAll(relay), "idle");
    // The replica had not got the last append, neither the entry nor the hash.
    await stores.redis.hset(key, "batches", before ?? "");
    const [newest] = await stores.redis.xrevrange(
      stores.keys.events(PARTITION),
      "+",
      "-",
      "COUNT",
      1,
    );
    await stores.redis.xdel(stores.keys.events(PARTITION), newest?.[0] ?? "");
    assert.match(await findLoss(stores) ?? "", /the last event of testville:0 is gone/);
  });
});

Deno.test("rows that were appended before a wipe and not yet marked are published again", async () => {
  await withStores(async (stores) => {
    const relay = await publishedWorld(stores, 1);
    const customerId = await insertAccount(stores.sql, "customer");
    const orderId = await insertOrder(stores.sql, { customerId });
    // The mark waits behind this transaction; the wipe comes in between, and a rebuild begins.
    let marking: Promise<unknown> = Promise.resolve();
    let rebuilding: Promise<unknown> = Promise.resolve();
    await stores.sql.begin(async (tx) => {
      await tx`select 1 from outbox where key = ${orderId} for update`;
      marking = relay.step();
      await eventually("the mark waits", async () => {
        const waiting = await stores.sql`
          select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
        return waiting.length > 0;
      });
      await wipe(stores);
      rebuilding = rebuildRedis({ ...stores, log: silentLog });
    });
    await Promise.all([marking, rebuilding]);
    // The first step finds that its generation is over, the next ones go on in the new one.
    await relayAll(relay);
    assert.equal(await relayAll(relay), "idle");
    const [event] = await stores.sql<{ eventId: string }[]>`
      select event_id from outbox_events where key = ${orderId}`;
    assert.ok((await streamedIds(stores)).includes(event?.eventId ?? ""));
  });
});

Deno.test("only what may not have been handled is published again: from the oldest checkpoint on", async () => {
  await withStores(async (stores) => {
    await publishedWorld(stores, 4);
    await stores.sql`update outbox set published_at = clock_timestamp() - interval '1 hour'
      where id in (select id from outbox order by id limit 3)`;
    for (const consumer of ["matcher", "ingest", "tracker"]) {
      await stores.sql`
        insert into consumer_checkpoints (consumer, stream, entry_id)
        values (${consumer}, ${stores.keys.events(PARTITION)}, ${`${Date.now()}-0`})`;
    }
    await wipe(stores);
    assert.equal((await rebuildRedis({ ...stores, log: silentLog })).changes, 1);
  });
});

Deno.test("after a rebuild an older fix than Postgres has is still an older one", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const courierId = await insertCourier(stores.sql);
    const last = fixAt(PICKUP, 5_000);
    const position = { courierId, fix: last, receivedAtMs: Date.now() };
    await writeLastPositions(stores.sql, [position], { onShiftOnly: false });
    await wipe(stores);
    await rebuildRedis({ ...stores, log: silentLog });
    const index = new CourierIndex(stores);
    assert.equal(await index.isIndexed(courierId), false, "nobody has heard of it");
    assert.equal(await index.fix(courierId, fixAt(northOfPickup(30), 6_000)), "late");
    assert.equal(await index.fix(courierId, fixAt(PICKUP, 60_000)), "stale");
    assert.equal((await index.latest(courierId))?.recordedAtMs, last.recordedAtMs);
    assert.equal(await index.isIndexed(courierId), true);
  });
});

Deno.test("a rebuild loads many couriers, each as Postgres has it", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const statuses = ["available", "busy", "paused"] as const;
    const count = 5_300;
    await stores.sql`
      with made as (
        insert into accounts (id, role, name, email, password_hash)
        select gen_random_uuid(), 'courier', 'Courier', n || '@test.example', 'none'
        from generate_series(1, ${count}) n returning id)
      insert into couriers (id, region, shard, vehicle, status, version)
      select id, ${REGION}, 0, 'car',
        (${[...statuses]}::text[])[1 + (row_number() over ()) % 3], 1 + (row_number() over ()) % 7
      from made`;
    const report = await rebuildRedis({ ...stores, log: silentLog });
    assert.equal(report.couriers, count);
    const { redis, keys, sql } = stores;
    assert.equal(await redis.zcard(keys.couriersSeen(PARTITION)), count);
    const rows = await sql<{ id: string; status: string; version: number }[]>`
      select id, status, version from couriers`;
    const index = new CourierIndex(stores);
    for (const { id, status, version } of rows) {
      assert.deepEqual(await index.known(id), [status, version]);
    }
  });
});

Deno.test("after a rebuild couriers on shift are known and enter the index with their next fix", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const courierId = await insertCourier(stores.sql);
    await insertCourier(stores.sql, { status: "offline" });
    await wipe(stores);
    const report = await rebuildRedis({ ...stores, log: silentLog });
    assert.equal(report.couriers, 1);
    const index = stores.keys.couriersGeo(PARTITION);
    assert.equal(await stores.redis.zscore(index, courierId), null);
    assert.equal(await new CourierIndex(stores).fix(courierId, fixAt(PICKUP)), "accepted");
    assert.notEqual(await stores.redis.zscore(index, courierId), null);
  });
});

Deno.test("a track of an earlier generation is begun anew, so nobody resumes over its lost tail", async () => {
  await withStores(async (stores) => {
    const trackLog = new TrackLog(stores.redis, stores.keys);
    const relayKey = stores.keys.relay(PARTITION);
    await stores.redis.hset(relayKey, "generation", 1);
    const orderId = crypto.randomUUID();
    const status = (version: number) => ({
      kind: "status" as const,
      version,
      body: { type: "status", status: "confirmed" },
    });
    for (const version of [1, 2, 3]) await trackLog.append(PARTITION, orderId, status(version));
    const { epoch, seq } = await trackLog.head(PARTITION, orderId);
    assert.equal(seq, 3);
    await stores.redis.hset(relayKey, "generation", 2);
    assert.equal(await trackLog.since(PARTITION, orderId, { epoch, seq: 2 }), undefined);
    await trackLog.append(PARTITION, orderId, status(3));
    const anew = await trackLog.head(PARTITION, orderId);
    assert.equal(anew.seq, 1);
    assert.notEqual(anew.epoch, epoch);
  });
});

Deno.test("what is appended to a track right after a rebuild stays in it", async () => {
  await withStores(async (stores) => {
    const trackLog = new TrackLog(stores.redis, stores.keys);
    const orderId = crypto.randomUUID();
    const frame = { kind: "status" as const, version: 1, body: { type: "status" } };
    await rebuildRedis({ ...stores, log: silentLog });
    await trackLog.append(PARTITION, orderId, frame);
    await wipe(stores);
    await rebuildRedis({ ...stores, log: silentLog });
    await trackLog.append(PARTITION, orderId, frame);
    const { epoch, seq } = await trackLog.head(PARTITION, orderId);
    assert.equal(seq, 1);
    assert.deepEqual(await trackLog.since(PARTITION, orderId, { epoch, seq: 0 }), [
      `{"epoch":"${epoch}","seq":1,"type":"status"}`,
    ]);
  });
});
