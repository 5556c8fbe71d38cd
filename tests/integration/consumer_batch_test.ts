import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import { processBatchOnce } from "shared/streams/event_consumer.ts";
import type { Tx } from "shared/sql/connect.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { Gate } from "../harness/gate.ts";
import { type Item, items, TestStream } from "../harness/test_stream.ts";
import { withStores } from "../harness/with_stores.ts";

Deno.test("processBatchOnce() gives the effect each event once, in order, and none when it fails", async () => {
  await withStores(async ({ sql }) => {
    await sql`create table effects (event_id uuid)`;
    const [a, b, c] = [{ id: uuidv7() }, { id: uuidv7() }, { id: uuidv7() }];
    const effect = async (tx: Tx, events: readonly { id: string }[]) => {
      for (const { id } of events) await tx`insert into effects values (${id})`;
    };
    assert.equal(await processBatchOnce(sql, "notifier", [b], effect), 1);
    await assert.rejects(
      processBatchOnce(sql, "notifier", [a, b, c], async (tx, events) => {
        await effect(tx, events);
        throw new Error("half way");
      }),
      /half way/,
    );
    assert.equal(await processBatchOnce(sql, "notifier", [c, b, a, c], effect), 2);
    const rows = await sql<{ eventId: string }[]>`select event_id from effects`;
    assert.deepEqual(rows.map(({ eventId }) => eventId), [b.id, c.id, a.id]);
  });
});

Deno.test("consume() handles a read at once, and key by key when that fails", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add(...items("a", 3), ...items("bad", 2), ...items("b", 3));
    await using background = new Background();
    const batches: number[] = [];
    const seen: string[] = [];
    const handle = ({ key, n }: Item) => {
      if (key === "bad") throw new Error("cannot");
      seen.push(`${key} ${n}`);
    };
    background.run((signal) =>
      stream.consume(signal, handle, {
        handleBatch: (all: readonly Item[]) => {
          batches.push(all.length);
          if (all.some(({ key }) => key === "bad")) return Promise.reject(new Error("cannot"));
          all.forEach(handle);
          return Promise.resolve();
        },
      })
    );
    await eventually("the good keys are through", () => seen.length === 6);
    assert.deepEqual(seen.filter((at) => at.startsWith("a")), ["a 1", "a 2", "a 3"]);
    assert.equal(batches[0], 8);
    await stream.add(...items("c", 4));
    await eventually("later entries go together again", () => seen.length === 10);
    assert.deepEqual(seen.slice(6), ["c 1", "c 2", "c 3", "c 4"]);
  });
});

Deno.test("consume() parks only what fails where parked items hold nothing back, and goes on at once", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add(...items("a", 5));
    await using background = new Background();
    const seen: number[] = [];
    let batches = 0;
    const handle = ({ n }: Item) => {
      if (n === 2) throw new Error("cannot");
      seen.push(n);
    };
    background.run((signal) =>
      stream.consume(signal, handle, {
        goesOnPastParked: true,
        handleBatch: (all: readonly Item[]) => {
          batches++;
          if (all.some(({ n }) => n === 2)) return Promise.reject(new Error("cannot"));
          all.forEach(handle);
          return Promise.resolve();
        },
      })
    );
    await eventually("the others are through", () => seen.length === 4);
    assert.deepEqual(seen, [1, 3, 4, 5]);
    assert.deepEqual((await stream.parked()).map(({ key }) => key), ["a"]);
    const before = batches;
    await stream.add(...items("a", 3, 6));
    await eventually("later ones too", () => seen.length === 7);
    assert.deepEqual(seen.slice(4), [6, 7, 8]);
    assert.ok(batches > before, "together again, although something of their key is parked");
  });
});

Deno.test("consume() that lingers finds more to do at once, and reads as many as it is told", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add(...items("a", 7));
    await using background = new Background();
    const sizes: number[] = [];
    let count = 0;
    const took = (all: readonly Item[]) => {
      sizes.push(all.length);
      count += all.length;
    };
    background.run((signal) =>
      stream.consume(signal, (item) => took([item]), {
        readCount: 3,
        lingerMs: 150,
        handleBatch: (all: readonly Item[]) => Promise.resolve(took(all)),
      })
    );
    // Full reads follow each other at once.
    await eventually("what was there", () => count === 7);
    assert.deepEqual(sizes, [3, 3, 1]);
    await stream.add(...items("a", 1, 8));
    await stream.add(...items("a", 1, 9));
    await eventually("what came while it waited", () => count === 9);
    assert.deepEqual(sizes.slice(3), [2]);
  });
});

Deno.test("consume() reads on while a full read is handled, and keeps each key's order whatever fails", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add(...items("a", 2), ...items("b", 2), ...items("a", 2, 3), ...items("b", 1, 3));
    await using background = new Background();
    const seen: string[] = [];
    const begun = new Gate();
    const gate = new Gate();
    let failures = 0;
    background.run((signal) =>
      stream.consume(signal, async ({ key, n }) => {
        begun.open();
        if (key === "a" && n === 1) await gate.passed();
        if (key === "a" && n === 2 && failures++ < 2) throw new Error("not yet");
        seen.push(`${key} ${n}`);
      }, { readCount: 2 })
    );
    await begun.passed();
    await eventually(
      "two reads are out, of which one is handled",
      async () => await stream.pending() === 4,
    );
    assert.equal(seen.length, 0);
    gate.open();
    await eventually("everything is through", () => stream.isDone());
    assert.deepEqual(seen.filter((at) => at.startsWith("a")), ["a 1", "a 2", "a 3", "a 4"]);
    assert.deepEqual(seen.filter((at) => at.startsWith("b")), ["b 1", "b 2", "b 3"]);
    assert.ok(seen.indexOf("b 2") < seen.indexOf("a 2"), "what was read ahead did not wait");
  });
});

Deno.test("consume() begun anew reads first what its predecessor had read ahead", async () => {
  await withStores(async (stores) => {
    const stream = new TestStream(stores);
    await stream.add(...items("a", 6));
    const seen: number[] = [];
    const begun = new Gate();
    {
      await using first = new Background();
      first.run((signal) =>
        stream.consume(signal, async () => {
          begun.open();
          await new Promise((_, reject) =>
            signal.addEventListener("abort", () => reject(new Error("stopped")))
          );
        }, { readCount: 2 })
      );
      await begun.passed();
      await eventually("two reads are out", async () => await stream.pending() === 4);
    }
    await using second = new Background();
    second.run((signal) => stream.consume(signal, ({ n }) => void seen.push(n), { readCount: 2 }));
    await eventually("everything is through", () => stream.isDone());
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6]);
  });
});
