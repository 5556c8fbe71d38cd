import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { Availability, type Heard, type HeardAnswer } from "shared/availability/availability.ts";
import type { FixCode } from "shared/availability/fix.ts";
import { withTimeout } from "shared/clock/timeout.ts";
import type { Redis } from "shared/redis/connect.ts";
import { FixBatcher, QueueFullError } from "../../services/ingest/fix_batcher.ts";
import { createIngestMetrics } from "../../services/ingest/metrics.ts";
import { fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { eventually } from "../harness/eventually.ts";
import { Gate } from "../harness/gate.ts";
import { PARTITION } from "../harness/outbox.ts";
import { scriptsWith } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const COURIERS = 500;
const MAX_BATCH = 200;
const MAX_QUEUED = 10_000;
const MAX_OF_ONE = 240;
const BOUND_MS = 2_000;

/** The batcher of the test partition over a connection that may be bent. */
function batcherOver({ keys }: TestStores, redis: Redis): FixBatcher {
  const metrics = createIngestMetrics(new Registry());
  return new FixBatcher(new Availability(redis, keys, PARTITION), metrics);
}

function heard(courierId: string, ...fixes: ReturnType<typeof fixAt>[]): Heard {
  return { courierId, maxSpeedMps: 20, fixes };
}

/** An availability whose answers the test gives. */
class AnsweringAvailability extends Availability {
  readonly batches: number[] = [];
  readonly #answer: () => Promise<void>;

  constructor({ redis, keys }: TestStores, answer: () => Promise<void>) {
    super(redis, keys, PARTITION);
    this.#answer = answer;
  }

  override async applyHeard(groups: readonly Heard[]): Promise<HeardAnswer[]> {
    this.batches.push(groups.reduce((sum, { fixes }) => sum + Math.max(1, fixes.length), 0));
    await this.#answer();
    return groups.map(({ fixes }) => ({ codes: fixes.map(() => "accepted"), clamped: 0 }));
  }
}

function answering(stores: TestStores, answer: () => Promise<void>) {
  const availability = new AnsweringAvailability(stores, answer);
  const batcher = new FixBatcher(availability, createIngestMetrics(new Registry()));
  return { availability, batcher };
}

Deno.test(`FixBatcher.submit() of ${COURIERS} couriers at once takes few script calls, each answered its own code`, async () => {
  await withStores(async (stores) => {
    let scripts = 0;
    const redis = scriptsWith(stores.redis, (args, real) => {
      scripts++;
      return real(...args);
    });
    const batcher = batcherOver(stores, redis);
    const availability = new Availability(stores.redis, stores.keys, PARTITION);
    const expected: FixCode[] = ["accepted", "late", "off_shift", "unknown"];
    const couriers = Array.from({ length: COURIERS }, (_, index) => ({
      id: crypto.randomUUID(),
      code: expected[index % expected.length] ?? "accepted",
    }));
    await Promise.all(
      couriers.filter(({ code }) => code !== "unknown").map(({ id, code }) =>
        availability.applyStatus(id, code === "off_shift" ? "offline" : "available", 1)
      ),
    );
    await availability.applyHeard(
      couriers.filter(({ code }) => code === "late").map(({ id }) =>
        heard(id, fixAt(PICKUP, 1_000))
      ),
    );
    const answers = await Promise.all(
      couriers.map(({ id }) => batcher.submit(heard(id, fixAt(northOfPickup(9), 2_000)))),
    );
    assert.deepEqual(
      answers.map(({ codes }) => codes),
      couriers.map(({ code }) => [code]),
    );
    // 200 per call; the script is known to Redis from the set-up above.
    assert.equal(scripts, 3);
    assert.equal(batcher.queued, 0);
    const entries = await stores.redis.xlen(stores.keys.positions(PARTITION));
    assert.equal(entries, 1 + 3, "one entry per flush that accepted something");
  });
});

Deno.test("FixBatcher.submit() applies one courier's fixes in the order of their submission", async () => {
  await withStores(async (stores) => {
    const batcher = batcherOver(stores, stores.redis);
    const id = crypto.randomUUID();
    await new Availability(stores.redis, stores.keys, PARTITION).applyStatus(id, "available", 1);
    const others = Array.from({ length: 900 }, () => crypto.randomUUID());
    // Spread over several calls, of which two are under way at once.
    const answers = await Promise.all(others.flatMap((other, at) => {
      const waiting = [batcher.submit(heard(other, fixAt(PICKUP)))];
      if (at % 10 === 0) waiting.push(batcher.submit(heard(id, fixAt(PICKUP, 1_000 - at))));
      return waiting;
    }));
    const codes = answers.flatMap(({ codes }) => codes).filter((code) => code !== "unknown");
    assert.equal(codes.length, 90);
    assert.deepEqual(new Set(codes), new Set(["accepted"]));
  });
});

Deno.test("FixBatcher.submit() refuses at its bounds at once, and drops nobody", async () => {
  await withStores(async (stores) => {
    const gate = new Gate();
    const { batcher, availability } = answering(stores, () => gate.passed());
    const fix = fixAt(PICKUP);
    const send = (courierId: string) => batcher.submit(heard(courierId, fix));
    const refuses = async (courierId: string, message: string) => {
      await assert.rejects(send(courierId), (error) => {
        assert.ok(error instanceof QueueFullError);
        assert.equal(error.message, message);
        return true;
      });
    };
    // Two calls are under way and hold what they took; the rest waits.
    const waiting = Array.from({ length: 2 * MAX_BATCH }, (_, at) => send(`early ${at}`));
    assert.deepEqual(availability.batches, [MAX_BATCH, MAX_BATCH]);
    waiting.push(...Array.from({ length: MAX_OF_ONE }, () => send("flood")));
    await refuses("flood", `a courier's queued fixes must be <= ${MAX_OF_ONE}`);
    const rest = MAX_QUEUED - MAX_OF_ONE;
    waiting.push(...Array.from({ length: rest }, (_, at) => send(`courier ${at}`)));
    await refuses("another", `queued fixes must be <= ${MAX_QUEUED}`);
    assert.equal(batcher.queued, MAX_QUEUED);
    gate.open();
    const codes = (await Promise.all(waiting)).flatMap((answer) => answer.codes);
    assert.equal(codes.length, 2 * MAX_BATCH + MAX_QUEUED);
    assert.deepEqual(new Set(codes), new Set(["accepted"]));
    assert.deepEqual(new Set(availability.batches), new Set([MAX_BATCH]));
    const again = await withTimeout("a fix after the rush", BOUND_MS, send("flood"));
    assert.deepEqual(again.codes, ["accepted"], "there is room again");
  });
});

Deno.test("FixBatcher.submit() keeps the points of one caller in one call", async () => {
  await withStores(async (stores) => {
    const { batcher, availability } = answering(stores, () => Promise.resolve());
    const points = Array.from({ length: 100 }, (_, at) => fixAt(PICKUP, 100 - at));
    await Promise.all(["a", "b", "c", "d", "e"].map((id) => batcher.submit(heard(id, ...points))));
    assert.deepEqual(availability.batches, [200, 200, 100]);
  });
});

Deno.test("FixBatcher.submit() rejects the fixes of a call that failed, and only those", async () => {
  await withStores(async (stores) => {
    let calls = 0;
    const redis = scriptsWith(stores.redis, (args, real) => {
      return ++calls === 1 ? Promise.reject(new Error("Redis is away")) : real(...args);
    });
    const batcher = batcherOver(stores, redis);
    const outcomes = await Promise.allSettled(
      Array.from(
        { length: MAX_BATCH + 1 },
        () => batcher.submit(heard(crypto.randomUUID(), fixAt(PICKUP))),
      ),
    );
    const failed = outcomes.filter(({ status }) => status === "rejected");
    assert.equal(failed.length, MAX_BATCH);
    const last = outcomes.at(-1);
    assert.ok(last?.status === "fulfilled");
    assert.deepEqual(last.value.codes, ["unknown"]);
  });
});

Deno.test("FixBatcher.add() answers the others of a call whatever one of them throws, and goes on", async () => {
  await withStores(async (stores) => {
    const { batcher } = answering(stores, () => Promise.resolve());
    const told: unknown[] = [];
    batcher.add({
      ...heard("thrower", fixAt(PICKUP)),
      resolve: () => {
        throw new Error("a bug");
      },
      reject: (error) => told.push(error),
    });
    const other = await withTimeout(
      "the other's answer",
      BOUND_MS,
      batcher.submit(heard("other", fixAt(PICKUP))),
    );
    assert.deepEqual(other.codes, ["accepted"]);
    assert.deepEqual(told, [new Error("a bug")]);
    const next = batcher.submit(heard("thrower", fixAt(PICKUP)));
    assert.deepEqual((await withTimeout("the next call", BOUND_MS, next)).codes, ["accepted"]);
  });
});

Deno.test("FixBatcher.add() gives back a courier's share as its fixes are sent", async () => {
  await withStores(async (stores) => {
    const gates = [new Gate(), new Gate(), new Gate()];
    let calls = 0;
    const { batcher } = answering(stores, () => gates[calls++]?.passed() ?? Promise.resolve());
    const send = (courierId: string) => batcher.submit(heard(courierId, fixAt(PICKUP)));
    const waiting = Array.from({ length: 2 * MAX_BATCH }, (_, at) => send(`early ${at}`));
    waiting.push(...Array.from({ length: MAX_OF_ONE }, () => send("flood")));
    waiting.push(...Array.from({ length: 2 * MAX_OF_ONE }, (_, at) => send(`courier ${at}`)));
    await assert.rejects(send("flood"), QueueFullError);
    // One call ends, and the next takes as many of the flood as it can hold.
    gates[0]?.open();
    await eventually("the next call", () => batcher.queued === 3 * MAX_OF_ONE - MAX_BATCH);
    waiting.push(...Array.from({ length: MAX_BATCH }, () => send("flood")));
    await assert.rejects(send("flood"), QueueFullError);
    for (const gate of gates) gate.open();
    const codes = (await Promise.all(waiting)).flatMap((answer) => answer.codes);
    assert.deepEqual(new Set(codes), new Set(["accepted"]));
  });
});

Deno.test("FixBatcher.add() counts a courier's share right after one that was too large", async () => {
  await withStores(async (stores) => {
    const gate = new Gate();
    const { batcher } = answering(stores, () => gate.passed());
    const points = (count: number) => Array.from({ length: count }, () => fixAt(PICKUP));
    const send = (count: number) => batcher.submit(heard("flood", ...points(count)));
    const waiting = [send(MAX_BATCH), send(MAX_BATCH), send(MAX_BATCH)];
    await assert.rejects(send(MAX_OF_ONE), QueueFullError);
    for (let at = MAX_BATCH; at < MAX_OF_ONE; at++) waiting.push(send(1));
    await assert.rejects(send(1), QueueFullError);
    gate.open();
    await Promise.all(waiting);
  });
});

Deno.test("FixBatcher.submit() is answered whenever it comes, also just as a batch ends", async () => {
  await withStores(async (stores) => {
    // Every moment around the end of a batch, counted in turns of the microtask queue.
    for (let turns = 0; turns < 12; turns++) {
      const { batcher } = answering(stores, () => Promise.resolve());
      await batcher.submit(heard("courier", fixAt(PICKUP)));
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const answer = await withTimeout(
        `answer to a fix submitted ${turns} turns after the batch`,
        BOUND_MS,
        batcher.submit(heard("courier", fixAt(PICKUP))),
      );
      assert.deepEqual(answer.codes, ["accepted"]);
    }
  });
});

Deno.test("FixBatcher.submit() waits for company, but not for a full batch", async () => {
  await withStores(async (stores) => {
    const { batcher, availability } = answering(stores, () => Promise.resolve());
    const waiting = [batcher.submit(heard("a", fixAt(PICKUP)))];
    assert.deepEqual(availability.batches, []);
    waiting.push(batcher.submit(heard("b", fixAt(PICKUP))));
    await eventually("both go together", () => availability.batches.length > 0);
    await Promise.all(waiting);
    assert.deepEqual(availability.batches, [2]);
  });
});
