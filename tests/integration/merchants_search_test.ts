/** Finding merchants: by place exactly and through the index, by words, by name, page by page. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import type { Tx } from "shared/sql/connect.ts";
import {
  listNearby,
  searchMerchants,
} from "../../services/gateway/stores/merchant_search_store.ts";
import { insertAccount, REGION } from "../harness/fixtures.ts";
import { assertRefused, INVALID } from "../harness/gateway_refusals.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
} from "../harness/gateway_world.ts";
import { openTestStores } from "../harness/stores.ts";

const SEED = 20261121;
const COUNT = 4_000;
/** Distances are worked out twice, here and in Postgres: they may differ by rounding alone. */
const ROUNDING_M = 0.001;

interface Placed extends Point {
  readonly id: string;
  readonly name: string;
}

let world: GatewayWorld;
let accountId: string;
const merchants: Placed[] = [];

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
  const { sql } = world.stores;
  accountId = await insertAccount(sql, "merchant");
  // Dense around a town, sparse elsewhere, and on both sides of the antimeridian.
  const random = (seed: number) => (Math.sin(seed * 12.9898) * 43758.5453) % 1;
  const unit = (seed: number) => Math.abs(random(seed));
  for (let n = 0; n < COUNT; n++) {
    const place = n % 4 === 0
      ? { lat: -17 + unit(n), lon: (n % 8 === 0 ? 179.2 : -180) + unit(n + 0.5) * 0.8 }
      : { lat: 57.7 + random(n) * 0.3, lon: 11.97 + random(n + 0.5) * 0.6 };
    merchants.push({ id: uuidv7(), name: `Place ${String(n).padStart(5, "0")}`, ...place });
  }
  await sql`
    insert into merchants (id, account_id, region, name, category, address, lat, lon,
      preparation_minutes)
    select (m ->> 'id')::uuid, ${accountId}, ${REGION}, m ->> 'name', 'crowd', 'Street',
      (m ->> 'lat')::float8, (m ->> 'lon')::float8, 5
    from jsonb_array_elements(${sql.json(merchants)}) m`;
  const own = await sql<Placed[]>`
    select id, name, lat, lon from merchants where id = ${world.merchant.merchantId}`;
  merchants.push(...own);
  await sql`analyze merchants`;
});
Deno.test.afterAll(() => closeGatewayWorld(world));

/** Everything within the radius by the house's own distance, the nearest first. */
function bruteForce(point: Point, radiusM: number): { id: string; distanceM: number }[] {
  return merchants.map((merchant) => ({ id: merchant.id, distanceM: distanceM(point, merchant) }))
    .filter((found) => found.distanceM <= radiusM)
    .sort((a, b) => a.distanceM - b.distanceM || (a.id < b.id ? -1 : 1));
}

Deno.test("listNearby() finds exactly what a look at every merchant finds, page by page (property)", async () => {
  console.log(`seed ${SEED}`);
  const near = fc.record({
    lat: fc.double({ min: 57.4, max: 58, noNaN: true }),
    lon: fc.double({ min: 11.3, max: 12.6, noNaN: true }),
  });
  const farSide = fc.record({
    lat: fc.double({ min: -17.5, max: -15.5, noNaN: true }),
    lon: fc.constantFrom(-180, 180, 179.99, -179.99),
  });
  const radius = fc.constantFrom(1, 500, 2_000, 10_000, 40_000);
  let found = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(near, farSide),
      radius,
      fc.integer({ min: 3, max: 100 }),
      async (point, radiusM, limit) => {
        const expected = bruteForce(point, radiusM);
        const seen: { id: string; distanceM: number }[] = [];
        let after: { key: number; id: string } | undefined;
        do {
          const page = await listNearby(world.stores.sql, { point, radiusM }, { limit, after });
          for (const { id, distanceM = NaN } of page) seen.push({ id, distanceM });
          const last = page.length === limit ? page.at(-1) : undefined;
          after = last === undefined ? undefined : { key: last.distanceM ?? NaN, id: last.id };
        } while (after !== undefined);
        const isBorder = expected.some((entry) => Math.abs(entry.distanceM - radiusM) < ROUNDING_M);
        if (isBorder) return;
        assert.deepEqual(seen.map(({ id }) => id), expected.map(({ id }) => id));
        for (const [index, entry] of seen.entries()) {
          assert.ok(Math.abs(entry.distanceM - (expected[index]?.distanceM ?? NaN)) < ROUNDING_M);
        }
        found += seen.length;
      },
    ),
    { seed: SEED, numRuns: 40 },
  );
  assert.ok(found > 1_000, `only ${found} merchants were found`);
});

Deno.test("GET /merchants keeps the radius to the metre and refuses one that is out of bounds", async () => {
  const at = { lat: 57.7, lon: 11.9 };
  const ids = async (radiusM: number) => {
    const query = `lat=57.71&lon=11.91&radiusM=${radiusM}&category=soup`;
    const answer = await world.gateway.call("GET", `/api/v1/merchants?${query}`);
    return JSON.parse(answer.text).items.map(({ id }: { id: string }) => id);
  };
  const exactM = distanceM({ lat: 57.71, lon: 11.91 }, at);
  assert.deepEqual(await ids(exactM + 0.01), [world.merchant.merchantId]);
  assert.deepEqual(await ids(exactM - 0.01), []);
  for (
    const query of [
      "lat=57.71&lon=11.91&radiusM=0",
      "lat=57.71&lon=11.91&radiusM=100001",
      "lat=57.71&lon=11.91&radiusM=1e308",
      "lat=57.71&lon=11.91&radiusM=NaN",
      "lat=NaN&lon=11.91",
      "lat=&lon=11.91",
      "lat=181&lon=11.91",
      "lat=57.71&lon=-181",
      "lat=1e308&lon=11.91",
      "lat=0x10&lon=11.91",
      "lat=Infinity&lon=11.91",
      "lat=57.71",
      "radiusM=100",
      "lat=57.71&lon=11.91&colour=red",
      "q=a",
      "q=%20%20",
      `q=${"a".repeat(61)}`,
      "q=soup&cursor=abc",
      "q=%00%00%00",
      "cursor=abc",
      "cursor=!!!",
      "limit=0",
      "category=",
    ]
  ) {
    const answer = await world.gateway.call("GET", `/api/v1/merchants?${query}`);
    assertRefused(answer, INVALID, query);
  }
});

Deno.test("GET /merchants pages by name and by distance with its cursors, and mixes them up with neither", async () => {
  const walk = async (query: string) => {
    const names: string[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < 10; page++) {
      const at: string = cursor === null ? "" : `&cursor=${cursor}`;
      const answer = await world.gateway.call("GET", `/api/v1/merchants?limit=7&${query}${at}`);
      assert.equal(answer.status, 200, answer.text);
      const { items, nextCursor } = JSON.parse(answer.text);
      names.push(...items.map(({ name }: { name: string }) => name));
      cursor = nextCursor;
      if (cursor === null) break;
    }
    return { names, cursor };
  };
  const byName = await walk("category=CROWD");
  assert.equal(byName.names.length, 70);
  assert.deepEqual(byName.names, merchants.slice(0, 70).map(({ name }) => name));
  const byPlace = await walk("lat=57.7&lon=11.97&radiusM=800");
  assert.equal(byPlace.cursor, null);
  assert.equal(byPlace.names.length, bruteForce({ lat: 57.7, lon: 11.97 }, 800).length);
  const mixed = `/api/v1/merchants?lat=57.7&lon=11.97&cursor=${byName.cursor}`;
  assertRefused(await world.gateway.call("GET", mixed), INVALID, "a cursor of another list");
});

/** What a query read of a table: whole scans and looks into an index, within its transaction. */
async function scansOf(tx: Tx, table: string) {
  const [row] = await tx<{ whole: number; index: number }[]>`
    select seq_scan::int as whole, idx_scan::int as index from pg_stat_xact_user_tables
    where relname = ${table}`;
  return row ?? { whole: 0, index: 0 };
}

Deno.test("places and words can be looked up in indexes alone", async () => {
  const { sql } = world.stores;
  const around = { point: { lat: 57.7, lon: 11.97 }, radiusM: 500 };
  for (
    const look of [
      (tx: Tx) => listNearby(tx, around, { limit: 20 }),
      (tx: Tx) => listNearby(tx, { ...around, point: { lat: -16.5, lon: 180 } }, { limit: 20 }),
      (tx: Tx) => searchMerchants(tx, { words: "test kitchen", limit: 20 }),
      (tx: Tx) => searchMerchants(tx, { words: "plaice 00012", around, limit: 20 }),
    ]
  ) {
    await sql.begin(async (tx) => {
      // A few thousand rows are read whole sooner than looked up; this asks whether it could be.
      await tx`set local enable_seqscan = off`;
      const before = await scansOf(tx, "merchants");
      await look(tx);
      const after = await scansOf(tx, "merchants");
      assert.equal(after.whole - before.whole, 0, look.toString());
      assert.ok(after.index > before.index, look.toString());
    });
  }
});

async function search(query: string): Promise<string[]> {
  const answer = await world.gateway.call("GET", `/api/v1/merchants?${query}`);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text).items.map(({ name }: { name: string }) => name);
}

Deno.test("GET /merchants?q= finds names, categories and dishes, parts of them and small misspellings", async () => {
  const { sql } = world.stores;
  const shops = [
    ["Noodle House", "Ramen", ["Tonkotsu", "Miso"]],
    ["Pizzeria Napoli", "Pizza", ["Margherita", "Quattro Formaggi%_\\"]],
    ["Grill 54", "Burgers", ["Margherita burger"]],
    ["Smörgåsbord", "Svensk", ["Köttbullar"]],
  ] as const;
  for (const [name, category, dishes] of shops) {
    const id = uuidv7();
    await sql`
      insert into merchants (id, account_id, region, name, category, address, lat, lon,
        preparation_minutes)
      values (${id}, ${accountId}, ${REGION}, ${name}, ${category}, 'Street', 57.75, 11.85, 5)`;
    for (const dish of dishes) {
      await sql`
        insert into menu_items (id, merchant_id, name, price_minor)
        values (${uuidv7()}, ${id}, ${dish}, 100)`;
    }
  }
  assert.deepEqual(await search("q=noodle"), ["Noodle House"]);
  assert.deepEqual(await search("q=noodel"), ["Noodle House"]);
  assert.deepEqual(await search("q=noodle%20huose"), ["Noodle House"]);
  assert.deepEqual(await search("q=margarita&category=pizza"), ["Pizzeria Napoli"]);
  assert.deepEqual(await search("q=RAMEN"), ["Noodle House"]);
  assert.deepEqual(await search("q=tonkotsu"), ["Noodle House"]);
  assert.deepEqual(await search("q=ttbull"), ["Smörgåsbord"]);
  assert.deepEqual(await search("q=pi"), ["Pizzeria Napoli"]);
  assert.deepEqual((await search("q=margherita")).sort(), ["Grill 54", "Pizzeria Napoli"]);
  assert.deepEqual(await search("q=margherita&category=burgers"), ["Grill 54"]);
  assert.deepEqual(await search("q=noodle&lat=57.75&lon=11.85&radiusM=100"), ["Noodle House"]);
  assert.deepEqual(await search("q=noodle&lat=57.65&lon=11.85&radiusM=100"), []);
  assert.deepEqual(await search("q=noodle&regionId=nowhere"), []);
  // What is special in a pattern is only text here.
  assert.deepEqual(await search("q=formaggi%25_%5C"), ["Pizzeria Napoli"]);
  assert.deepEqual(await search("q=%25%25%25"), []);
  assert.deepEqual(await search("q=___"), []);
  assert.deepEqual(await search("q='%3Bdrop%20table%20merchants%3B--"), []);
});

Deno.test("an archived merchant is found by nothing", async () => {
  const { sql } = world.stores;
  await sql`update merchants set archived_at = clock_timestamp() where name = 'Noodle House'`;
  assert.deepEqual(await search("q=noodle"), []);
  assert.deepEqual(await search("category=ramen"), []);
  assert.deepEqual(await search("lat=57.75&lon=11.85&radiusM=10&category=ramen"), []);
});

Deno.test("GET /categories counts what merchants call themselves, whatever the case of letters", async () => {
  const { sql } = world.stores;
  await sql`update merchants set category = 'PIZZA' where name = 'Grill 54'`;
  const answer = await world.gateway.call("GET", `/api/v1/categories?regionId=${REGION}`);
  assert.deepEqual(
    JSON.parse(answer.text).items.slice(0, 2).map((
      { name, merchants }: { name: string; merchants: number },
    ) => [name.toLowerCase(), merchants]),
    [["crowd", COUNT], ["pizza", 2]],
  );
});
