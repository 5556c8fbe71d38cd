/** How fixes are judged: order, repetition, jumps, accuracy, clocks, limits. On a real Redis. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  FIX_BURST,
  FIX_INTERVAL_MS,
  HIDDEN_AFTER_MS,
  MAX_WINDOW_FIXES,
  REORDER_WINDOW_MS,
  RETURN_AFTER_MS,
} from "shared/availability/cleaning.ts";
import type { Fix } from "shared/availability/fix.ts";
import { CourierIndex, northOfPickup, PICKUP, streamedOf } from "../harness/couriers.ts";
import { PARTITION } from "../harness/outbox.ts";
import { redisAt } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const SEED = 20_261_121;
const RUNS = 150;

/** A courier on a bicycle, and Redis's clock in the test's hand. */
class Rider {
  readonly index: CourierIndex;
  readonly stores: TestStores;
  nowMs = Date.now();
  id = "";

  constructor(stores: TestStores) {
    this.stores = stores;
    this.index = new CourierIndex(stores, redisAt(stores.redis, () => this.nowMs));
  }

  async begin(): Promise<void> {
    this.id = crypto.randomUUID();
    await this.index.availability.applyStatus(this.id, "available", 1);
  }

  /** A fix this far north, so many seconds before now. */
  at(distanceM: number, agoS: number, more: Partial<Fix> = {}): Fix {
    return { ...northOfPickup(distanceM), recordedAtMs: this.nowMs - agoS * 1_000, ...more };
  }

  async send(...fixes: Fix[]): Promise<readonly string[]> {
    return await this.index.fixes(this.id, fixes);
  }

  /** How far north the courier is believed to be. */
  async northM(): Promise<number | undefined> {
    const newest = await this.index.latest(this.id);
    return newest === undefined ? undefined : Math.round((newest.lat - PICKUP.lat) * 111_195.08);
  }

  /** The state without the limiter, which counts what came and not what it said. */
  async state(): Promise<string> {
    const { redis, keys } = this.stores;
    const state = await redis.hgetBuffer(keys.couriers(PARTITION), this.id) ??
      Buffer.alloc(0);
    return Buffer.concat([state.subarray(0, -16), state.subarray(-8)]).toString("hex");
  }
}

async function withRider(use: (rider: Rider) => Promise<void>): Promise<void> {
  await withStores(async (stores) => {
    const rider = new Rider(stores);
    await rider.begin();
    await use(rider);
  });
}

Deno.test("a fix that comes late takes its place and does not move the courier back", async () => {
  await withRider(async (rider) => {
    assert.deepEqual(await rider.send(rider.at(100, 1)), ["accepted"]);
    assert.deepEqual(await rider.send(rider.at(60, 5)), ["late"]);
    assert.equal(await rider.northM(), 100);
    assert.deepEqual(await rider.send(rider.at(60, 5)), ["duplicate"]);
    assert.deepEqual(await rider.send(rider.at(100, 1)), ["duplicate"]);
    assert.deepEqual(await rider.send(rider.at(60, 5, { accuracyM: 3 })), ["late"], "another fix");
    assert.equal(await rider.northM(), 100);
  });
});

Deno.test("a fix that is older than the reorder window is refused, and one at its edge is not", async () => {
  await withRider(async (rider) => {
    const windowS = REORDER_WINDOW_MS / 1_000;
    await rider.send(rider.at(100, 0));
    assert.deepEqual(await rider.send(rider.at(0, windowS)), ["late"]);
    assert.deepEqual(await rider.send(rider.at(0, windowS + 0.001)), ["stale"]);
    assert.equal((await streamedOf(rider.stores)).flatMap(({ fixes }) => fixes).length, 2);
  });
});

Deno.test("an impossible jump does not move the courier, and two in a row that agree do", async () => {
  await withRider(async (rider) => {
    await rider.send(rider.at(0, 20));
    // 20 m/s and 100 m: 300 m in 10 s can be, 301 m cannot.
    assert.deepEqual(await rider.send(rider.at(301, 10)), ["jump"]);
    assert.equal(await rider.northM(), 0);
    assert.deepEqual(await rider.send(rider.at(299, 10)), ["late"]);
    await rider.begin();
    await rider.send(rider.at(0, 20));
    assert.deepEqual(await rider.send(rider.at(9_000, 10)), ["jump"]);
    assert.deepEqual(await rider.send(rider.at(4_000, 9)), ["jump"], "nor does it agree with that");
    assert.deepEqual(await rider.send(rider.at(40, 8)), ["accepted"], "as if nothing had been");
    assert.deepEqual(await rider.send(rider.at(9_000, 6)), ["jump"]);
    assert.deepEqual(await rider.send(rider.at(9_050, 3)), ["accepted"], "it agrees with the last");
    assert.equal(await rider.northM(), 9_050);
  });
});

Deno.test("fixes after one that comes late are judged again", async () => {
  await withRider(async (rider) => {
    await rider.send(rider.at(0, 28));
    assert.deepEqual(await rider.send(rider.at(5_000, 10)), ["jump"]);
    assert.equal(await rider.northM(), 0);
    // What lay between makes the jump a journey: the second of the two that agree.
    assert.deepEqual(await rider.send(rider.at(4_900, 15)), ["late"]);
    assert.equal(await rider.northM(), 5_000);
    const { lat } = await rider.index.indexedAt(rider.id) ?? PICKUP;
    assert.ok(Math.abs(lat - northOfPickup(5_000).lat) < 1e-5, "the index follows");
    const last = (await streamedOf(rider.stores)).at(-1);
    assert.deepEqual(last?.fixes.map(({ code }) => code), ["late"]);
    assert.equal(last?.place?.recordedAtMs, rider.nowMs - 10_000, "and readers are told");
  });
});

Deno.test("a fix worse than 50 m is kept for history and moves nobody, but its courier is heard", async () => {
  await withRider(async (rider) => {
    await rider.send(rider.at(0, 20));
    rider.nowMs += 40_000;
    assert.deepEqual(await rider.send(rider.at(80, 1, { accuracyM: 50.01 })), ["low_accuracy"]);
    assert.equal(await rider.northM(), 0);
    assert.deepEqual(await rider.send(rider.at(60, 0.5, { accuracyM: 50 })), ["accepted"]);
    assert.equal(await rider.northM(), 60);
    rider.nowMs += 40_000;
    await rider.index.availability.sweepSilent();
    assert.equal(await rider.index.isIndexed(rider.id), true);
    const codes = (await streamedOf(rider.stores)).flatMap(({ fixes }) => fixes)
      .map(({ code, fix }) => [code, fix.accuracyM]);
    assert.deepEqual(codes, [["accepted", undefined], ["low_accuracy", 50.01], ["accepted", 50]]);
  });
});

Deno.test("a fix from the future counts as now, and the phone's clock orders such fixes", async () => {
  await withRider(async (rider) => {
    const ahead = (distanceM: number, aheadS: number) => rider.at(distanceM, -aheadS);
    const group = { courierId: rider.id, maxSpeedMps: 20, fixes: [ahead(10, 3_600)] };
    const [answer] = await rider.index.availability.applyHeard([group]);
    assert.deepEqual(answer, { codes: ["accepted"], clamped: 1 });
    assert.equal((await rider.index.latest(rider.id))?.recordedAtMs, rider.nowMs);
    assert.deepEqual(await rider.send(ahead(10, 3_600)), ["duplicate"]);
    rider.nowMs += 5;
    assert.deepEqual(await rider.send(ahead(90, 3_500)), ["stale"], "older by the same clock");
    assert.equal(await rider.northM(), 10);
    assert.deepEqual(await rider.send(ahead(30, 3_601), ahead(20, 3_600.5)), [
      "accepted",
      "accepted",
    ]);
    assert.equal(await rider.northM(), 30);
    rider.nowMs += 2;
    assert.deepEqual(await rider.send(rider.at(40, 0.001)), ["accepted"], "a clock set right");
    const streamed = (await streamedOf(rider.stores)).flatMap(({ fixes }) => fixes);
    const startMs = rider.nowMs - 7;
    assert.deepEqual(streamed.map(({ recordedAtMs }) => recordedAtMs - startMs), [0, 5, 5, 6]);
  });
});

Deno.test("jumps are measured across the antimeridian", async () => {
  await withRider(async (rider) => {
    const at = (lon: number, agoS: number): Fix => ({
      lat: 60,
      lon,
      recordedAtMs: rider.nowMs - agoS * 1_000,
    });
    assert.deepEqual(await rider.send(at(179.9999, 3)), ["accepted"]);
    assert.deepEqual(await rider.send(at(-179.9999, 2)), ["accepted"], "11 m");
    assert.deepEqual(await rider.send(at(-179.99, 1)), ["jump"], "550 m");
  });
});

Deno.test("a courier's window is bounded by count, and what falls out of it stays judged", async () => {
  await withRider(async (rider) => {
    const { redis, keys } = rider.stores;
    // Ten fixes a second for 10 s.
    const fixes = Array.from({ length: 100 }, (_, at) => rider.at(at, 10 - at / 10));
    assert.deepEqual(new Set(await rider.send(...fixes)), new Set(["accepted"]));
    const state = await redis.hgetBuffer(keys.couriers(PARTITION), rider.id);
    assert.equal(state?.length, 46 + MAX_WINDOW_FIXES * 23);
    assert.equal(await rider.northM(), 99);
    assert.deepEqual(await rider.send(rider.at(0.5, 9.95)), ["late"]);
    assert.equal(await rider.northM(), 99);
  });
});

Deno.test("a state has room for a clock ahead, a return and a suspect only while there is one", async () => {
  await withRider(async (rider) => {
    const bytes = async () => (await rider.state()).length / 2;
    assert.deepEqual(await rider.send(rider.at(0, 1)), ["accepted"]);
    const plain = await bytes();
    assert.deepEqual(await rider.send(rider.at(10, -5)), ["accepted"]);
    assert.equal(await bytes(), plain + 23 + 46, "a clock ahead");
    assert.equal(await rider.index.availability.applyStatus(rider.id, "busy", 2), true);
    assert.deepEqual(await rider.index.known(rider.id), ["busy", 2]);
    assert.deepEqual(await rider.send(rider.at(10, -5)), ["duplicate"]);
    rider.nowMs += 6_000;
    assert.deepEqual(await rider.send(rider.at(20, 0)), ["accepted"]);
    assert.equal(await bytes(), plain + 2 * 23, "the clock has passed it");
    rider.nowMs += HIDDEN_AFTER_MS + 1;
    assert.deepEqual(await rider.send(rider.at(30, 0)), ["accepted"]);
    assert.equal((await rider.index.availability.find(rider.id))?.isReturning, true);
    assert.equal(await bytes(), plain + 46, "what is older than the window is one fix");
    rider.nowMs += RETURN_AFTER_MS;
    assert.deepEqual(await rider.send(rider.at(9_000, 0)), ["jump"]);
    assert.equal((await rider.index.availability.find(rider.id))?.isReturning, false);
    assert.equal(await bytes(), plain + 23);
    rider.nowMs += REORDER_WINDOW_MS + 2_000;
    // Too inexact to be believed: so the jump is still suspected when the window is over.
    assert.deepEqual(await rider.send(rider.at(50, 1, { accuracyM: 51 })), ["low_accuracy"]);
    assert.equal(await bytes(), plain + 46, "a suspect");
    assert.equal(await rider.northM(), 30);
    assert.deepEqual(await rider.send(rider.at(9_050, 0)), ["accepted"], "agrees with the suspect");
    assert.equal(await rider.northM(), 9_050);
  });
});

/** Fixes inside one window: a ride with what goes wrong on it, each with its own time or not. */
const ride = fc.array(
  fc.record({
    agoMs: fc.integer({ min: 0, max: REORDER_WINDOW_MS }).map((ms) => Math.round(ms / 500) * 500),
    northM: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 0, max: 120 }) },
      { weight: 1, arbitrary: fc.integer({ min: 3_000, max: 3_100 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 20_000 }) },
    ),
    accuracyM: fc.option(fc.constantFrom(5, 20, 49, 51, 200), { nil: undefined }),
  }),
  { minLength: 2, maxLength: 12 },
);

Deno.test("any permutation and repetition of fixes inside the window ends in the same state", async () => {
  console.log(`seed ${SEED}`);
  await withRider(async (rider) => {
    let believed = 0;
    await fc.assert(
      fc.asyncProperty(
        ride.chain((fixes) =>
          fc.tuple(
            fc.constant(fixes),
            fc.array(fc.nat(fixes.length - 1), { maxLength: 6 }),
            fc.array(fc.nat(), { minLength: fixes.length + 6, maxLength: fixes.length + 6 }),
            fc.boolean(),
          )
        ),
        async ([drawn, repeats, keys, isOneBatch]) => {
          const fixes = drawn.map(({ agoMs, northM, accuracyM }) =>
            rider.at(northM, agoMs / 1_000, accuracyM === undefined ? {} : { accuracyM })
          );
          // What was there before the window, and is the same for all.
          const before = rider.at(0, REORDER_WINDOW_MS / 1_000 + 60);
          await rider.begin();
          await rider.send(before);
          for (const fix of fixes) await rider.send(fix);
          const expected = await rider.state();
          const place = await rider.index.indexedAt(rider.id);
          const shuffled = [...fixes.keys(), ...repeats].map((at, turn) => ({
            at,
            key: keys[turn] ?? 0,
          })).sort((a, b) => a.key - b.key).flatMap(({ at }) => fixes[at] ?? []);
          await rider.begin();
          await rider.send(before);
          if (isOneBatch) await rider.send(...shuffled);
          else for (const fix of shuffled) await rider.send(fix);
          assert.equal(await rider.state(), expected);
          assert.deepEqual(await rider.index.indexedAt(rider.id), place);
          if (await rider.northM() !== 0) believed++;
        },
      ),
      { seed: SEED, numRuns: RUNS },
    );
    assert.ok(believed > RUNS / 2, `only ${believed} rides moved anybody`);
  });
});

/** A long ride: fixes at growing times, with what goes wrong now and then, cut into calls. */
const longRide = fc.array(
  fc.record({
    fixes: fc.array(
      fc.record({
        afterMs: fc.oneof(
          { weight: 20, arbitrary: fc.constantFrom(100, 1_000, 3_000) },
          { weight: 1, arbitrary: fc.constantFrom(0, -2_000, 29_000, 40_000) },
        ),
        northM: fc.oneof(
          { weight: 30, arbitrary: fc.integer({ min: 0, max: 100 }) },
          { weight: 1, arbitrary: fc.integer({ min: 3_000, max: 3_100 }) },
        ),
        accuracyM: fc.oneof(
          { weight: 20, arbitrary: fc.constant(5) },
          { weight: 1, arbitrary: fc.constantFrom(50, 51) },
        ),
      }),
      { minLength: 1, maxLength: 100 },
    ),
    pauseMs: fc.constantFrom(120_000, 150_000),
  }),
  { minLength: 1, maxLength: 4 },
);

Deno.test("fixes in one call end in the state in which they end one by one, also of a courier who is there twice", async () => {
  console.log(`seed ${SEED}`);
  await withRider(async (rider) => {
    const { index } = rider;
    await fc.assert(
      fc.asyncProperty(longRide, fc.nat(), async (calls, cut) => {
        const startMs = rider.nowMs;
        const outcomes: unknown[] = [];
        for (const way of ["whole", "twice", "each"]) {
          rider.nowMs = startMs;
          await rider.begin();
          const codes: string[] = [];
          for (const { fixes, pauseMs } of calls) {
            rider.nowMs += pauseMs;
            let atMs = rider.nowMs - 110_000;
            const sent = fixes.map(({ afterMs, northM, accuracyM }): Fix => {
              atMs = Math.min(atMs + afterMs, rider.nowMs);
              return { ...northOfPickup(northM), accuracyM, recordedAtMs: atMs };
            }).sort((a, b) => a.recordedAtMs - b.recordedAtMs);
            const middle = cut % sent.length;
            const parts = way === "whole"
              ? [sent]
              : way === "twice"
              ? [sent.slice(0, middle), sent.slice(middle)].filter(({ length }) => length > 0)
              : sent.map((fix) => [fix]);
            const groups = parts.map((some) => ({
              courierId: rider.id,
              maxSpeedMps: 20,
              fixes: some,
            }));
            const answers = await index.availability.applyHeard(groups);
            codes.push(...answers.flatMap((answer) => answer.codes));
          }
          outcomes.push([codes, await rider.state(), await index.indexedAt(rider.id)]);
        }
        assert.deepEqual(outcomes[1], outcomes[0]);
        assert.deepEqual(outcomes[2], outcomes[0]);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});

Deno.test(`a courier may send ${FIX_BURST} fixes at once and one a second, exactly, under concurrency`, async () => {
  await withRider(async (rider) => {
    const { id } = rider;
    const send = async (count: number) =>
      await Promise.all(
        Array.from({ length: count }, (_, at) => rider.send(rider.at(0, 20 - at / 100))),
      );
    const kept = (answers: readonly (readonly string[])[]) =>
      answers.flat().filter((code) => code !== "limited").length;
    assert.equal(kept(await send(200)), FIX_BURST);
    rider.nowMs += FIX_INTERVAL_MS - 1;
    assert.equal(kept(await send(50)), 0);
    rider.nowMs += 1;
    assert.equal(kept(await send(50)), 1);
    rider.nowMs += 7 * FIX_INTERVAL_MS;
    assert.equal(kept(await send(50)), 7);
    // A day of silence saves up no more than the burst.
    rider.nowMs += 86_400_000;
    assert.equal(kept(await send(200)), FIX_BURST);
    // Somebody else is not concerned.
    await rider.begin();
    assert.notEqual(rider.id, id);
    assert.equal(kept(await send(3)), 3);
  });
});

Deno.test("a batch counts by its points, oldest first, and is told when to send the rest", async () => {
  await withRider(async (rider) => {
    const points = (count: number) =>
      Array.from({ length: count }, (_, at) => rider.at(at, 25 - at / 10));
    await rider.send(...points(100));
    rider.nowMs += 400;
    const fixes = points(30).reverse();
    const group = { courierId: rider.id, maxSpeedMps: 20, fixes };
    const [answer] = await rider.index.availability.applyHeard([group]);
    const limited = answer?.codes.map((code) => code === "limited");
    // In the order that was sent: the newest ten were too many.
    assert.deepEqual(limited, fixes.map((_, at) => at < 10));
    assert.equal(answer?.retryAfterMs, FIX_INTERVAL_MS - 400);
    const before = await rider.state();
    rider.nowMs += 100;
    assert.equal(await rider.index.heartbeat(rider.id), "limited", "a heartbeat counts as a fix");
    assert.equal(await rider.state(), before, "what is limited changes nothing");
    rider.nowMs += 500;
    assert.equal(await rider.index.heartbeat(rider.id), "accepted");
  });
});

Deno.test("what is known of a courier is forgotten 48 h after it was last heard", async () => {
  await withRider(async (rider) => {
    const { availability } = rider.index;
    // Some sweeps come round to everybody, however many they are.
    const others = Array.from({ length: 700 }, () => crypto.randomUUID());
    await availability.load(
      others.map((id) => ({ id, status: "offline", version: 1, lastFix: undefined })),
    );
    const sweep = async () => {
      for (let turn = 0; turn < 20; turn++) await availability.sweepSilent();
    };
    const known = async (id: string) => await availability.find(id) !== undefined;
    rider.nowMs += 3_600_000;
    await rider.send(rider.at(0, 0));
    rider.nowMs += 47 * 3_600_000 + 1_000;
    await sweep();
    assert.equal(await known(rider.id), true, "it was heard after an hour");
    for (const id of others) assert.equal(await known(id), false);
    rider.nowMs += 3_600_000;
    await sweep();
    assert.equal(await known(rider.id), false);
  });
});
