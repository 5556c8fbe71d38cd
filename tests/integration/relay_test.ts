import assert from "node:assert/strict";
import { EVENTS } from "shared/events/catalogue.ts";
import { Wake } from "shared/clock/wake.ts";
import { silentLog } from "shared/log/log.ts";
import { MAX_STREAM_ENTRIES, Relay, runRelay } from "shared/outbox/relay.ts";
import { rebuildRedis } from "shared/rebuild/rebuild.ts";
import { connectRedis, type Redis, startRedis } from "shared/redis/connect.ts";
import type { Sql } from "shared/sql/connect.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { insertAccount, insertOrder, insertRegion } from "../harness/fixtures.ts";
import {
  changeOrder,
  openRelay,
  PARTITION,
  readPublished,
  relayAll,
  relayOptions,
  runsOf,
  takeRelayLease,
  versionsByOrder,
} from "../harness/outbox.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { scriptsWith, sqlWith } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

/** How soon after an outage what waited must be on its stream. */
const RECOVERY_BOUND_MS = 10_000;
const DELAY_SAMPLES = 100;

/** Orders of one customer, at version 1 with `order.placed` in the outbox. */
async function placeOrders(sql: Sql, count: number): Promise<string[]> {
  await insertRegion(sql);
  const customerId = await insertAccount(sql, "customer");
  const ids: string[] = [];
  for (let index = 0; index < count; index++) ids.push(await insertOrder(sql, { customerId }));
  return ids;
}

async function change(sql: Sql, orderId: string, times = 1): Promise<void> {
  await sql.begin(async (tx) => {
    for (let time = 0; time < times; time++) await changeOrder(tx, orderId);
  });
}

async function unpublished(sql: Sql): Promise<number> {
  const [row] = await sql<{ rows: number }[]>`
    select count(*)::int as rows from outbox where published_at is null`;
  return row?.rows ?? 0;
}

/** Each order's versions 1..last are on the stream, in order and once. */
async function assertPublished(
  stores: TestStores,
  last: Readonly<Record<string, number>>,
): Promise<void> {
  const events = await readPublished(stores.redis, stores);
  const published = [...versionsByOrder(events)].map(([id, versions]) => [id, runsOf(versions)]);
  const expected = Object.entries(last).map(([id, to]) => [id, to === 1 ? "1" : `1-${to}`]);
  assert.deepEqual(Object.fromEntries(published), Object.fromEntries(expected));
  assert.equal(new Set(events.map((event) => event.id)).size, events.length, "no event twice");
}

Deno.test("Relay.step() moves committed events once, each as it was written", async () => {
  await withStores(async (stores) => {
    const [orderId = ""] = await placeOrders(stores.sql, 1);
    await change(stores.sql, orderId, 2);
    const relay = await openRelay(stores);
    assert.equal(await relay.step(), "moved");
    assert.equal(await relay.step(), "idle");
    await assertPublished(stores, { [orderId]: 3 });
    const [placed] = await readPublished(stores.redis, stores);
    const [row] = await stores.sql<{ eventId: string; occurredAt: Date }[]>`
      select event_id, occurred_at from outbox_events order by id limit 1`;
    assert.deepEqual(
      { ...placed, data: placed?.type === "order.placed" ? placed.data.kind : undefined },
      {
        id: row?.eventId,
        type: "order.placed",
        version: EVENTS["order.placed"].version,
        region: "testville",
        key: orderId,
        occurredAt: row?.occurredAt.toISOString(),
        trace: null,
        data: "parcel",
      },
    );
    assert.equal(await unpublished(stores.sql), 0);
  });
});

Deno.test("Relay.step() shows nothing of a transaction that is open or rolled back", async () => {
  await withStores(async (stores) => {
    const [orderId = ""] = await placeOrders(stores.sql, 1);
    const relay = await openRelay(stores);
    await relayAll(relay);
    await assert.rejects(
      stores.sql.begin(async (tx) => {
        await changeOrder(tx, orderId);
        assert.equal(await relay.step(), "idle");
        throw new Error("roll back");
      }),
      /roll back/,
    );
    assert.equal(await relay.step(), "idle");
    await change(stores.sql, orderId);
    await relayAll(relay);
    await assertPublished(stores, { [orderId]: 2 });
  });
});

Deno.test("Relay.step() does not append again what its predecessor had appended but not marked", async () => {
  await withStores(async (stores) => {
    const [a = "", b = ""] = await placeOrders(stores.sql, 2);
    const dying = await openRelay(stores, {
      sql: sqlWith(stores.sql, /update outbox/, () => {
        throw new Error("died between append and mark");
      }),
    });
    await assert.rejects(dying.step(), /died between append and mark/);
    await assertPublished(stores, { [a]: 1, [b]: 1 });
    assert.equal(await unpublished(stores.sql), 2);
    await change(stores.sql, a);
    const published: number[] = [];
    await relayAll(await openRelay(stores, { onPublished: (count) => published.push(count) }));
    await assertPublished(stores, { [a]: 2, [b]: 1 });
    assert.deepEqual(published, [1], "only the new one was appended");
    assert.equal(await unpublished(stores.sql), 0);
  });
});

Deno.test("Relay.step() after a lost reply neither loses nor repeats the batch", async () => {
  await withStores(async (stores) => {
    const [orderId = ""] = await placeOrders(stores.sql, 1);
    let replies = 0;
    const redis = scriptsWith(stores.redis, async (args, real) => {
      const reply = await real(...args);
      if (reply === "appended" && ++replies === 2) throw new Error("reply lost");
      return reply;
    });
    const relay = await openRelay(stores, { redis });
    await relayAll(relay);
    await change(stores.sql, orderId, 3);
    await assert.rejects(relay.step(), /reply lost/);
    relay.doubt();
    await change(stores.sql, orderId);
    await relayAll(relay);
    await assertPublished(stores, { [orderId]: 5 });
  });
});

Deno.test("Relay.step() of an owner that was replaced appends nothing and leaves the rows", async () => {
  await withStores(async (stores) => {
    const [orderId = ""] = await placeOrders(stores.sql, 1);
    const old = await openRelay(stores);
    await relayAll(old);
    await change(stores.sql, orderId);
    const successor = await openRelay(stores);
    assert.equal(await successor.step(), "moved");
    await change(stores.sql, orderId);
    assert.equal(await old.step(), "fenced");
    await assertPublished(stores, { [orderId]: 2 });
    assert.equal(await unpublished(stores.sql), 1);
    await relayAll(successor);
    await assertPublished(stores, { [orderId]: 3 });
  });
});

Deno.test("Relay.step() of a relay begun anew under the same lease loses nothing", async () => {
  await withStores(async (stores) => {
    const [orderId = ""] = await placeOrders(stores.sql, 1);
    const lease = await takeRelayLease(stores.sql);
    await relayAll(new Relay(relayOptions(stores, lease)));
    await change(stores.sql, orderId);
    await relayAll(new Relay(relayOptions(stores, lease)));
    await assertPublished(stores, { [orderId]: 2 });
  });
});

Deno.test("Relay.step() keeps the order when its predecessor still writes during the takeover", async () => {
  await withStores(async (stores) => {
    const [orderId = ""] = await placeOrders(stores.sql, 1);
    const old = await openRelay(stores);
    await relayAll(old);
    // Several batches: more than the last one, which a new owner compares with.
    await change(stores.sql, orderId, 600);
    let scripts = 0;
    const redis = scriptsWith(stores.redis, async (args, real) => {
      // The successor has read its rows and now takes the fence: so late is the old owner.
      if (++scripts === 1) await relayAll(old);
      return await real(...args);
    });
    await relayAll(await openRelay(stores, { redis }));
    await assertPublished(stores, { [orderId]: 601 });
  });
});

Deno.test("Relay.step() lets rows wait while the stream is full, and goes on when there is room", async () => {
  await withStores(async (stores) => {
    const [orderId = ""] = await placeOrders(stores.sql, 1);
    const bound = 3;
    const redis = scriptsWith(
      stores.redis,
      (args, real) => real(...args.map((arg) => arg === MAX_STREAM_ENTRIES ? bound : arg)),
    );
    const relay = await openRelay(stores, { redis });
    await change(stores.sql, orderId, 2);
    await relayAll(relay);
    await change(stores.sql, orderId, 2);
    assert.equal(await relay.step(), "full");
    assert.equal(await relay.step(), "full");
    await assertPublished(stores, { [orderId]: 3 });
    assert.equal(await unpublished(stores.sql), 2);
    const stream = stores.keys.events(PARTITION);
    const [oldest] = await stores.redis.xrange(stream, "-", "+", "COUNT", 1);
    await stores.redis.xdel(stream, oldest?.[0] ?? "");
    assert.equal(await relay.step(), "moved");
    const versions = versionsByOrder(await readPublished(stores.redis, stores)).get(orderId);
    assert.deepEqual(versions, [2, 3, 4, 5]);
    assert.equal(await unpublished(stores.sql), 0);
  });
});

/** A running relay whose Redis is behind a link of the test. */
async function withLinkedRelay(
  use: (world: { stores: TestStores; link: RedisLink; orderId: string }) => Promise<void>,
): Promise<void> {
  await withStores(async (stores) => {
    const [orderId = ""] = await placeOrders(stores.sql, 1);
    await using link = new RedisLink(stores.redisUrl);
    const redis: Redis = connectRedis(link.url, { name: "linked", log: silentLog });
    try {
      await startRedis(redis);
      await using background = new Background();
      const lease = await takeRelayLease(stores.sql);
      background.run((signal) => runRelay(relayOptions(stores, lease, { redis, signal })));
      await eventually("the first event is out", async () => await unpublished(stores.sql) === 0);
      await use({ stores, link, orderId });
    } finally {
      redis.disconnect();
    }
  });
}

Deno.test("runRelay() lets rows wait while Redis is away, and publishes them once it is back", async () => {
  await withLinkedRelay(async ({ stores, link, orderId }) => {
    link.cut();
    await change(stores.sql, orderId, 3);
    await eventually("the connection is gone", () => link.connections === 0);
    await change(stores.sql, orderId);
    await assertPublished(stores, { [orderId]: 1 });
    assert.equal(await unpublished(stores.sql), 4);
    link.restore();
    await eventually(
      "everything is out",
      async () => await unpublished(stores.sql) === 0,
      RECOVERY_BOUND_MS,
    );
    await assertPublished(stores, { [orderId]: 5 });
  });
});

Deno.test("runRelay() goes on within 10 s when its connection to Redis falls silent", async () => {
  await withLinkedRelay(async ({ stores, link, orderId }) => {
    link.freeze();
    await change(stores.sql, orderId, 3);
    await eventually(
      "everything is out, over a new connection",
      async () => await unpublished(stores.sql) === 0,
      RECOVERY_BOUND_MS,
    );
    await assertPublished(stores, { [orderId]: 4 });
  });
});

Deno.test("runRelay() publishes within milliseconds of a commit that wakes it", async () => {
  await withStores(async (stores) => {
    const [orderId = ""] = await placeOrders(stores.sql, 1);
    await using background = new Background();
    const wake = new Wake();
    const lease = await takeRelayLease(stores.sql);
    background.run((signal) => runRelay(relayOptions(stores, lease, { wake, signal })));
    for (let sample = 0; sample < DELAY_SAMPLES; sample++) {
      await change(stores.sql, orderId);
      wake.notify();
      await eventually("it is out", async () => await unpublished(stores.sql) === 0);
    }
    await background.stop();
    await assertPublished(stores, { [orderId]: DELAY_SAMPLES + 1 });
    // From the clock of the database when the row was written to Redis's when it was appended.
    const written = await stores.sql<{ eventId: string; occurredAt: Date }[]>`
      select event_id, occurred_at from outbox_events order by id`;
    const entries = await stores.redis.xrange(
      stores.keys.events(PARTITION),
      "-",
      "+",
    );
    const delaysMs = entries.slice(1).map(([entryId], index) =>
      Number(entryId.split("-")[0]) - (written[index + 1]?.occurredAt.getTime() ?? 0)
    ).sort((one, other) => one - other);
    const at = (part: number) => delaysMs[Math.floor(delaysMs.length * part)];
    console.log(
      `insert to stream: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, max ${delaysMs.at(-1)} ms`,
    );
  });
});

Deno.test("Relay.step() appends nothing to a Redis that lost the end of the stream, until it is rebuilt", async () => {
  await withStores(async (stores) => {
    const [orderId = ""] = await placeOrders(stores.sql, 1);
    const relay = await openRelay(stores);
    assert.equal(await relay.step(), "moved");
    const relayKey = stores.keys.relay(PARTITION);
    const before = await stores.redis.hget(relayKey, "batches");
    await change(stores.sql, orderId);
    assert.equal(await relay.step(), "moved");
    // The replica that took over had not got the last append.
    await stores.redis.hset(relayKey, "batches", before ?? "");
    await change(stores.sql, orderId);
    assert.equal(await relay.step(), "lost", "the owner that appended it notices");
    assert.equal(await relay.step(), "lost");
    const successor = await openRelay(stores);
    assert.equal(await successor.step(), "lost", "and so does the next");
    assert.equal(await unpublished(stores.sql), 1);
    await rebuildRedis({ ...stores, log: silentLog });
    assert.equal(await successor.step(), "moved");
    assert.equal(await unpublished(stores.sql), 0);
  });
});
