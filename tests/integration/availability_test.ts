import assert from "node:assert/strict";
import fc from "fast-check";
import { parseStreamedFixes } from "shared/availability/availability.ts";
import { HIDDEN_AFTER_MS } from "shared/availability/scripts.ts";
import { COURIER_STATUSES, type CourierStatus } from "shared/orders/rows.ts";
import { CourierIndex, fixAt, northOfPickup, PICKUP, redisNowMs } from "../harness/couriers.ts";
import { eventually } from "../harness/eventually.ts";
import { PARTITION } from "../harness/outbox.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const SEED = 20_261_120;
const RUNS = 50;
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
      for (let ping = 0; ping < 3; ping++) {
        const code = await index.fix(id, fixAt(PICKUP, 10_000 - ping));
        assert.equal(code, status === "offline" ? "off_shift" : "accepted");
        assert.equal(await index.isIndexed(id), false, `ping ${ping}`);
      }
      assert.equal(await index.availability.applyStatus(id, "available", 1), false, "an old event");
      assert.equal(await index.isIndexed(id), false);
      assert.equal(await index.availability.applyStatus(id, "available", 3), true);
      assert.equal(await index.isIndexed(id), true);
    });
  });
}

Deno.test("Availability refuses an older fix and keeps the newer one everywhere", async () => {
  await withIndex(async (index, { redis, keys }) => {
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "available", 1);
    const newer = fixAt(northOfPickup(100), 1_000);
    const older = fixAt(northOfPickup(900), 2_000);
    assert.equal(await index.fix(id, newer), "accepted");
    assert.equal(await index.fix(id, older), "stale");
    assert.equal(await index.fix(id, newer), "stale", "the same fix again");
    assert.deepEqual(await index.latest(id), newer);
    const at = await index.indexedAt(id);
    assert.ok(Math.abs((at?.lat ?? 0) - newer.lat) < 1e-5);
    const entries = await redis.xrange(keys.positions(PARTITION), "-", "+");
    const streamed = entries.flatMap(([, fields]) =>
      parseStreamedFixes({ fixes: fields[fields.indexOf("fixes") + 1] ?? "" })
    );
    assert.deepEqual(streamed.map(({ courierId, fix }) => ({ courierId, fix })), [
      { courierId: id, fix: newer },
    ]);
  });
});

Deno.test("Availability.applyFixes() answers each fix for itself and streams those accepted as one entry", async () => {
  await withIndex(async (index, { redis, keys }) => {
    const [a = "", b = "", off = "", unknown = ""] = [1, 2, 3, 4].map(() => crypto.randomUUID());
    await index.availability.applyStatus(a, "available", 1);
    await index.availability.applyStatus(b, "busy", 1);
    await index.availability.applyStatus(off, "offline", 1);
    const fixes = [
      { courierId: a, fix: fixAt(northOfPickup(10), 3_000) },
      { courierId: unknown, fix: fixAt(PICKUP) },
      { courierId: b, fix: fixAt(northOfPickup(20), 3_000) },
      { courierId: a, fix: fixAt(northOfPickup(5), 4_000) },
      { courierId: off, fix: fixAt(PICKUP) },
      { courierId: a, fix: fixAt(northOfPickup(30), 1_000) },
    ];
    assert.deepEqual(await index.availability.applyFixes(fixes), [
      "accepted",
      "unknown",
      "accepted",
      "stale",
      "off_shift",
      "accepted",
    ]);
    const entries = await redis.xrange(keys.positions(PARTITION), "-", "+");
    assert.equal(entries.length, 1);
    const streamed = parseStreamedFixes({ fixes: entries[0]?.[1][1] ?? "" });
    assert.deepEqual(streamed.map(({ courierId }) => courierId), [a, b, a]);
    assert.deepEqual(streamed[2]?.fix, fixes[5]?.fix);
    assert.equal(streamed[2]?.recordedAtMs, Date.parse(fixes[5]?.fix.recordedAt ?? ""));
    assert.equal(await redis.exists(keys.courier(PARTITION, unknown)), 0);
  });
});

Deno.test("Availability clamps a fix from the future to now", async () => {
  await withIndex(async (index, { redis, keys }) => {
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "available", 1);
    const nowMs = Date.now();
    assert.equal(await index.fix(id, fixAt(northOfPickup(1), -3_600_000)), "accepted");
    const stored = Number(await redis.hget(keys.courier(PARTITION, id), "recordedAt"));
    assert.ok(Math.abs(stored - nowMs) < 2_000, `${stored - nowMs} ms off`);
    await eventually("the clock moved on", async () => await redisNowMs(redis) > stored + 1);
    const after = { ...PICKUP, recordedAt: new Date(stored + 1).toISOString() };
    assert.equal(await index.fix(id, after), "accepted", "a clock set right is not locked out");
  });
});

Deno.test("Availability never lets an older fix win, also when the phone's clock runs ahead", async () => {
  await withIndex(async (index, { redis }) => {
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "available", 1);
    // The clock of this phone is 5 s fast, and its fixes arrive in the wrong order.
    const newer = fixAt(northOfPickup(100), -5_000);
    const older = fixAt(northOfPickup(900), -4_000);
    await index.fix(id, newer);
    const startMs = await redisNowMs(redis);
    await eventually("some ms have passed", async () => await redisNowMs(redis) > startMs + 5);
    await index.fix(id, older);
    assert.deepEqual(await index.latest(id), newer);
  });
});

Deno.test("Availability.applyStatus() does not index a courier that fell silent, and its next fix does", async () => {
  await withIndex(async (index) => {
    const id = crypto.randomUUID();
    await index.availability.applyStatus(id, "busy", 1);
    await index.fix(id, fixAt(PICKUP, 1_000));
    await index.age(id, HIDDEN_AFTER_MS + 1_000);
    await index.availability.applyStatus(id, "available", 2);
    assert.equal(await index.isIndexed(id), false);
    await index.fix(id, fixAt(PICKUP));
    assert.equal(await index.isIndexed(id), true);
  });
});

Deno.test("Availability keeps each courier's newest fix, in any order and with any repetition", async () => {
  console.log(`seed ${SEED}`);
  await withIndex(async (index) => {
    const count = 6;
    const orders = fc.shuffledSubarray(Array.from({ length: count }, (_, fix) => fix), {
      minLength: count,
    }).chain((order) =>
      fc.array(fc.nat(count - 1), { maxLength: 4 }).map((repeats) => [...order, ...repeats])
    );
    await fc.assert(
      fc.asyncProperty(orders, fc.boolean(), async (order, isOneBatch) => {
        const id = crypto.randomUUID();
        await index.availability.applyStatus(id, "available", 1);
        const fixes = Array.from(
          { length: count },
          (_, at) => fixAt(northOfPickup(at * 10), (count - at) * 1_000),
        );
        const sent = order.flatMap((at) => fixes[at] ?? []).map((fix) => ({ courierId: id, fix }));
        if (isOneBatch) await index.availability.applyFixes(sent);
        else for (const { fix } of sent) await index.fix(id, fix);
        assert.deepEqual(await index.latest(id), fixes.at(-1));
        const at = await index.indexedAt(id);
        assert.ok(Math.abs((at?.lat ?? 0) - (fixes.at(-1)?.lat ?? 0)) < 1e-5);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});

type Step =
  | { readonly kind: "status"; readonly version: number }
  | { readonly kind: "fix"; readonly agoMs: number }
  | { readonly kind: "silence" }
  | { readonly kind: "sweep" };

/** What the index must say of one courier, in the simplest possible words. */
class Model {
  readonly #statuses: readonly CourierStatus[];
  #version = 0;
  #newestAgoMs = Infinity;
  #isFresh = false;

  constructor(statuses: readonly CourierStatus[]) {
    this.#statuses = statuses;
  }

  get status(): CourierStatus | undefined {
    return this.#statuses[this.#version - 1];
  }

  /** After a sweep: available, heard of lately, and its place known. */
  get isIndexed(): boolean {
    return this.status === "available" && this.#isFresh;
  }

  statusChange(version: number): boolean {
    if (version < this.#version) return false;
    this.#version = version;
    return true;
  }

  fix(agoMs: number): string {
    if (this.status === undefined) return "unknown";
    if (this.status === "offline") return "off_shift";
    if (agoMs >= this.#newestAgoMs) return "stale";
    this.#newestAgoMs = agoMs;
    this.#isFresh = true;
    return "accepted";
  }

  silence(): void {
    this.#isFresh = false;
  }
}

async function applyStep(
  step: Step,
  { index, model, id, statuses, baseMs }: {
    index: CourierIndex;
    model: Model;
    id: string;
    statuses: readonly CourierStatus[];
    baseMs: number;
  },
): Promise<void> {
  switch (step.kind) {
    case "status": {
      const status = statuses[step.version - 1] ?? "offline";
      const applied = await index.availability.applyStatus(id, status, step.version);
      assert.equal(applied, model.statusChange(step.version));
      break;
    }
    case "fix": {
      const recordedAt = new Date(baseMs - step.agoMs).toISOString();
      assert.equal(await index.fix(id, { ...PICKUP, recordedAt }), model.fix(step.agoMs));
      break;
    }
    case "silence":
      await index.age(id, HIDDEN_AFTER_MS + 1_000);
      model.silence();
      // Whoever fell silent is swept before it is heard again: keeper looks every 5 s.
      await index.availability.sweepSilent();
      break;
    case "sweep":
      await index.availability.sweepSilent();
  }
  // At every moment, not only at the end: what is indexed may be offered an order.
  const isIndexed = await index.isIndexed(id);
  assert.equal(isIndexed, model.isIndexed, `after ${JSON.stringify(step)} as ${model.status}`);
}

Deno.test("Availability indexes a courier if and only if it is available and fresh, in any interleaving", async () => {
  console.log(`seed ${SEED}`);
  await withIndex(async (index) => {
    const statuses = fc.array(fc.constantFrom(...COURIER_STATUSES), {
      minLength: 5,
      maxLength: 5,
    });
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ kind: fc.constant("status" as const), version: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant("fix" as const), agoMs: fc.integer({ min: 0, max: 20_000 }) }),
      fc.constant({ kind: "silence" as const }),
      fc.constant({ kind: "sweep" as const }),
    );
    await fc.assert(
      fc.asyncProperty(
        statuses,
        fc.array(step, { minLength: 5, maxLength: 30 }),
        async (drawn, steps) => {
          const world = {
            index,
            model: new Model(drawn),
            id: crypto.randomUUID(),
            statuses: drawn,
            baseMs: Date.now(),
          };
          for (const one of steps) await applyStep(one, world);
        },
      ),
      { seed: SEED, numRuns: RUNS },
    );
  });
});
