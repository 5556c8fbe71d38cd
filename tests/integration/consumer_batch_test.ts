import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import { processBatchOnce } from "shared/streams/event_consumer.ts";
import type { Tx } from "shared/sql/connect.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
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
