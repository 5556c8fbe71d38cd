import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import { silentLog } from "shared/log/log.ts";
import { consumeEvents, parseEventEntry, processOnce } from "shared/streams/event_consumer.ts";
import type { Envelope } from "shared/events/catalogue.ts";
import type { Tx } from "shared/sql/connect.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { insertAccount, insertOrder, insertRegion } from "../harness/fixtures.ts";
import { Gate } from "../harness/gate.ts";
import { changeOrder, openRelay, PARTITION, relayAll } from "../harness/outbox.ts";
import type { TestStores } from "../harness/stores.ts";
import { type Item, items, TestStream } from "../harness/test_stream.ts";
import { withStores } from "../harness/with_stores.ts";

const TWINS = 10;

Deno.test("consume() gets the entries that were added before its group existed", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add(...items("a", 3));
    await using background = new Background();
    const seen: number[] = [];
    background.run((signal) => stream.consume(signal, ({ n }) => void seen.push(n)));
    await eventually(
      "all are handled and acknowledged",
      () => seen.length === 3 && stream.isDone(),
    );
    assert.deepEqual(seen, [1, 2, 3]);
  });
});

Deno.test("consume() handles one key in order and does not let it hold up another", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add(...items("slow", 3), ...items("quick", 3));
    await using background = new Background();
    const slow = new Gate();
    const seen: string[] = [];
    background.run((signal) =>
      stream.consume(signal, async ({ key, n }) => {
        if (key === "slow") await slow.passed();
        seen.push(`${key} ${n}`);
      })
    );
    await eventually("the quick key is through", () => seen.length === 3);
    assert.deepEqual(seen, ["quick 1", "quick 2", "quick 3"]);
    slow.open();
    await eventually("both are through", () => seen.length === 6 && stream.isDone());
    assert.deepEqual(seen.slice(3), ["slow 1", "slow 2", "slow 3"]);
  });
});

Deno.test("consume() keeps the order of 8 keys over 800 entries", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    const all = Array.from({ length: 800 }, (_, index) => ({
      key: `key-${(index * 7) % 8}`,
      n: Math.floor(index / 8) + 1,
    }));
    await stream.add(...all);
    await using background = new Background();
    const seen = new Map<string, number[]>();
    let count = 0;
    background.run((signal) =>
      stream.consume(signal, async ({ key, n }) => {
        await Promise.resolve();
        seen.set(key, [...seen.get(key) ?? [], n]);
        count++;
      })
    );
    await eventually("all are handled", () => count >= 800 && stream.isDone());
    assert.equal(count, 800);
    for (const numbers of seen.values()) {
      assert.deepEqual(numbers, Array.from({ length: 100 }, (_, index) => index + 1));
    }
  });
});

Deno.test("consume() acknowledges an entry only after its handler resolved", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add({ key: "a", n: 1 });
    await using background = new Background();
    const began = new Gate();
    const finish = new Gate();
    background.run((signal) =>
      stream.consume(signal, async () => {
        began.open();
        await finish.passed();
      })
    );
    await began.passed();
    assert.equal(await stream.pending(), 1);
    finish.open();
    await eventually("it is acknowledged", () => stream.isDone());
  });
});

Deno.test("consume() gives what a stopped owner left unfinished to the next one first", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add({ key: "a", n: 1 }, { key: "a", n: 2 });
    const first = new Background();
    const began = new Gate();
    first.run((signal) =>
      stream.consume(signal, async () => {
        began.open();
        // The effect dies with its process.
        await new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(new Error("killed")), { once: true });
        });
      })
    );
    await began.passed();
    await first.stop();
    assert.equal(await stream.pending(), 2);
    await stream.add({ key: "b", n: 1 }, { key: "a", n: 3 });
    await using second = new Background();
    const seen: string[] = [];
    second.run((signal) => stream.consume(signal, ({ key, n }) => void seen.push(`${key} ${n}`)));
    await eventually("the next owner is through", () => seen.length >= 4 && stream.isDone());
    assert.deepEqual(seen.slice(0, 2), ["a 1", "a 2"]);
    assert.deepEqual(seen.slice(2).sort(), ["a 3", "b 1"]);
  });
});

Deno.test("consume() has one consumer in its group, whoever has owned it", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    for (let owner = 1; owner <= 3; owner++) {
      await stream.add({ key: "a", n: owner });
      await using background = new Background();
      background.run((signal) => stream.consume(signal, () => {}));
      await eventually("it is handled", () => stream.isDone().catch(() => false));
    }
    const consumers = await stores.redis.xinfo("CONSUMERS", stream.name, "tracker");
    assert.equal((consumers as unknown[]).length, 1);
  });
});

Deno.test("consume() acknowledges what its version does not know, and parks nothing", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await using background = new Background();
    const seen: Envelope[] = [];
    const envelope = {
      id: uuidv7(),
      type: "order.teleported",
      version: 9,
      region: "testville",
      key: uuidv7(),
      occurredAt: new Date(0).toISOString(),
      trace: null,
      data: { anything: true },
    };
    await stores.redis.xadd(stream.name, "*", "id", envelope.id, "event", JSON.stringify(envelope));
    background.run((signal) =>
      stream.consume(signal, () => {}, {
        parse: (entry) => {
          const event = parseEventEntry(entry);
          if (event !== undefined) seen.push(event);
          return undefined;
        },
      })
    );
    await eventually("it is acknowledged", () => stream.isDone().catch(() => false));
    assert.deepEqual(seen, []);
    assert.deepEqual(await stream.parked(), []);
  });
});

Deno.test("processOnce() runs an effect once, however many handle the event at once", async () => {
  await withStores(async ({ sql }) => {
    await sql`create table effects (n integer)`;
    const eventId = uuidv7();
    const effect = async (tx: Tx) => {
      await tx`insert into effects values (1)`;
    };
    const ran = await Promise.all(
      Array.from({ length: TWINS }, () => processOnce(sql, "notifier", eventId, effect)),
    );
    assert.equal(ran.filter(Boolean).length, 1);
    assert.equal(await processOnce(sql, "notifier", eventId, effect), false);
    assert.equal((await sql`select * from effects`).length, 1);
    assert.equal(await processOnce(sql, "analytics", eventId, effect), true, "per consumer");
  });
});

Deno.test("processOnce() forgets an event whose effect failed, so that it runs again", async () => {
  await withStores(async ({ sql }) => {
    await sql`create table effects (n integer)`;
    const eventId = uuidv7();
    await assert.rejects(
      processOnce(sql, "notifier", eventId, async (tx) => {
        await tx`insert into effects values (1)`;
        throw new Error("half way");
      }),
      /half way/,
    );
    assert.equal((await sql`select * from effects`).length, 0);
    const again = await processOnce(sql, "notifier", eventId, async (tx) => {
      await tx`insert into effects values (2)`;
    });
    assert.equal(again, true);
    assert.deepEqual([...await sql`select n from effects`], [{ n: 2 }]);
  });
});

/** One process's consumer of the test partition's events. */
function runOwner(
  background: Background,
  stores: TestStores,
  owner: string,
  heard: (what: string) => void,
): void {
  background.run((signal) =>
    consumeEvents({
      group: "notifier",
      partition: PARTITION,
      keys: stores.keys,
      sql: stores.sql,
      redis: stores.redis,
      openBlocking: () => stores.openBlocking(),
      owner,
      log: silentLog,
      signal,
      onTaken: () => Promise.resolve(heard(`${owner} taken`)),
      handle: (event) => {
        const { data } = event;
        const version = "orderVersion" in data ? data.orderVersion : 0;
        return Promise.resolve(heard(`${owner} ${version}`));
      },
    })
  );
}

Deno.test("consumeEvents() has one owner per partition, and the next goes on where it stopped", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const customerId = await insertAccount(stores.sql, "customer");
    const orderId = await insertOrder(stores.sql, { customerId });
    const relay = await openRelay(stores);
    await relayAll(relay);
    const heard: string[] = [];
    const hear = (what: string) => void heard.push(what);
    const first = new Background();
    runOwner(first, stores, "first", hear);
    await eventually("the first owner has begun", () => heard.includes("first 1"));
    await using second = new Background();
    runOwner(second, stores, "second", hear);
    await stores.sql.begin((tx) => changeOrder(tx, orderId));
    await relayAll(relay);
    await eventually("the event is handled", () => heard.length === 3);
    await first.stop();
    await stores.sql.begin((tx) => changeOrder(tx, orderId));
    await relayAll(relay);
    await eventually("the second owner goes on", () => heard.includes("second 3"));
    assert.deepEqual(heard, ["first taken", "first 1", "first 2", "second taken", "second 3"]);
  });
});

Deno.test("consume() ends at once when its signal aborts", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    const seen: Item[] = [];
    const background = new Background();
    await stream.add({ key: "a", n: 1 });
    background.run((signal) => stream.consume(signal, (item) => void seen.push(item)));
    await eventually("it is running", () => seen.length === 1);
    const startedAtMs = performance.now();
    await background.stop();
    const tookMs = performance.now() - startedAtMs;
    // Not after the 1 s of a blocking read, nor the 4 s after which a read counts as dead.
    assert.ok(tookMs < 900, `it took ${Math.round(tookMs)} ms`);
  });
});
