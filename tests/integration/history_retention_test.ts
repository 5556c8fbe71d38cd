import assert from "node:assert/strict";
import { Registry } from "prom-client";
import type { Sql } from "shared/sql/connect.ts";
import { createKeeperMetrics } from "../../services/keeper/metrics.ts";
import { sweepPositions } from "../../services/keeper/sweep_positions.ts";
import { insertCourier, insertRegion } from "../harness/fixtures.ts";
import { withStores } from "../harness/with_stores.ts";

const DAY_MS = 86_400_000;
const RETENTION = { carryingDays: 30, freeDays: 7 };

/** The days that have a partition, as `carrying 2026_03_02`. */
async function daysOf(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select child.relname as name from pg_inherits join pg_class child on child.oid = inhrelid
    where inhparent in ('courier_positions_carrying'::regclass, 'courier_positions_free'::regclass)
      and child.relkind = 'r'
    order by 1`;
  return rows.map(({ name }) => name.replace(/^courier_positions_(carrying|free)_/, "$1 "));
}

function dayName(now: Date, days: number): string {
  return new Date(now.getTime() + days * DAY_MS).toISOString().slice(0, 10).replaceAll("-", "_");
}

async function insertRow(sql: Sql, courierId: string, at: Date, carrying: boolean) {
  await sql`
    insert into courier_positions (recorded_at, courier_id, lat_e7, lon_e7, fixes, kind, carrying)
    values (${at}, ${courierId}, 0, 0, 1, 0, ${carrying})`;
}

async function sweepAt(sql: Sql, now: Date, retention = RETENTION): Promise<void> {
  const metrics = createKeeperMetrics(new Registry());
  await sweepPositions({ sql, metrics, retention, now });
}

Deno.test("sweepPositions() keeps each class for its days, and drops whole days after them", async () => {
  await withStores(async ({ sql }) => {
    await insertRegion(sql);
    const courierId = await insertCourier(sql);
    const now = new Date();
    await insertRow(sql, courierId, now, true);
    await insertRow(sql, courierId, now, false);
    const left = async (days: number) => {
      await sweepAt(sql, new Date(now.getTime() + days * DAY_MS));
      const rows = await sql<{ carrying: boolean }[]>`
        select carrying from courier_positions order by carrying`;
      return rows.map(({ carrying }) => carrying);
    };
    assert.deepEqual(await left(0), [false, true]);
    assert.deepEqual(await left(7), [false, true]);
    assert.deepEqual(await left(8), [true]);
    assert.deepEqual(await left(30), [true]);
    assert.deepEqual(await left(31), []);
    assert.equal((await daysOf(sql)).includes(`free ${dayName(now, 0)}`), false);
  });
});

Deno.test("sweepPositions() makes tomorrow's partitions, both classes, and those of late fixes", async () => {
  await withStores(async ({ sql }) => {
    const now = new Date(Date.UTC(2031, 1, 27, 23, 59, 59));
    for (let turn = 0; turn < 2; turn++) {
      await sweepAt(sql, now);
      const wanted = ["carrying", "free"].flatMap((kept) =>
        [-2, -1, 0, 1, 2, 3].map((days) => `${kept} ${dayName(now, days)}`)
      );
      assert.deepEqual(await daysOf(sql), wanted);
    }
    // A leap of the calendar is a day like others.
    assert.ok((await daysOf(sql)).includes("free 2031_03_01"));
  });
});

Deno.test("sweepPositions() does not make the days that it would drop", async () => {
  await withStores(async ({ sql }) => {
    const now = new Date();
    await sweepAt(sql, now, { carryingDays: 30, freeDays: 1 });
    const days = await daysOf(sql);
    await sweepAt(sql, now, { carryingDays: 30, freeDays: 1 });
    assert.deepEqual(await daysOf(sql), days);
    assert.equal(days.includes(`free ${dayName(now, -2)}`), false);
    assert.equal(days.includes(`free ${dayName(now, -1)}`), true);
  });
});

Deno.test("sweepPositions() waits for a reader only shortly, and drops the day at the next sweep", async () => {
  await withStores(async ({ sql }) => {
    const later = new Date(Date.now() + 40 * DAY_MS);
    const before = (await daysOf(sql)).length;
    await sql.begin(async (tx) => {
      await tx`select 1 from courier_positions limit 1`;
      await assert.rejects(sweepAt(sql, later), /lock timeout/);
      assert.equal((await daysOf(sql)).length, before);
    });
    await sweepAt(sql, later);
    assert.equal((await daysOf(sql)).some((day) => day.endsWith(dayName(new Date(), 0))), false);
  });
});
