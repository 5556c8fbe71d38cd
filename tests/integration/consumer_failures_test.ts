/** What the consumer does with entries that cannot be handled and with a Redis that fails it. */
import assert from "node:assert/strict";
import { silentLog } from "shared/log/log.ts";
import { connectRedisBlocking } from "shared/redis/connect.ts";
import { parseEventEntry } from "shared/streams/event_consumer.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { Gate } from "../harness/gate.ts";
import { runsOf } from "../harness/outbox.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { redisWith, sqlWith } from "../harness/stand_ins.ts";
import { GROUP, type Item, items, TestStream } from "../harness/test_stream.ts";
import { withStores } from "../harness/with_stores.ts";

/** Tries before an entry is parked, with 200, 400, 800 and 1,600 ms between them. */
const MAX_ATTEMPTS = 5;
/** A reader must be back this soon after its connection died (streams.md, goal C3). */
const RESUME_BOUND_MS = 6_000;

Deno.test("consume() parks a failing entry with its cause and what its key had waiting", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    const ids = await stream.add(
      { key: "bad", n: 1 },
      { key: "bad", n: 2 },
      { key: "good", n: 1 },
      { key: "bad", n: 3 },
    );
    await using background = new Background();
    const tries: number[] = [];
    const seen: string[] = [];
    const handle = ({ key, n }: Item) => {
      if (key === "bad" && n === 2) {
        tries.push(n);
        throw new Error("no such merchant");
      }
      seen.push(`${key} ${n}`);
    };
    // The owner looks at what is parked when it looks for pending entries, every 5 s.
    let looks = 0;
    const sql = sqlWith(stores.sql, /from parked_events/, () => void looks++);
    background.run((signal) => stream.consume(signal, handle, { sql }));
    await eventually("the other key is through", () => seen.length === 2);
    await stream.add({ key: "good", n: 2 });
    await eventually("the other key goes on", () => seen.includes("good 2"));
    await eventually("the failing one is parked", async () => (await stream.parked()).length === 2);
    assert.equal(tries.length, MAX_ATTEMPTS);
    const [poison, waiting] = await stream.parked();
    assert.equal(poison?.entryId, ids[1]);
    assert.equal(poison?.key, "bad");
    assert.equal(poison?.attempts, MAX_ATTEMPTS);
    assert.match(poison?.cause ?? "", /^Error: no such merchant/);
    assert.deepEqual(waiting, {
      entryId: ids[3],
      key: "bad",
      attempts: MAX_ATTEMPTS,
      cause: `waited behind ${ids[1]}`,
    });
    await eventually("all is acknowledged", () => stream.isDone());
    await stream.add({ key: "bad", n: 4 });
    await eventually(
      "what comes later is parked behind it",
      async () => (await stream.parked()).length === 3,
    );
    await stores.sql`delete from parked_events`;
    const looksBefore = looks;
    await eventually("the owner has looked", () => looks > looksBefore);
    await stream.add({ key: "bad", n: 5 });
    await eventually("the key goes on", () => seen.includes("bad 5"));
    assert.deepEqual(seen.filter((name) => name.startsWith("bad")), ["bad 1", "bad 5"]);
  });
});

Deno.test("consume() of a new owner parks what comes later of a key that is parked", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stores.sql`
      insert into parked_events (consumer, stream, entry_id, key, event, cause, attempts)
      values (${GROUP}, ${stream.name}, '1-1', 'bad', '{}', 'a merchant that is gone', 5)`;
    const [later] = await stream.add({ key: "bad", n: 2 }, { key: "good", n: 1 });
    await using background = new Background();
    const seen: string[] = [];
    background.run((signal) =>
      stream.consume(signal, ({ key, n }) => void seen.push(`${key} ${n}`))
    );
    await eventually("both are acknowledged", () => stream.isDone().catch(() => false));
    assert.deepEqual(seen, ["good 1"]);
    const [, parked] = await stream.parked();
    assert.equal(parked?.entryId, later);
    assert.match(parked?.cause ?? "", /behind 1-1/);
  });
});

Deno.test("consume() lets a parked key go on once it was cleared, however much of it comes in", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stores.sql`
      insert into parked_events (consumer, stream, entry_id, key, event, cause, attempts)
      values (${GROUP}, ${stream.name}, '1-1', 'busy', '{}', 'a merchant that is gone', 5)`;
    await using background = new Background();
    let handled = 0;
    background.run((signal) => stream.consume(signal, () => void handled++));
    await stream.add({ key: "busy", n: 1 });
    await eventually("it is parked", async () => (await stream.parked()).length === 2);
    // An operator drops what is parked while the key's entries keep coming.
    let n = 1;
    await eventually("the key goes on", async () => {
      await stores.sql`delete from parked_events`;
      await stream.add({ key: "busy", n: ++n });
      return handled > 0;
    });
  });
});

Deno.test("consume() parks nothing because Postgres or Redis was away", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add({ key: "a", n: 1 });
    await using background = new Background();
    let tries = 0;
    background.run((signal) =>
      stream.consume(signal, () => {
        if (++tries <= 8) throw new Error("Connection terminated unexpectedly");
      })
    );
    await eventually("it is handled at last", () => stream.isDone().catch(() => false));
    assert.equal(tries, 9);
    assert.deepEqual(await stream.parked(), []);
  });
});

Deno.test("consume() parks all that waited behind a failing entry, also more than one read of it", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    const waitingCount = 250;
    await stream.add({ key: "bad", n: 0 }, ...items("bad", waitingCount));
    await using background = new Background();
    const seen: number[] = [];
    background.run((signal) =>
      stream.consume(signal, ({ n }) => {
        if (n === 0) throw new Error("poison");
        seen.push(n);
      })
    );
    await eventually("nothing is left", () => stream.isDone().catch(() => false));
    assert.equal(runsOf(seen), "", "nothing overtakes the entry it waited behind");
    assert.equal((await stream.parked()).length, waitingCount + 1);
  });
});

Deno.test("consume() parks junk at once and goes on", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    const { redis } = stores;
    await redis.xadd(stream.name, "*", "event", "not json");
    await redis.xadd(stream.name, "*", "event", '{"id":"1"}');
    await redis.xadd(stream.name, "*", "other", "field");
    const shown: string[] = [];
    await using background = new Background();
    background.run((signal) =>
      stream.consume(signal, () => {}, {
        parse: (entry) => {
          const event = parseEventEntry(entry);
          if (event !== undefined) shown.push(event.id);
          return undefined;
        },
      })
    );
    await eventually("all are parked", async () => (await stream.parked()).length === 3);
    const parked = await stream.parked();
    assert.deepEqual(parked.map((row) => row.attempts), [1, 1, 1]);
    const causes = parked.map((row) => row.cause).sort();
    assert.match(causes[0] ?? "", /^EventFormatError: entry has no event field/);
    assert.match(causes[1] ?? "", /^EventFormatError: event envelope: /);
    assert.match(causes[2] ?? "", /^EventFormatError: event is not JSON/);
    await eventually("all are acknowledged", () => stream.isDone());
    const [stored] = await stores.sql<{ event: string }[]>`
      select event from parked_events order by id limit 1`;
    assert.equal(typeof JSON.parse(stored?.event ?? ""), "object", "kept for a replay");
    assert.deepEqual(shown, []);
  });
});

Deno.test("consume() goes on after its stream and group were wiped", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add({ key: "a", n: 1 });
    await using background = new Background();
    const seen: number[] = [];
    background.run((signal) => stream.consume(signal, ({ n }) => void seen.push(n)));
    await eventually("it is running", () => seen.length === 1);
    await stores.redis.del(stream.name);
    await stream.add({ key: "a", n: 2 });
    await eventually("what came after the wipe is handled", () => seen.length === 2);
    await stream.add({ key: "a", n: 3 });
    await eventually("and it goes on", () => seen.length === 3 && stream.isDone());
    assert.deepEqual(seen, [1, 2, 3]);
  });
});

Deno.test("consume() goes on after its blocking connection was killed", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    const blockingRedis = stores.openBlocking();
    await blockingRedis.connect();
    const clientId = await blockingRedis.client("ID");
    await stream.add({ key: "a", n: 1 });
    await using background = new Background();
    const seen: number[] = [];
    background.run((signal) =>
      stream.consume(signal, ({ n }) => void seen.push(n), { blockingRedis })
    );
    await eventually("it is running", () => seen.length === 1);
    assert.equal(await stores.redis.client("KILL", "ID", clientId), 1);
    await stream.add({ key: "a", n: 2 });
    const startedAtMs = performance.now();
    await eventually("it goes on", () => seen.length === 2 && stream.isDone(), RESUME_BOUND_MS);
    console.log(`resumed ${Math.round(performance.now() - startedAtMs)} ms after the kill`);
    assert.deepEqual(seen, [1, 2]);
  });
});

Deno.test("consume() goes on after its blocking connection fell silent, and loses nothing", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await using link = new RedisLink(stores.redisUrl);
    const blockingRedis = connectRedisBlocking(link.url, { name: "linked", log: silentLog });
    try {
      await blockingRedis.connect();
      await stream.add({ key: "a", n: 1 });
      await using background = new Background();
      const seen: number[] = [];
      background.run((signal) =>
        stream.consume(signal, ({ n }) => void seen.push(n), { blockingRedis })
      );
      await eventually("it is running", () => seen.length === 1);
      link.freeze();
      // Redis hands this one to the dead socket, where nobody reads it.
      await stream.add({ key: "a", n: 2 });
      await eventually("it goes on", () => seen.length === 2 && stream.isDone(), RESUME_BOUND_MS);
      assert.deepEqual(seen, [1, 2]);
    } finally {
      blockingRedis.disconnect();
    }
  });
});

Deno.test("consume() repeats an entry whose acknowledgement failed", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    let failures = 0;
    const redis = redisWith(stores.redis, {
      xack: (args, real) => failures++ === 0 ? Promise.reject(new Error("lost")) : real(...args),
    });
    await stream.add({ key: "a", n: 1 });
    await using background = new Background();
    const seen: number[] = [];
    background.run((signal) => stream.consume(signal, ({ n }) => void seen.push(n), { redis }));
    await eventually("it is acknowledged", () => stream.isDone().catch(() => false));
    assert.deepEqual(seen, [1, 1]);
  });
});

Deno.test("consume() never handles a key twice at once, also when another key's acknowledgement fails", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    let acks = 0;
    const redis = redisWith(stores.redis, {
      xack: (args, real) => acks++ === 0 ? Promise.reject(new Error("lost")) : real(...args),
    });
    await stream.add({ key: "slow", n: 1 }, { key: "slow", n: 2 }, { key: "quick", n: 1 });
    const finish = new Gate();
    let quick = 0;
    let atOnce = 0;
    let most = 0;
    await using background = new Background();
    try {
      background.run((signal) =>
        stream.consume(signal, async ({ key }) => {
          if (key === "quick") return void quick++;
          most = Math.max(most, ++atOnce);
          await finish.passed();
          atOnce--;
        }, { redis })
      );
      // The quick key's lost acknowledgement makes the consumer begin anew. It may do so while the
      // slow key is being handled, or wait for that; but not handle the slow key beside itself.
      await eventually("the consumer began anew", () => quick === 2 || most === 2, 1_500)
        .catch(() => undefined);
    } finally {
      finish.open();
    }
    await eventually("all is done", () => stream.isDone().catch(() => false));
    assert.equal(most, 1);
  });
});

Deno.test("consume() stays the only handler of its keys until it returns", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    const redis = redisWith(stores.redis, { xack: () => Promise.reject(new Error("lost")) });
    await stream.add({ key: "slow", n: 1 }, { key: "quick", n: 1 });
    const began = new Gate();
    const finish = new Gate();
    let isHandling = false;
    const background = new Background();
    let hasReturned = false;
    background.run(async (signal) => {
      await stream.consume(signal, async ({ key }) => {
        if (key === "quick") return;
        isHandling = true;
        began.open();
        await finish.passed();
        isHandling = false;
      }, { redis });
      hasReturned = true;
    });
    await began.passed();
    const stopping = background.stop();
    // Its lease is given back when it returns: a successor would handle the slow key beside it.
    await eventually("it returned", () => hasReturned, 1_500).catch(() => undefined);
    const wasHandling = hasReturned && isHandling;
    finish.open();
    await stopping;
    assert.equal(wasHandling, false, "it returned while a handler was still running");
  });
});
