import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { Availability, type Fix, type FixCode } from "shared/availability/availability.ts";
import { withTimeout } from "shared/clock/timeout.ts";
import type { Redis } from "shared/redis/connect.ts";
import { FixBatcher, QueueFullError } from "../../services/ingest/fix_batcher.ts";
import { createIngestMetrics } from "../../services/ingest/metrics.ts";
import { fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { Gate } from "../harness/gate.ts";
import { PARTITION } from "../harness/outbox.ts";
import { scriptsWith } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const COURIERS = 500;
const MAX_QUEUED = 10_000;
const BOUND_MS = 2_000;

/** The batcher of the test partition over a connection that may be bent. */
function batcherOver({ keys }: TestStores, redis: Redis) {
  const metrics = createIngestMetrics(new Registry());
  return { batcher: new FixBatcher(new Availability(redis, keys, PARTITION), metrics), metrics };
}

/** An availability whose answers the test gives. */
class AnsweringAvailability extends Availability {
  readonly batches: number[] = [];
  readonly #answer: () => Promise<void>;

  constructor({ redis, keys }: TestStores, answer: () => Promise<void>) {
    super(redis, keys, PARTITION);
    this.#answer = answer;
  }

  override async applyFixes(fixes: readonly { courierId: string; fix: Fix }[]): Promise<FixCode[]> {
    this.batches.push(fixes.length);
    await this.#answer();
    return fixes.map(() => "accepted");
  }
}

Deno.test(`FixBatcher.submit() of ${COURIERS} couriers at once takes few script calls, each answered its own code`, async () => {
  await withStores(async (stores) => {
    let scripts = 0;
    const redis = scriptsWith(stores.redis, (args, real) => {
      scripts++;
      return real(...args);
    });
    const { batcher, metrics } = batcherOver(stores, redis);
    const availability = new Availability(stores.redis, stores.keys, PARTITION);
    const expected: FixCode[] = ["accepted", "stale", "off_shift", "unknown"];
    const couriers = Array.from({ length: COURIERS }, (_, index) => ({
      id: crypto.randomUUID(),
      code: expected[index % expected.length] ?? "accepted",
    }));
    await Promise.all(
      couriers.filter(({ code }) => code !== "unknown").map(({ id, code }) =>
        availability.applyStatus(id, code === "off_shift" ? "offline" : "available", 1)
      ),
    );
    await availability.applyFixes(
      couriers.filter(({ code }) => code === "stale")
        .map(({ id }) => ({ courierId: id, fix: fixAt(PICKUP, 1_000) })),
    );
    const codes = await Promise.all(
      couriers.map(({ id }) => batcher.submit(id, fixAt(northOfPickup(9), 2_000))),
    );
    assert.deepEqual(codes, couriers.map(({ code }) => code));
    // 200 per call; the script is known to Redis from the set-up above.
    assert.equal(scripts, 3);
    assert.equal((await metrics.queued.get()).values[0]?.value, 0);
    const entries = await stores.redis.xlen(stores.keys.positions(PARTITION));
    assert.equal(entries, 1 + 3, "one entry per flush that accepted something");
  });
});

Deno.test("FixBatcher.submit() applies one courier's fixes in the order of their submission", async () => {
  await withStores(async (stores) => {
    const { batcher } = batcherOver(stores, stores.redis);
    const id = crypto.randomUUID();
    await new Availability(stores.redis, stores.keys, PARTITION).applyStatus(id, "available", 1);
    const count = 450;
    const codes = await Promise.all(
      Array.from({ length: count }, (_, at) => batcher.submit(id, fixAt(PICKUP, count - at))),
    );
    assert.deepEqual(new Set(codes), new Set(["accepted"]));
  });
});

Deno.test("FixBatcher.submit() refuses at its bound at once, and drops nobody", async () => {
  await withStores(async (stores) => {
    const answer = new Gate();
    const availability = new AnsweringAvailability(stores, () => answer.passed());
    const batcher = new FixBatcher(availability, createIngestMetrics(new Registry()));
    const fix = fixAt(PICKUP);
    const waiting = Array.from({ length: MAX_QUEUED }, () => batcher.submit("courier", fix));
    await assert.rejects(batcher.submit("courier", fix), (error) => {
      assert.ok(error instanceof QueueFullError);
      assert.equal(error.message, "queued fixes must be < 10000");
      return true;
    });
    answer.open();
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set(["accepted"]));
    assert.deepEqual(new Set(availability.batches), new Set([200]));
    const again = withTimeout("a fix after the rush", BOUND_MS, batcher.submit("courier", fix));
    assert.equal(await again, "accepted", "there is room again");
  });
});

Deno.test("FixBatcher.submit() rejects the fixes of a call that failed, and only those", async () => {
  await withStores(async (stores) => {
    let calls = 0;
    const redis = scriptsWith(stores.redis, (args, real) => {
      return ++calls === 1 ? Promise.reject(new Error("Redis is away")) : real(...args);
    });
    const { batcher } = batcherOver(stores, redis);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 201 }, () => batcher.submit(crypto.randomUUID(), fixAt(PICKUP))),
    );
    const failed = outcomes.filter(({ status }) => status === "rejected");
    assert.equal(failed.length, 200);
    const last = outcomes.at(-1);
    assert.deepEqual(last, { status: "fulfilled", value: "unknown" });
  });
});

Deno.test("FixBatcher.submit() is answered whenever it comes, also just as a batch ends", async () => {
  await withStores(async (stores) => {
    const availability = new AnsweringAvailability(stores, () => Promise.resolve());
    // Every moment around the end of a batch, counted in turns of the microtask queue.
    for (let turns = 0; turns < 12; turns++) {
      const batcher = new FixBatcher(availability, createIngestMetrics(new Registry()));
      await batcher.submit("courier", fixAt(PICKUP));
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const code = await withTimeout(
        `answer to a fix submitted ${turns} turns after the batch`,
        BOUND_MS,
        batcher.submit("courier", fixAt(PICKUP)),
      );
      assert.equal(code, "accepted");
    }
  });
});
