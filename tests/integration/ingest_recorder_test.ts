import assert from "node:assert/strict";
import type { Fix } from "shared/availability/fix.ts";
import { MAX_SPEED_MPS } from "shared/availability/cleaning.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { silentLog } from "shared/log/log.ts";
import type { Sql } from "shared/sql/connect.ts";
import { CourierDirectory } from "../../services/ingest/courier_directory.ts";
import { LastPositions, StoppedError } from "../../services/ingest/last_positions.ts";
import { fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { Gate } from "../harness/gate.ts";
import { Ingest, withIngest } from "../harness/ingest_world.ts";
import { PARTITION } from "../harness/outbox.ts";
import { redisWith } from "../harness/stand_ins.ts";

Deno.test("FixRecorder asks Postgres once for a courier that Redis has lost, and not for a stranger", async () => {
  await withIngest(async ({ stores, index }) => {
    const { sql, redis, keys } = stores;
    const scripts: string[] = [];
    const counted = redisWith(redis, {
      evalsha: (args, real) => {
        scripts.push(String(args[1]));
        return real(...args);
      },
    });
    const { recorder } = new Ingest(stores, counted);
    const record = async (courierId: string, agoMs: number) =>
      (await recorder.record(courierId, [fixAt(PICKUP, agoMs)])).codes[0];
    const id = await insertCourier(sql, { status: "available" });
    assert.equal(await record(id, 9_000), "accepted");
    assert.equal(scripts.length, 3, "unknown, status, fix");
    assert.equal(await record(id, 8_000), "accepted");
    assert.equal(scripts.length, 4);
    // Redis was wiped, and the courier has gone busy meanwhile.
    await redis.del(keys.couriers(PARTITION), keys.couriersGeo(PARTITION));
    await sql`update couriers set status = 'busy', version = 5 where id = ${id}`;
    assert.equal(await record(id, 7_000), "accepted");
    assert.equal(await index.isIndexed(id), false);
    assert.deepEqual(await index.known(id), ["busy", 5]);
    assert.equal(await record(crypto.randomUUID(), 0), "unknown");
    assert.equal(scripts.length, 7, "a stranger costs Redis nothing");
  });
});

Deno.test("FixRecorder believes Postgres where Redis still has a courier as offline", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const id = await insertCourier(stores.sql, { status: "offline" });
    const token = await ingest.token(id);
    assert.equal(
      (await ingest.post(token, fixAt(PICKUP, 9_000))).body["code"],
      "courier.off_shift",
    );
    // The courier went online, and the event of it is still under way. Ingest asks again when a
    // second has passed.
    const other = new Ingest(stores);
    await stores.sql`update couriers set status = 'available', version = 2 where id = ${id}`;
    assert.deepEqual((await other.post(token, fixAt(PICKUP, 8_000))).body, { accepted: true });
    assert.equal(await index.isIndexed(id), true);
    assert.equal(await index.availability.applyStatus(id, "offline", 1), false, "the older event");
    assert.equal(await index.isIndexed(id), true);
  });
});

Deno.test("LastPositions keeps the newest accepted fix of each courier in Postgres", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const { sql } = stores;
    const id = await insertCourier(sql);
    const token = await ingest.token(id);
    const newest = { ...fixAt(northOfPickup(70), 5_000), speedMps: 7.5 };
    await ingest.post(token, fixAt(PICKUP, 8_000));
    await ingest.post(token, newest);
    await ingest.post(token, fixAt(PICKUP, 6_000));
    await ingest.lastPositions.flush();
    // What another process heard before must not come back.
    ingest.lastPositions.note(id, fixAt(PICKUP, 60_000));
    await ingest.lastPositions.flush();
    const rows = await sql<{ lat: number; speedMps: number; recordedAt: Date }[]>`
      select lat, speed_mps, recorded_at from courier_last_positions where courier_id = ${id}`;
    assert.deepEqual([...rows], [{
      lat: newest.lat,
      speedMps: 7.5,
      recordedAt: new Date(newest.recordedAtMs),
    }]);
  });
});

Deno.test("FixRecorder that stops lets Redis answer what waits, and then refuses before Redis is asked", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const id = await insertCourier(stores.sql, { status: "available" });
    const token = await ingest.token(id);
    await ingest.recorder.record(id, [fixAt(PICKUP, 6_000)]);
    const waiting = ingest.recorder.record(id, [fixAt(northOfPickup(5), 4_000)]);
    assert.equal(ingest.recorder.isBusy, true);
    await ingest.recorder.stop();
    assert.equal(ingest.recorder.isBusy, false);
    assert.deepEqual((await waiting).codes, ["accepted"]);
    const late = fixAt(northOfPickup(20), 1_000);
    const refused = await ingest.post(token, late);
    assert.equal(refused.status, 503);
    assert.equal(refused.body["code"], "service.unavailable");
    assert.equal(refused.headers.get("retry-after"), "2");
    // Not a repetition for the process that is asked next.
    const other = new Ingest(stores);
    assert.deepEqual((await other.post(token, late)).body, { accepted: true });
  });
});

Deno.test("LastPositions refuses what comes after its last flush, and tries that one twice", async () => {
  await withIngest(async ({ stores }) => {
    let calls = 0;
    const deadlocked = new Proxy(stores.sql, {
      apply(real, self, args) {
        if (calls++ === 0) return Promise.reject(new Error("deadlock detected"));
        return Reflect.apply(real, self, args);
      },
    });
    const positions = new LastPositions(deadlocked, silentLog);
    const id = await insertCourier(stores.sql, { status: "available" });
    positions.note(id, fixAt(PICKUP, 2_000));
    await positions.run(AbortSignal.abort());
    const rows = await stores.sql<{ courierId: string }[]>`
      select courier_id from courier_last_positions`;
    assert.deepEqual(rows.map(({ courierId }) => courierId), [id]);
    assert.throws(() => positions.note(id, fixAt(PICKUP)), StoppedError);
  });
});

Deno.test("LastPositions keeps the newest of fixes that are answered in another order", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const { sql } = stores;
    const id = await insertCourier(sql, { status: "available" });
    await ingest.recorder.record(id, [fixAt(PICKUP, 20_000)]);
    const batch = [fixAt(northOfPickup(5), 9_000), fixAt(northOfPickup(10), 6_000)];
    const newest = fixAt(northOfPickup(20), 3_000);
    // In one call: the single fix is answered in its step, the batch some steps later.
    await Promise.all([ingest.recorder.record(id, batch), ingest.recorder.record(id, [newest])]);
    await ingest.lastPositions.flush();
    const [row] = await sql<{ recordedAt: Date }[]>`
      select recorded_at from courier_last_positions where courier_id = ${id}`;
    assert.equal(row?.recordedAt.getTime(), newest.recordedAtMs);
  });
});

Deno.test("LastPositions keeps apart the fixes of many couriers, and what each phone has said", async () => {
  await withIngest(async ({ stores }) => {
    const { sql } = stores;
    const positions = new LastPositions(sql, silentLog);
    const ids: string[] = [];
    while (ids.length < 150) ids.push(await insertCourier(sql, { status: "available" }));
    const fixOf = (courier: number): Fix => ({
      ...fixAt(northOfPickup(courier), 1_000),
      ...(courier % 2 === 0 ? { accuracyM: courier } : {}),
      ...(courier % 3 === 0 ? { headingDeg: courier } : {}),
      ...(courier % 5 === 0 ? { speedMps: courier / 4 } : {}),
    });
    const fixes = ids.map((_, courier) => fixOf(courier));
    // Each has a first one that the second replaces.
    for (const id of ids) positions.note(id, fixAt(PICKUP, 9_000));
    for (const [courier, id] of ids.entries()) positions.note(id, fixes[courier] ?? fixOf(0));
    await positions.flush();
    const rows = await sql<{ courierId: string }[]>`
      select courier_id, lat, lon, accuracy_m, heading_deg, speed_mps, recorded_at
      from courier_last_positions`;
    const byId = new Map(rows.map((row) => [row.courierId, row]));
    const expected = ids.map((courierId, courier) => {
      const { lat, lon, accuracyM, headingDeg, speedMps, recordedAtMs } = fixes[courier] ??
        fixOf(0);
      return {
        courierId,
        lat,
        lon,
        accuracyM: accuracyM ?? null,
        headingDeg: headingDeg ?? null,
        speedMps: speedMps ?? null,
        recordedAt: new Date(recordedAtMs),
      };
    });
    assert.deepEqual(ids.map((id) => ({ ...byId.get(id) })), expected);
  });
});

Deno.test("LastPositions writes what came during its last but one flush before it ends", async () => {
  await withIngest(async ({ stores }) => {
    const gate = new Gate();
    const reached = new Gate();
    const slow = new Proxy(stores.sql, {
      apply(real, self, args) {
        reached.open();
        return gate.passed().then(() => Reflect.apply(real, self, args));
      },
    });
    const positions = new LastPositions(slow, silentLog);
    const [early, late] = [
      await insertCourier(stores.sql, { status: "available" }),
      await insertCourier(stores.sql, { status: "available" }),
    ];
    const stopping = new AbortController();
    positions.note(early, fixAt(PICKUP, 2_000));
    const running = positions.run(stopping.signal);
    stopping.abort();
    await reached.passed();
    positions.note(late, fixAt(PICKUP, 1_000));
    gate.open();
    await running;
    const rows = await stores.sql<{ courierId: string }[]>`
      select courier_id from courier_last_positions`;
    assert.deepEqual(new Set(rows.map(({ courierId }) => courierId)), new Set([early, late]));
  });
});

/** The same, and how many statements it was asked for. */
function counting(sql: Sql): { readonly sql: Sql; count(): number } {
  let statements = 0;
  const counted = new Proxy(sql, {
    apply(real, self, args) {
      statements++;
      return Reflect.apply(real, self, args);
    },
  });
  return { sql: counted, count: () => statements };
}

Deno.test("CourierDirectory looks up a thousand couriers at once in a few statements, each for itself", async () => {
  await withIngest(async ({ stores }) => {
    const ids = await Promise.all(
      Array.from({ length: 30 }, () => insertCourier(stores.sql, { status: "busy" })),
    );
    const counted = counting(stores.sql);
    const directory = new CourierDirectory(counted.sql);
    const strangers = Array.from({ length: 970 }, () => crypto.randomUUID());
    const found = await Promise.all([...ids, ...strangers].map((id) => directory.read(id)));
    assert.deepEqual(found.slice(0, 30).map((facts) => facts?.entry.id), ids);
    assert.deepEqual(new Set(found.slice(30)), new Set([undefined]));
    assert.ok(counted.count() <= 6, `${counted.count()} statements`);
    await stores.sql`update couriers set status = 'paused', version = 9 where id = ${ids[0] ?? ""}`;
    assert.equal((await directory.read(ids[0] ?? ""))?.status, "paused", "nothing is remembered");
  });
});

Deno.test("CourierDirectory reads those who were read together again over minutes, and no fix waits", async () => {
  await withIngest(async ({ stores }) => {
    const seed = 20261121;
    console.log(`seed ${seed}`);
    const ids = await Promise.all(
      Array.from({ length: 200 }, () => insertCourier(stores.sql, { status: "available" })),
    );
    const counted = counting(stores.sql);
    let nowMs = 0;
    const directory = new CourierDirectory(counted.sql, {
      now: () => nowMs,
      random: createSeededRandom(seed),
    });
    await Promise.all(ids.map((id) => directory.read(id)));
    await stores.sql`update couriers set vehicle = 'car' where id = any(${ids})`;

    const perMinute: number[] = [];
    let known = 0;
    for (let minute = 1; minute < 10; minute++) {
      nowMs = minute * 60_000;
      const before = counted.count();
      for (const id of ids) assert.ok(directory.peek(id), `waits after ${minute} minutes`);
      // It comes after all that were asked for before.
      await directory.read(crypto.randomUUID());
      assert.ok(counted.count() - before <= 6, "a few statements for all of a minute");
      const anew = ids.filter((id) => directory.peek(id)?.maxSpeedMps === MAX_SPEED_MPS.car).length;
      perMinute.push(anew - known);
      known = anew;
    }
    assert.equal(known, ids.length, `all were read again: ${perMinute}`);
    assert.ok(Math.max(...perMinute) < ids.length / 2, `spread over minutes: ${perMinute}`);
  });
});
