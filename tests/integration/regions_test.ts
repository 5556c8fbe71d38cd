import assert from "node:assert/strict";
import { silentLog } from "shared/log/log.ts";
import { shardOf } from "shared/redis/keys.ts";
import { forEachPartition } from "shared/regions/partitions.ts";
import { DEFAULT_REGION_POLICY, readRegions, Regions } from "shared/regions/region.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { insertRegion, REGION } from "../harness/fixtures.ts";
import { sqlWith } from "../harness/stand_ins.ts";
import { withStores } from "../harness/with_stores.ts";

const CACHE_MS = 10_000;

/** Work that is told when it begins and ends with its signal. */
function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

Deno.test("readRegions() reads area, bounds and policy", async () => {
  await withStores(async ({ sql }) => {
    await insertRegion(sql);
    const [region] = await readRegions(sql);
    assert.deepEqual(region, {
      id: REGION,
      name: "Testville",
      shards: 1,
      timeZone: "Europe/Stockholm",
      currency: "SEK",
      area: [
        { lat: 57.6, lon: 11.8 },
        { lat: 57.8, lon: 11.8 },
        { lat: 57.8, lon: 12 },
        { lat: 57.6, lon: 12 },
      ],
      bounds: { south: 57.6, west: 11.8, north: 57.8, east: 12 },
      policy: DEFAULT_REGION_POLICY,
      policyVersion: 1,
    });
  });
});

Deno.test("Regions finds the region that serves a place, and none outside", async () => {
  await withStores(async ({ sql }) => {
    await insertRegion(sql);
    const regions = new Regions(sql);
    assert.equal((await regions.findServing({ lat: 57.7, lon: 11.9 }))?.id, REGION);
    assert.equal(await regions.findServing({ lat: 57.81, lon: 11.9 }), undefined);
    assert.equal((await regions.find(REGION))?.name, "Testville");
    assert.equal(await regions.find("elsewhere"), undefined);
  });
});

Deno.test("Regions remembers for 10 s, and never a failure", async () => {
  await withStores(async ({ sql }) => {
    await insertRegion(sql);
    let reads = 0;
    const counted = sqlWith(sql, /from regions/, () => {
      if (++reads === 1) throw new Error("Postgres is away");
    });
    let nowMs = 0;
    const regions = new Regions(counted, () => nowMs);
    await assert.rejects(regions.all(), /Postgres is away/);
    assert.equal((await regions.all()).length, 1);
    nowMs = CACHE_MS - 1;
    await Promise.all([regions.all(), regions.all()]);
    assert.equal(reads, 2);
    await insertRegion(sql, "second");
    nowMs = CACHE_MS;
    assert.deepEqual((await regions.all()).map(({ id }) => id), ["second", REGION]);
    assert.equal(reads, 3);
  });
});

Deno.test("Regions still knows the others when the policy of one is not valid", async () => {
  await withStores(async ({ sql }) => {
    await insertRegion(sql);
    await insertRegion(sql, "broken");
    await sql`update regions set policy = '{"dispatch": {}}' where id = 'broken'`;
    assert.deepEqual((await new Regions(sql).all()).map(({ id }) => id), [REGION]);
  });
});

Deno.test("forEachPartition() works on each shard of each region once, and on regions added later", async () => {
  await withStores(async ({ sql }) => {
    await using background = new Background();
    const begun: string[] = [];
    let running = 0;
    background.run((signal) =>
      forEachPartition({ sql, log: silentLog, signal }, async ({ partition, region, shard }) => {
        assert.equal(partition, `${region.id}:${shard}`);
        begun.push(partition);
        running++;
        await untilAborted(signal);
        running--;
      })
    );
    // In one statement: the next look at what was found already is 10 s away.
    await sql`
      insert into regions (id, name, shards, time_zone, currency, area, policy)
      values (${REGION}, 'Testville', 3, 'Europe/Stockholm', 'SEK',
        ${sql.json([[57.6, 11.8], [57.8, 11.8], [57.8, 12]])}, ${sql.json(DEFAULT_REGION_POLICY)})`;
    await eventually("all shards are worked on", () => begun.length === 3);
    assert.deepEqual(begun, [`${REGION}:0`, `${REGION}:1`, `${REGION}:2`]);
    await background.stop();
    assert.equal(running, 0, "it resolves after all work has ended");
  });
});

Deno.test("forEachPartition() goes on with the others when the work of one fails", async () => {
  await withStores(async ({ sql }) => {
    await insertRegion(sql);
    await insertRegion(sql, "second");
    await using background = new Background();
    const begun: string[] = [];
    background.run((signal) =>
      forEachPartition({ sql, log: silentLog, signal }, async ({ region }) => {
        begun.push(region.id);
        if (region.id === "second") throw new Error("no work today");
        await untilAborted(signal);
      })
    );
    await eventually("both have begun", () => begun.length === 2);
    assert.deepEqual(begun.sort(), ["second", REGION]);
  });
});

Deno.test("shardOf() gives an id the same shard for ever, and spreads ids evenly", () => {
  assert.equal(shardOf("01a1fb76-f55f-700c-a9ef-6f97c232d951", 1), 0);
  const shards = Array.from({ length: 8_000 }, () => shardOf(crypto.randomUUID(), 8));
  const counts = Array.from({ length: 8 }, (_, at) => shards.filter((one) => one === at).length);
  for (const count of counts) assert.ok(count > 800 && count < 1_200, counts.join(" "));
});
