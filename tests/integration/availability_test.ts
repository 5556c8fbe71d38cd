/** The availability index: who is in it, and what it costs to keep it so. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MAX_POSITION_ENTRIES } from "shared/availability/availability.ts";
import {
  HIDDEN_AFTER_MS,
  OFFLINE_AFTER_MS,
  RETURN_AFTER_MS,
  SEEN_EVERY_MS,
} from "shared/availability/cleaning.ts";
import { newestKeptMs } from "shared/availability/courier_state.ts";
import { geoScoreOf } from "shared/availability/fix_record.ts";
import { parseStreamedCouriers } from "shared/availability/streamed_fixes.ts";
import { COURIER_STATUSES, type CourierStatus } from "shared/orders/rows.ts";
import { CourierIndex, fixAt, northOfPickup, PICKUP, streamedOf } from "../harness/couriers.ts";
import { PARTITION } from "../harness/outbox.ts";
import { redisAt, scriptsWith } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const SEED = 20_261_120;
const RUNS = 60;
const OFF_INDEX: readonly CourierStatus[] = ["busy", "paused", "offline"];

async function withIndex(
  use: (index: CourierIndex, stores: TestStores) => Promise<void>,
): Promise<void> {
  await withStores(async (stores) => await use(new CourierIndex(stores), stores));
}

Deno.test("Availability indexes an available courier with its first fix, where it is", async () => {
  await withIndex(async (index) => {
    const id = crypto.randomUUID();
    assert.equal(await index.fix(id, fixAt(PICKUP)), "unknown");
    assert.equal(await index.availability.applyStatus(id, "available", 1), true);
    assert.equal(await index.isIndexed(id), false, "nobody knows where it is");
    assert.equal(await index.heartbeat(id), "accepted");
    assert.equal(await index.isIndexed(id), false, "nor does a heartbeat tell");
    assert.equal(await index.fix(id, fixAt(northOfPickup(500))), "accepted");
    const at = await index.indexedAt(id);
    assert.ok(at);
    assert.ok(Math.abs(at.lat - northOfPickup(500).lat) < 1e-5, `${at.lat}`);
    assert.ok(Math.abs(at.lon - PICKUP.lon) < 1e-5, `${at.lon}`);
  });
});

for (const status of OFF_INDEX) {
  Deno.test(`Availability never indexes a courier that is ${status}, whatever it sends`, async () => {
    await withIndex(async (index) => {
      const id = crypto.randomUUID();
      await index.availability.applyStatus(id, "available", 1);
      await index.fix(id, fixAt(PICKUP, 20_000));
      assert.equal(await index.isIndexed(id), true);
      await index.availability.applyStatus(id, status, 2);
      assert.equal(await index.isIndexed(id), false);
      const taken = status === "offline" ? "off_shift" : "accepted";
      for (let ping = 0; ping < 3; ping++) {
        assert.equal(await index.fix(id, fixAt(PICKUP, 10_000 - ping)), taken);
        assert.equal(await index.heartbeat(id), taken);
        assert.equal(await index.isIndexed(id), false, `ping ${ping}`);
      }
      assert.equal(await index.availability.applyStatus(id, "available", 1), false, "an old event");
      assert.equal(await index.isIndexed(id), false);
      assert.equal(await index.availability.applyStatus(id, "available", 3), true);
      assert.equal(await index.isIndexed(id), true);
    });
  });
}

Deno.test("Availability.applyHeard() answers each fix for itself and streams those kept as one entry", async () => {
  await withIndex(async (index, { redis, keys }) => {
    const [a = "", b = "", off = "", unknown = ""] = [1, 2, 3, 4].map(() => crypto.randomUUID());
    await index.availability.applyStatus(a, "available", 1);
    await index.availability.applyStatus(b, "busy", 7);
    await index.availability.applyStatus(off, "offline", 1);
    const far = fixAt(northOfPickup(9_000), 500);
    const fixes = {
      first: fixAt(northOfPickup(10), 3_000),
      b: { ...fixAt(northOfPickup(20), 3_000), accuracyM: 3.25, speedMps: 1.5 },
      late: fixAt(northOfPickup(5), 4_000),
      last: { ...fixAt(northOfPickup(30), 1_000), headingDeg: 90 },
    };
    const group = (courierId: string, ...some: ReturnType<typeof fixAt>[]) => ({
      courierId,
      maxSpeedMps: 20,
      fixes: some,
    });
    const answers = await index.availability.applyHeard([
      group(a, fixes.first),
      group(unknown, fixAt(PICKUP)),
      group(b, fixes.b),
      // Not in the order of their times.
      group(a, far, fixes.last, fixes.last, fixes.late),
      group(off, fixAt(PICKUP), fixAt(PICKUP)),
      group(b),
    ]);
    assert.deepEqual(answers.map(({ codes }) => codes), [
      ["accepted"],
      ["unknown"],
      ["accepted"],
      ["jump", "accepted", "duplicate", "late"],
      ["off_shift", "off_shift"],
      ["accepted"],
    ]);
    assert.equal(await redis.xlen(keys.positions(PARTITION)), 1);
    const streamed = await streamedOf({ redis, keys });
    assert.deepEqual(streamed.map(({ courierId }) => courierId), [a, b, a, b]);
    const [[, fields = []] = []] = await redis.xrange(keys.positions(PARTITION), "-", "+");
    assert.doesNotMatch(fields.join(), new RegExp(`${off}|${unknown}`), "nobody's business");
    const [first, ofB, second, heartbeat] = streamed;
    assert.deepEqual(first?.fixes.map(({ fix }) => fix), [fixes.first]);
    assert.deepEqual(ofB?.fixes, [
      { code: "accepted", fix: fixes.b, recordedAtMs: fixes.b.recordedAtMs },
    ]);
    assert.deepEqual([ofB?.status, ofB?.version, ofB?.isReturning], ["busy", 7, false]);
    assert.deepEqual(second?.fixes.map(({ code, fix }) => [code, fix]), [
      ["late", fixes.late],
      ["accepted", fixes.last],
      ["jump", far],
    ]);
    assert.equal(second?.place?.recordedAtMs, fixes.last.recordedAtMs);
    assert.deepEqual(heartbeat?.fixes, []);
    assert.equal(heartbeat?.place?.recordedAtMs, fixes.b.recordedAtMs);
    assert.equal(await redis.hexists(keys.couriers(PARTITION), unknown), 0);
  });
});

Deno.test("Availability.applyHeard() writes nothing while the stream is full", async () => {
  await withStores(async (stores) => {
    const { redis, keys } = stores;
    const index = new CourierIndex(
      stores,
      scriptsWith(
        redis,
        (args, real) => real(...args.map((arg) => arg === MAX_POSITION_ENTRIES ? 1 : arg)),
      ),
    );
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "available", 1);
    const first = fixAt(PICKUP, 2_000);
    assert.equal(await index.fix(id, first), "accepted");
    assert.deepEqual(await index.fixes(id, [fixAt(PICKUP), fixAt(PICKUP)]), ["full", "full"]);
    assert.equal(await index.heartbeat(id), "full");
    assert.deepEqual(await index.latest(id), first);
    assert.equal(await redis.xlen(keys.positions(PARTITION)), 1);
  });
});

Deno.test("Availability touches only keys of the partition's hash slot", async () => {
  await withStores(async (stores) => {
    const touched = new Set<string>();
    const index = new CourierIndex(
      stores,
      scriptsWith(stores.redis, (args, real) => {
        const count = Number(args[1]);
        for (const key of args.slice(2, 2 + count)) touched.add(String(key));
        return real(...args);
      }),
    );
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "available", 1);
    await index.fix(id, fixAt(PICKUP));
    await index.availability.sweepSilent();
    await index.availability.watchSilence([id]);
    await index.availability.restoreFix(crypto.randomUUID(), fixAt(PICKUP));
    const slots = await Promise.all(
      [...touched].map((key) => stores.redis.call("CLUSTER", "KEYSLOT", key)),
    ).catch(() => [...touched].map((key) => /\{.+?\}/.exec(key)?.[0]));
    assert.equal(touched.size, 4);
    assert.equal(new Set(slots).size, 1, String(slots));
  });
});

Deno.test("Availability.applyStatus() does not index a courier that fell silent, and its next fix does not at once", async () => {
  await withIndex(async (index) => {
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "busy", 1);
    await index.fix(id, fixAt(PICKUP, 1_000));
    await index.age(id, HIDDEN_AFTER_MS + 1_000);
    await index.availability.applyStatus(id, "available", 2);
    assert.equal(await index.isIndexed(id), false);
    await index.fix(id, fixAt(PICKUP));
    assert.equal(await index.isIndexed(id), false, "it may be gone again in a moment");
    await index.comeBack(id, RETURN_AFTER_MS);
    await index.heartbeat(id);
    assert.equal(await index.isIndexed(id), true);
  });
});

Deno.test("Availability keeps a courier that is heard once a minute out of the index", async () => {
  await withStores(async (stores) => {
    let nowMs = Date.now();
    const index = new CourierIndex(stores, redisAt(stores.redis, () => nowMs));
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "available", 1);
    const seen: boolean[] = [];
    const hear = async (waitMs: number) => {
      nowMs += waitMs;
      await index.availability.sweepSilent();
      await index.fix(id, { ...PICKUP, recordedAtMs: nowMs });
      seen.push(await index.isIndexed(id));
    };
    await hear(0);
    for (let minute = 0; minute < 5; minute++) {
      await hear(60_000);
      // Two at once, as a phone sends that found its network again.
      await hear(1_000);
    }
    assert.deepEqual(seen, [true, ...Array.from({ length: 10 }, () => false)]);
    // Heard every 20 s it is back, and stays.
    for (let beat = 0; beat < 10; beat++) await hear(20_000);
    assert.deepEqual(seen.slice(-10), Array.from({ length: 10 }, () => true));
  });
});

Deno.test("Availability.sweepSilent() counts silence from when a courier was last heard, to the millisecond", async () => {
  await withStores(async (stores) => {
    // Noted as seen at the first, and with the last nothing is noted.
    const startMs = Math.floor(Date.now() / SEEN_EVERY_MS) * SEEN_EVERY_MS;
    let nowMs = startMs;
    const index = new CourierIndex(stores, redisAt(stores.redis, () => nowMs));
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "available", 1);
    for (let heard = 0; heard < 4; heard++) {
      nowMs = startMs + heard * SEEN_EVERY_MS / 4;
      await index.fix(id, { ...PICKUP, recordedAtMs: nowMs });
    }
    const { redis, keys } = stores;
    assert.equal(await redis.zscore(keys.couriersSeen(PARTITION), id), String(startMs));
    const heardMs = nowMs;
    const after = async (ms: number) => {
      nowMs = heardMs + ms;
      return [await index.availability.sweepSilent(), await index.isIndexed(id)];
    };
    assert.deepEqual(await after(HIDDEN_AFTER_MS - 1), [[], true]);
    assert.deepEqual(await after(HIDDEN_AFTER_MS), [[], false]);
    assert.deepEqual(await after(OFFLINE_AFTER_MS - 1), [[], false]);
    assert.deepEqual(await after(OFFLINE_AFTER_MS), [[id], false]);
  });
});

Deno.test("Availability indexes at once a courier that comes online by its own deed", async () => {
  await withIndex(async (index) => {
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "available", 1);
    await index.fix(id, fixAt(PICKUP, 2_000));
    await index.age(id, HIDDEN_AFTER_MS + 1_000);
    await index.fix(id, fixAt(PICKUP, 1_000));
    await index.availability.applyStatus(id, "offline", 2);
    await index.availability.applyStatus(id, "available", 3);
    await index.fix(id, fixAt(PICKUP));
    assert.equal(await index.isIndexed(id), true);
  });
});

Deno.test("Availability.restoreFix() gives a lost courier its place back, which counts from its next heartbeat", async () => {
  await withIndex(async (index) => {
    const id = crypto.randomUUID();
    const place = { ...fixAt(northOfPickup(70), 60_000), accuracyM: 4.5, speedMps: 3.25 };
    assert.equal(await index.availability.restoreFix(id, place), false, "its status comes first");
    await index.availability.applyStatus(id, "available", 1);
    assert.equal(await index.availability.restoreFix(id, place), true);
    assert.equal(await index.isIndexed(id), false, "nobody has heard of it");
    await index.heartbeat(id);
    assert.equal(await index.isIndexed(id), true);
    assert.deepEqual(await index.latest(id), {
      ...place,
      lat: Number(place.lat.toFixed(7)),
      lon: Number(place.lon.toFixed(7)),
    });
    assert.equal(await index.availability.restoreFix(id, fixAt(PICKUP)), false, "Redis knows");
    assert.equal(await index.fix(id, fixAt(northOfPickup(60), 61_000)), "late");
    assert.equal((await index.latest(id))?.accuracyM, 4.5, "an older fix does not replace it");
    assert.equal(await index.fix(id, fixAt(PICKUP, 95_000)), "stale");
  });
});

Deno.test("geoScoreOf() is where GEOADD has a place", async () => {
  console.log(`seed ${SEED}`);
  await withStores(async ({ redis, keys }) => {
    const key = keys.couriersGeo(PARTITION);
    // Beyond the edges a record is at the edge; Redis refuses what is beyond.
    const places = fc.sample(
      fc.record({
        lat: fc.double({ min: -85.05112877, max: 85.05112877, noNaN: true }),
        lon: fc.double({ min: -180, max: 180, noNaN: true }),
      }),
      { seed: SEED, numRuns: 1_000 },
    ).concat([{ lat: 85.05112877, lon: 180 }, { lat: -85.05112877, lon: -180 }, PICKUP]);
    for (const [at, { lat, lon }] of places.entries()) {
      const units = (degrees: number) => Math.round(degrees * 1e7) / 1e7;
      const north = Math.max(-85.0511287, Math.min(85.0511287, units(lat)));
      await redis.geoadd(key, units(lon), north, String(at));
      const score = await redis.zscore(key, String(at));
      assert.equal(Number(geoScoreOf({ lat, lon })), Number(score), JSON.stringify({ lat, lon }));
    }
  });
});

Deno.test("parseStreamedCouriers() refuses what no script of ours wrote", () => {
  for (
    const fields of [
      {},
      { at: "1" },
      { at: "x", couriers: "[]" },
      { at: "1", couriers: "{}" },
      { at: "1", couriers: "[{not json" },
      { marks: "1 a3:a", heard: "{}" },
      { marks: "1 a3:a", heard: "[]" },
      { marks: "1 z3:a", heard: '[["id",[1,2,3]]]' },
    ]
  ) assert.throws(() => parseStreamedCouriers(fields as Record<string, string>));
});

type Step =
  | { readonly kind: "status"; readonly version: number }
  | { readonly kind: "fix"; readonly agoMs: number }
  | { readonly kind: "heartbeat" }
  | { readonly kind: "wait"; readonly ms: number };

/** What the index must say of one courier, in the simplest possible words. */
class Model {
  readonly #statuses: readonly CourierStatus[];
  #version = 0;
  #heardAtMs: number | undefined;
  #backAtMs: number | undefined;
  #hasPlace = false;

  constructor(statuses: readonly CourierStatus[]) {
    this.#statuses = statuses;
  }

  get status(): CourierStatus | undefined {
    return this.#statuses[this.#version - 1];
  }

  /** Available, heard of lately and for long enough, and its place known. */
  isIndexed(nowMs: number): boolean {
    return this.status === "available" && this.#hasPlace && this.#backAtMs === undefined &&
      this.#heardAtMs !== undefined && nowMs - this.#heardAtMs < HIDDEN_AFTER_MS;
  }

  statusChange(version: number): boolean {
    if (version < this.#version) return false;
    if (this.status === "offline") this.#backAtMs = undefined;
    this.#version = version;
    return true;
  }

  hear(nowMs: number, hasPlace: boolean): boolean {
    if (this.status === undefined || this.status === "offline") return false;
    const { heardAtMs = nowMs } = { heardAtMs: this.#heardAtMs };
    if (nowMs - heardAtMs > HIDDEN_AFTER_MS) this.#backAtMs = nowMs;
    else if (this.#backAtMs !== undefined && nowMs - this.#backAtMs >= RETURN_AFTER_MS) {
      this.#backAtMs = undefined;
    }
    this.#heardAtMs = nowMs;
    this.#hasPlace ||= hasPlace;
    return true;
  }
}

interface Walk {
  readonly index: CourierIndex;
  readonly model: Model;
  readonly id: string;
  readonly statuses: readonly CourierStatus[];
  nowMs: number;
}

async function applyStep(step: Step, walk: Walk): Promise<void> {
  const { index, model, id, statuses } = walk;
  switch (step.kind) {
    case "status": {
      const status = statuses[step.version - 1] ?? "offline";
      const applied = await index.availability.applyStatus(id, status, step.version);
      assert.equal(applied, model.statusChange(step.version));
      break;
    }
    case "fix": {
      const code = await index.fix(id, { ...PICKUP, recordedAtMs: walk.nowMs - step.agoMs });
      const isHeard = code !== "unknown" && code !== "off_shift";
      assert.equal(isHeard, model.hear(walk.nowMs, true), String(code));
      break;
    }
    case "heartbeat":
      assert.equal(await index.heartbeat(id) === "accepted", model.hear(walk.nowMs, false));
      break;
    case "wait":
      walk.nowMs += step.ms;
  }
  // Keeper looks every 5 s; here at every moment.
  await index.availability.sweepSilent();
  const isIndexed = await index.isIndexed(id);
  const expected = model.isIndexed(walk.nowMs);
  assert.equal(isIndexed, expected, `after ${JSON.stringify(step)} as ${model.status}`);
}

Deno.test("Availability indexes a courier if and only if it is available and fresh, in any interleaving", async () => {
  console.log(`seed ${SEED}`);
  await withStores(async (stores) => {
    const statuses = fc.array(fc.constantFrom(...COURIER_STATUSES), {
      minLength: 5,
      maxLength: 5,
    });
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ kind: fc.constant("status" as const), version: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant("fix" as const), agoMs: fc.integer({ min: 0, max: 20_000 }) }),
      fc.constant({ kind: "heartbeat" as const }),
      fc.record({
        kind: fc.constant("wait" as const),
        ms: fc.constantFrom(1_000, 3_000, 6_000, 20_000, HIDDEN_AFTER_MS, HIDDEN_AFTER_MS + 1),
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        statuses,
        fc.array(step, { minLength: 5, maxLength: 40 }),
        async (drawn, steps) => {
          const walk: Walk = {
            index: new CourierIndex(stores, redisAt(stores.redis, () => walk.nowMs)),
            model: new Model(drawn),
            id: crypto.randomUUID(),
            statuses: drawn,
            nowMs: Date.now(),
          };
          for (const one of steps) await applyStep(one, walk);
        },
      ),
      { seed: SEED, numRuns: RUNS },
    );
  });
});

Deno.test("newestKeptMs() tells a fix that a late one has made doubtful", async () => {
  await withIndex(async (index, { redis, keys }) => {
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "available", 1);
    const far = fixAt(northOfPickup(9_000), 2_000);
    assert.equal(await index.fix(id, far), "accepted", "nothing is known before it");
    const kept = async () => {
      const state = await redis.hgetBuffer(keys.couriers(PARTITION), id);
      return state === null ? undefined : newestKeptMs(state);
    };
    assert.equal(await kept(), far.recordedAtMs);
    const earlier = fixAt(PICKUP, 5_000);
    assert.equal(await index.fix(id, earlier), "late");
    assert.equal((await index.latest(id))?.recordedAtMs, earlier.recordedAtMs);
    assert.equal(await kept(), far.recordedAtMs);
  });
});
