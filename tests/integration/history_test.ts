import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Registry } from "prom-client";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import type { Clock } from "shared/clock/clock.ts";
import { destination } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { raiseGeneration } from "shared/redis/generation.ts";
import type { Sql } from "shared/sql/connect.ts";
import { createKeeperMetrics } from "../../services/keeper/metrics.ts";
import { parsePositionsEntry, PositionRecorder } from "../../services/keeper/position_recorder.ts";
import { CourierIndex, fixAt } from "../harness/couriers.ts";
import { createDispatchWorld, newOrder } from "../harness/dispatch_world.ts";
import { eventually } from "../harness/eventually.ts";
import { insertCourier, insertRegion, REGION } from "../harness/fixtures.ts";
import {
  appendEntry,
  expireHistoryLease,
  historyOf,
  isHistoryDone,
  progressOf,
  type Sent,
  type SentFix,
  startHistory,
  takeHistoryLease,
} from "../harness/history_world.ts";
import { PARTITION } from "../harness/outbox.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const START: Point = { lat: 57.7, lon: 11.95 };
const PROCESS = fileURLToPath(new URL("../harness/history_process.ts", import.meta.url));
const PLACE = { region: REGION, shard: 0 };

/** A ride with a fix each second that bends now and then. */
function ride(seed: number, count: number, startMs: number): SentFix[] {
  const random = createSeededRandom(seed);
  let [place, headingDeg] = [START, random() * 360];
  return Array.from({ length: count }, (_, second) => {
    if (random() < 0.15) headingDeg += 90;
    place = destination(place, headingDeg, 9);
    return { ...place, recordedAtMs: startMs + second * 1_000, accuracyM: 5 };
  });
}

async function assign(sql: Sql, orderId: string, courierId: string, since: Date, until?: Date) {
  await sql`
    insert into assignments (id, order_id, courier_id, created_at, ended_at)
    values (gen_random_uuid(), ${orderId}, ${courierId}, ${since}, ${until ?? null})`;
}

/** A recorder of this test, and the entries that it has not been given. */
async function startRecorder(stores: TestStores, options: { sql?: Sql; clock?: Clock } = {}) {
  const recorder = new PositionRecorder({
    sql: options.sql ?? stores.sql,
    redis: stores.redis,
    stream: stores.keys.positions(PARTITION),
    place: PLACE,
    lease: await takeHistoryLease(stores.sql),
    metrics: createKeeperMetrics(new Registry()),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  await recorder.resume();
  return recorder;
}

async function entriesOf({ redis, keys }: TestStores) {
  const entries = await redis.xrange(keys.positions(PARTITION), "-", "+");
  return entries.map(([id, flat]) =>
    parsePositionsEntry({ id, fields: { at: flat[1] ?? "", couriers: flat[3] ?? "" } })
  );
}

/** The same pool, whose transactions fail when `isBroken` says so: before or after the commit. */
function brokenSql(sql: Sql, isBroken: () => "before" | "after" | undefined): Sql {
  return new Proxy(sql, {
    get(target, name) {
      if (name !== "begin") return Reflect.get(target, name) as unknown;
      return async (work: Parameters<Sql["begin"]>[0]) => {
        const fault = isBroken();
        if (fault === "before") throw new Error("the connection is lost");
        const result = await target.begin(work);
        if (fault === "after") throw new Error("the connection is lost during the commit");
        return result;
      };
    },
  });
}

Deno.test("the history has what couriers sent through ingest's script, and then acknowledges it", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const index = new CourierIndex(stores);
    const courierId = await index.addCourier();
    const owner = await startHistory(stores);
    const first = await eventually("the first row", async () => {
      return (await historyOf(stores.sql, courierId))[0];
    });
    assert.equal(first.kind, "usual");
    assert.equal(first.carrying, false);
    const fix = { ...fixAt({ lat: 57.70012345, lon: 11.9 }), accuracyM: 4.6, speedMps: 3.217 };
    await index.fixes(courierId, [{ ...fix, recordedAtMs: fix.recordedAtMs + 60_000 }]);
    await eventually("everything is acknowledged", () => isHistoryDone(stores));
    await owner.stop();
    const progress = await progressOf(stores.sql);
    const [last] = await stores.redis.xrevrange(stores.keys.positions(PARTITION), "+", "-");
    assert.deepEqual([progress?.fixes, progress?.entryId], [2, last?.[0]]);
  });
});

Deno.test("a row keeps what the phone said, a clamped fix at its receipt, and what is not believed marked", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const courierId = await insertCourier(stores.sql);
    const nowMs = Date.now();
    const place = { lat: -57.70012346, lon: -11.9 };
    const full = { ...place, accuracyM: 4.6, headingDeg: 359.7, speedMps: 900 };
    const fixes: SentFix[] = [
      { ...full, recordedAtMs: nowMs - 40_000 },
      { ...place, recordedAtMs: nowMs - 39_000, code: "low_accuracy", accuracyM: 90_000 },
      { ...place, recordedAtMs: nowMs - 25_000, code: "jump" },
      { ...place, recordedAtMs: nowMs + 900_000, isClamped: true },
    ];
    await appendEntry(stores, [{ courierId, fixes }], nowMs);
    const recorder = await startRecorder(stores);
    await recorder.record(await entriesOf(stores));
    const rows = await historyOf(stores.sql, courierId);
    assert.deepEqual(rows.map(({ kind }) => kind), ["usual", "low_accuracy", "jump", "usual"]);
    assert.deepEqual(rows.map(({ recordedAtMs }) => recordedAtMs - nowMs), [
      -40_000,
      -39_000,
      -25_000,
      0,
    ]);
    const [first, imprecise, , clamped] = rows;
    assert.deepEqual(
      [first?.lat, first?.lon, first?.accuracyM, first?.headingDeg, first?.speedCmps],
      [-57.7001235, -11.9, 5, 360, 32_767],
    );
    assert.equal(imprecise?.accuracyM, 32_767);
    assert.deepEqual([clamped?.accuracyM, clamped?.headingDeg, clamped?.speedCmps], [
      null,
      null,
      null,
    ]);
  });
});

Deno.test("a row is of the class that the assignments tell for its time, also when it is late", async () => {
  await withStores(async (stores) => {
    const world = await createDispatchWorld(stores.sql);
    const courierId = await insertCourier(stores.sql);
    const nowMs = Date.now();
    const at = (agoS: number) => new Date(nowMs - agoS * 1_000);
    await assign(stores.sql, await newOrder(world), courierId, at(100), at(70));
    await assign(stores.sql, await newOrder(world), courierId, at(40));
    const sent = [110, 101, 99, 85, 71, 69, 50, 39, 20].map((agoS) => ({
      ...START,
      recordedAtMs: at(agoS).getTime(),
    }));
    for (const fix of sent) {
      await appendEntry(stores, [{ courierId, status: "busy", fixes: [fix] }], nowMs);
    }
    const recorder = await startRecorder(stores);
    await recorder.record(await entriesOf(stores));
    const rows = await historyOf(stores.sql, courierId);
    for (const { recordedAtMs, carrying } of rows) {
      const agoS = (nowMs - recordedAtMs) / 1_000;
      assert.equal(carrying, agoS <= 100 && agoS > 70 || agoS <= 40, `${agoS} s ago`);
    }
    assert.ok(rows.some(({ carrying }) => carrying) && rows.some(({ carrying }) => !carrying));
  });
});

Deno.test("no fix is lost or sampled twice, whatever breaks between owners (seeded)", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const random = createSeededRandom(seed);
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const couriers = await Promise.all(
      Array.from({ length: 12 }, () => insertCourier(stores.sql)),
    );
    const startMs = Date.now() - 200_000;
    const rides = couriers.map((_, index) => ride(seed + index, 180, startMs));
    for (let second = 0; second < 180; second++) {
      const sent: Sent[] = couriers.flatMap((courierId, index) => {
        const fix = rides[index]?.[second];
        return fix === undefined ? [] : [{ courierId, status: "busy" as const, fixes: [fix] }];
      });
      await appendEntry(stores, sent, startMs + second * 1_000);
    }
    const all = await entriesOf(stores);
    // What one owner that nothing happens to would write.
    const calm = await startRecorder(stores);
    await calm.record(all);
    const wanted = await Promise.all(couriers.map((id) => historyOf(stores.sql, id)));
    await stores.sql`delete from courier_positions`;
    await stores.sql`delete from position_progress`;

    let faults = 0;
    const sql = brokenSql(stores.sql, () => {
      if (random() > 0.4) return undefined;
      faults++;
      return random() < 0.5 ? "before" : "after";
    });
    let recorder = await startRecorder(stores, { sql });
    for (let next = 0; next < all.length;) {
      const size = 1 + Math.floor(random() * 20);
      try {
        await recorder.record(all.slice(next, next + size));
        // Dies between its commit and its acknowledgement: the next one is given the same again.
        if (random() < 0.2) recorder = await startRecorder(stores, { sql });
        else next += size;
      } catch {
        if (random() < 0.5) recorder = await startRecorder(stores, { sql });
      }
    }
    assert.ok(faults > 3, `${faults} faults`);
    const rows = await Promise.all(couriers.map((id) => historyOf(stores.sql, id)));
    assert.deepEqual(rows, wanted);
    const progress = await progressOf(stores.sql);
    assert.equal(progress?.fixes, 12 * 180);
    assert.equal(progress?.sampled, wanted.flat().length);
  });
});

Deno.test("a process that is killed in the middle loses nothing and doubles nothing (seeded)", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const random = createSeededRandom(seed);
  await withStores(async (stores) => {
    const { sql, databaseUrl, redisUrl, prefix } = stores;
    await insertRegion(sql);
    const couriers = await Promise.all(Array.from({ length: 20 }, () => insertCourier(sql)));
    const startMs = Date.now() - 400_000;
    const rides = couriers.map((_, index) => ride(seed + index, 300, startMs));
    const start = () =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--quiet", PROCESS, databaseUrl, redisUrl, prefix],
        stdin: "null",
        stdout: "inherit",
        stderr: "inherit",
      }).spawn();
    let owner = start();
    try {
      for (let second = 0; second < 300; second++) {
        const sent: Sent[] = couriers.flatMap((courierId, index) => {
          const fix = rides[index]?.[second];
          return fix === undefined ? [] : [{ courierId, status: "busy" as const, fixes: [fix] }];
        });
        await appendEntry(stores, sent, startMs + second * 1_000);
        if (second % 60 !== 59) continue;
        const wanted = (second - Math.floor(random() * 55)) * couriers.length;
        await eventually("it has come some way", async () => {
          return ((await progressOf(sql))?.fixes ?? 0) >= wanted;
        }, 20_000);
        owner.kill("SIGKILL");
        await owner.status;
        await expireHistoryLease(sql);
        owner = start();
      }
      await eventually("everything is acknowledged", () => isHistoryDone(stores), 20_000);
    } finally {
      owner.kill("SIGKILL");
      await owner.status;
    }
    const rows = await Promise.all(couriers.map((id) => historyOf(sql, id)));
    assert.equal((await progressOf(sql))?.fixes, 300 * couriers.length);
    await sql`delete from courier_positions`;
    await sql`delete from position_progress`;
    const calm = await startRecorder(stores);
    await calm.record(await entriesOf(stores));
    assert.deepEqual(rows, await Promise.all(couriers.map((id) => historyOf(sql, id))));
  });
});

Deno.test("an owner that was stopped and continued writes nothing", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const courierId = await insertCourier(stores.sql);
    const fixes = ride(1, 5, Date.now() - 10_000);
    await appendEntry(stores, [{ courierId, fixes }], Date.now());
    const zombie = await startRecorder(stores);
    const owner = await startRecorder(stores);
    const entries = await entriesOf(stores);
    await assert.rejects(zombie.record(entries), { name: "FencedError" });
    assert.deepEqual(await historyOf(stores.sql, courierId), []);
    await owner.record(entries);
    assert.equal((await historyOf(stores.sql, courierId)).length > 0, true);
  });
});

Deno.test("the newest fix becomes a row when a courier falls silent, who is then forgotten", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const courierId = await insertCourier(stores.sql);
    const fixes = [0, 1, 2, 3].map((s) => ({
      ...START,
      recordedAtMs: Date.now() - 9_000 + s * 1e3,
    }));
    await appendEntry(stores, [{ courierId, fixes }], Date.now());
    let nowMs = 0;
    const clock = { nowMs: () => nowMs, startTimer: () => () => {} };
    const recorder = await startRecorder(stores, { clock });
    await recorder.record(await entriesOf(stores));
    assert.equal((await historyOf(stores.sql, courierId)).length, 1);
    nowMs = 14_999;
    await recorder.settle();
    assert.equal((await historyOf(stores.sql, courierId)).length, 1);
    nowMs = 15_000;
    await recorder.settle();
    const rows = await historyOf(stores.sql, courierId);
    assert.deepEqual(rows.map(({ recordedAtMs }) => recordedAtMs), [
      fixes[0]?.recordedAtMs,
      fixes[3]?.recordedAtMs,
    ]);
    // Every fix is counted in one row.
    assert.equal(rows.reduce((sum, row) => sum + row.fixes, 0), 4);
    assert.equal(recorder.trackCount, 1);
    nowMs = 60_000;
    await recorder.settle();
    assert.equal(recorder.trackCount, 0);
  });
});

Deno.test("the history goes on when Redis was wiped, also where its ids begin anew", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const courierId = await insertCourier(stores.sql);
    const stream = stores.keys.positions(PARTITION);
    const owner = await startHistory(stores);
    await appendEntry(stores, [{ courierId, fixes: ride(1, 1, Date.now() - 60_000) }], Date.now());
    await eventually("the first row", async () => {
      return (await historyOf(stores.sql, courierId)).length === 1;
    });
    await stores.redis.del(stream);
    // As keeper does when it notices; another Redis may have a clock that is behind.
    await raiseGeneration(stores.sql);
    const fields = await fieldsAfter(courierId);
    await stores.redis.xadd(stream, "1-1", ...fields);
    await eventually("the row of the new Redis", async () => {
      return (await historyOf(stores.sql, courierId)).length === 2;
    });
    await owner.stop();
    const progress = await progressOf(stores.sql);
    assert.deepEqual([progress?.generation, progress?.entryId], [2, "1-1"]);
  });

  function fieldsAfter(courierId: string): string[] {
    const fix = [Date.now(), START.lat, START.lon];
    const courier = { c: courierId, s: "available", v: 1, r: 0, f: [fix], k: "a" };
    return ["at", String(Date.now()), "couriers", JSON.stringify([courier])];
  }
});

Deno.test("a row has its partition although that was dropped since it was made", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const courierId = await insertCourier(stores.sql);
    const nowMs = Date.now();
    const recorder = await startRecorder(stores);
    const record = async (agoH: number) => {
      const fix = { ...START, recordedAtMs: nowMs - agoH * 3_600_000 };
      const id = await appendEntry(stores, [{ courierId, fixes: [fix] }], Date.now());
      const entries = (await entriesOf(stores)).filter((entry) => entry.id === id);
      // As the consumer does: what fails is tried again.
      await recorder.record(entries).catch(() => recorder.record(entries));
      return (await historyOf(stores.sql, courierId)).length;
    };
    assert.equal(await record(80), 1);
    const tomorrow = new Date(nowMs + 86_400_000);
    await stores.sql`select drop_position_partitions('free', ${tomorrow}::date)`;
    assert.equal(await record(79), 1);
    assert.equal(await record(0), 2);
  });
});

Deno.test("an entry that is junk is parked, and those around it are recorded", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const courierId = await insertCourier(stores.sql);
    const [first, second] = ride(1, 40, Date.now() - 60_000).filter((_, s) => s % 39 === 0);
    assert.ok(first !== undefined && second !== undefined);
    await appendEntry(stores, [{ courierId, fixes: [first] }], Date.now());
    await stores.redis.xadd(stores.keys.positions(PARTITION), "*", "couriers", "[{not json");
    // Reads as an entry, and cannot be a row.
    await appendEntry(stores, [{ courierId: "nobody", fixes: [first] }], Date.now());
    await appendEntry(stores, [{ courierId, fixes: [second] }], Date.now());
    const owner = await startHistory(stores);
    await eventually("both rows", async () => {
      return (await historyOf(stores.sql, courierId)).length === 2;
    }, 20_000);
    await eventually("everything is acknowledged", () => isHistoryDone(stores));
    await owner.stop();
    const parked = await stores.sql<{ consumer: string }[]>`select consumer from parked_events`;
    assert.deepEqual(parked.map(({ consumer }) => consumer), ["history", "history"]);
    // Whoever takes over reads it again, and is not held up by it.
    const next = await startRecorder(stores);
    assert.equal(next.trackCount, 1);
  });
});
