/** Zones: what admins may draw, and what orders cost in them. */
import assert from "node:assert/strict";
import { REGION } from "../harness/fixtures.ts";
import type { Answer } from "../harness/gateway_app.ts";
import { assertRefused, type Expected, INVALID, invalid } from "../harness/gateway_refusals.ts";
import {
  ask,
  closeGatewayWorld,
  createGatewayWorld,
  DROPOFF,
  type GatewayWorld,
  parcelOrder,
  type Person,
  place,
  soupOrder,
} from "../harness/gateway_world.ts";
import { Zones } from "../../services/gateway/zones.ts";
import { everything } from "../harness/order_facts.ts";
import { openTestStores } from "../harness/stores.ts";

const PATH = "/api/v1/admin/zones";
/** Around the dropoff of the tests and not around the pickup. */
const RING = [
  { lat: 57.705, lon: 11.905 },
  { lat: 57.705, lon: 11.915 },
  { lat: 57.715, lon: 11.915 },
  { lat: 57.715, lon: 11.905 },
];
/** At every hour of every day. */
const ALWAYS = [1, 2, 3, 4, 5, 6, 7].map((day) => ({
  label: "Always",
  day,
  opens: "00:00",
  closes: "24:00",
  multiplierPercent: 150,
}));

let world: GatewayWorld;
let admin: Person;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
  admin = await world.gateway.signIn("admin");
});
Deno.test.afterAll(() => closeGatewayWorld(world));

function zone(changes: Record<string, unknown> = {}) {
  return { regionId: REGION, name: "Harbour", ring: RING, fees: {}, ...changes };
}

async function create(changes: Record<string, unknown> = {}): Promise<string> {
  return String((await ask(world, admin, "POST", PATH, zone(changes))).json?.["id"]);
}

async function refuses(
  method: string,
  path: string,
  body: unknown,
  expected: Expected,
  by: Person = admin,
): Promise<Answer> {
  const before = await everything(world.stores.sql);
  const answer = await world.gateway.call(method, path, { token: by.token, body });
  assertRefused(answer, expected, `${method} ${path} ${JSON.stringify(body)?.slice(0, 200)}`);
  assert.deepEqual(await everything(world.stores.sql), before);
  return answer;
}

/** The parts of an order that is placed now, as `kind amount`. */
async function partsOf(order: unknown): Promise<string[]> {
  const answer = await place(world, order);
  assert.equal(answer.status, 201, answer.text);
  const { price, priceMinor } = JSON.parse(answer.text);
  const sum = price.parts.reduce(
    (total: number, part: { amountMinor: number }) => total + part.amountMinor,
    0,
  );
  assert.deepEqual([price.totalMinor, priceMinor.total], [sum, sum]);
  return price.parts.map(({ kind, amountMinor }: { kind: string; amountMinor: number }) =>
    `${kind} ${amountMinor}`
  );
}

Deno.test("a zone is added, read, written anew and removed by an admin, and its changes are audited", async () => {
  const closed = [...RING, ...RING.slice(0, 1)];
  const answer = await ask(world, admin, "POST", PATH, zone({ ring: closed, priority: 3 }));
  assert.equal(answer.status, 201);
  const { id, createdAt: _created, updatedAt: _updated, ...rest } = JSON.parse(answer.text);
  assert.deepEqual(rest, {
    regionId: REGION,
    name: "Harbour",
    ring: RING,
    priority: 3,
    fees: { baseMinor: null, perKmMinor: null, surchargeMinor: 0, minBasketMinor: 0, peaks: [] },
  });
  const { regionId: _regionId, ...values } = zone({ name: "Port", fees: { baseMinor: 500 } });
  const replaced = await ask(world, admin, "PUT", `${PATH}/${id}`, values);
  assert.deepEqual(
    [replaced.json?.["name"], replaced.json?.["priority"], replaced.json?.["fees"]?.["baseMinor"]],
    ["Port", 0, 500],
  );
  const read = await ask(world, admin, "GET", `${PATH}/${id}`);
  assert.deepEqual(JSON.parse(read.text), JSON.parse(replaced.text));
  const list = await ask(world, admin, "GET", `${PATH}?regionId=${REGION}`);
  assert.deepEqual(JSON.parse(list.text).items, [JSON.parse(read.text)]);
  assert.equal((await ask(world, admin, "DELETE", `${PATH}/${id}`)).status, 204);
  for (const [method, body] of [["GET"], ["PUT", values], ["DELETE"]] as const) {
    await refuses(method, `${PATH}/${id}`, body, { status: 404, code: "zone.not_found" });
  }
  const entries = await world.stores.sql`
    select action, actor_account_id from audit_log where subject_id = ${id} order by id`;
  assert.deepEqual(entries.map((entry) => entry["action"]).sort(), [
    "zone.created",
    "zone.removed",
    "zone.replaced",
  ]);
  assert.ok(entries.every((entry) => entry["actorAccountId"] === admin.accountId));
});

Deno.test("nobody but an admin sees or writes zones", async () => {
  const id = await create();
  const dispatcher = await world.gateway.signIn("dispatcher");
  const forbidden = { status: 403, code: "auth.forbidden" };
  for (const by of [world.customer, world.merchant, dispatcher]) {
    await refuses("GET", `${PATH}?regionId=${REGION}`, undefined, forbidden, by);
    await refuses("POST", PATH, zone(), forbidden, by);
    await refuses("GET", `${PATH}/${id}`, undefined, forbidden, by);
    await refuses("PUT", `${PATH}/${id}`, zone(), forbidden, by);
    await refuses("DELETE", `${PATH}/${id}`, undefined, forbidden, by);
  }
  await ask(world, admin, "DELETE", `${PATH}/${id}`);
});

Deno.test("polygons that are none, cross themselves or leave the region are refused with point and bound", async () => {
  const [a, b, c, d] = RING;
  const bounds = "must be inside the bounds of Testville: lat 57.6 to 57.8, lon 11.8 to 12";
  const cases: [unknown, Expected][] = [
    [[], invalid("ring must be >= 3 entries")],
    [[a, b], invalid("ring must be >= 3 entries")],
    [[a, b, a], invalid("ring must have >= 3 different points")],
    [[a, b, c, b], invalid("ring.3 must not repeat a point")],
    [[a, c, b, d], invalid("ring.2 must begin an edge that does not touch the one from ring.0")],
    [[a, b, { lat: 57.9, lon: 11.91 }], invalid(`ring.2 ${bounds}`)],
    [[a, b, { lat: 57.71, lon: -11.91 }], invalid(`ring.2 ${bounds}`)],
    [[a, b, { lat: 181, lon: 11.9 }], invalid("ring.2.lat must be <= 85.05112878")],
    [[a, b, { lat: 57.7, lon: 181 }], invalid("ring.2.lon must be <= 180")],
    [[a, b, { lat: 1e308, lon: 11.9 }], INVALID],
    [[a, b, { lat: null, lon: 11.9 }], invalid("ring.2.lat must be number")],
    [[a, b, { ...c, alt: 5 }], invalid("ring.2.alt is not a known field")],
    [Array(501).fill(a), invalid("ring must be <= 500 entries")],
    [{ type: "Polygon", coordinates: [] }, INVALID],
  ];
  const id = await create();
  for (const [ring, expected] of cases) {
    await refuses("POST", PATH, zone({ ring }), expected);
    await refuses("PUT", `${PATH}/${id}`, { name: "Harbour", ring, fees: {} }, expected);
  }
  await ask(world, admin, "DELETE", `${PATH}/${id}`);
});

Deno.test("fees that are no money, unknown fields and unknown regions are refused", async () => {
  const peak = { label: "Peak", day: 5, opens: "17:00", closes: "20:00" };
  const cases: [Record<string, unknown>, Expected][] = [
    [{ fees: { baseMinor: -1 } }, invalid("fees.baseMinor must be >= 0")],
    [{ fees: { perKmMinor: 0.5 } }, INVALID],
    [{ fees: { surchargeMinor: 1e308 } }, INVALID],
    [{ fees: { minBasketMinor: 1_000_001 } }, invalid("fees.minBasketMinor must be <= 1000000")],
    [{ fees: { discountMinor: 5 } }, invalid("fees.discountMinor is not a known field")],
    [
      { fees: { peaks: [{ ...peak, multiplierPercent: 50 }] } },
      invalid(
        "fees.peaks.0.multiplierPercent must be >= 100",
      ),
    ],
    [{ fees: { peaks: [{ ...peak, day: 0 }] } }, invalid("fees.peaks.0.day must be >= 1")],
    [{ fees: { peaks: Array(51).fill(peak) } }, invalid("fees.peaks must be <= 50 entries")],
    [{ fees: null }, INVALID],
    [{ priority: 1e9 }, invalid("priority must be <= 1000")],
    [{ colour: "red" }, invalid("colour is not a known field")],
    [{ regionId: "nowhere" }, { status: 404, code: "region.not_found" }],
  ];
  for (const [change, expected] of cases) await refuses("POST", PATH, zone(change), expected);
  const missing = { status: 404, code: "region.not_found" };
  await refuses("GET", `${PATH}?regionId=nowhere`, undefined, missing);
});

Deno.test("an order is priced by the zone of its dropoff, and the parts are its total", async () => {
  assert.deepEqual(await partsOf(soupOrder(world)), [
    "items 19000",
    "delivery_base 299",
    "distance 63",
  ]);
  const fees = { baseMinor: 1_000, perKmMinor: 200, surchargeMinor: 250, minBasketMinor: 20_000 };
  const id = await create({ fees });
  assert.deepEqual(await partsOf(soupOrder(world, { tipMinor: 10 })), [
    "items 19000",
    "delivery_base 1000",
    "distance 252",
    "zone 250",
    "small_basket 1000",
    "tip 10",
  ]);
  assert.deepEqual(await partsOf(parcelOrder()), [
    "delivery_base 1000",
    "distance 252",
    "zone 250",
  ]);
  // The other way round it leaves the zone.
  assert.deepEqual(
    await partsOf({ kind: "parcel", pickup: DROPOFF, dropoff: { lat: 57.7, lon: 11.9 } }),
    [
      "delivery_base 299",
      "distance 63",
    ],
  );
  const above = await create({ name: "Pier", priority: 1, fees: { peaks: ALWAYS } });
  assert.deepEqual(await partsOf(parcelOrder()), ["delivery_base 299", "distance 63", "peak 181"]);
  for (const zoneId of [id, above]) await ask(world, admin, "DELETE", `${PATH}/${zoneId}`);
  assert.deepEqual(await partsOf(parcelOrder()), ["delivery_base 299", "distance 63"]);
});

Deno.test("another process prices by a changed zone within 10 s, and asks Postgres no more often", async () => {
  let nowMs = 0;
  const zones = new Zones(world.stores.sql, () => nowMs);
  assert.deepEqual(await zones.of(REGION), []);
  const id = await create();
  nowMs = 9_999;
  assert.deepEqual(await zones.of(REGION), []);
  nowMs = 10_000;
  assert.deepEqual((await zones.of(REGION)).map((entry) => entry.id), [id]);
  await ask(world, admin, "DELETE", `${PATH}/${id}`);
  assert.equal((await zones.of(REGION)).length, 1);
  zones.forget(REGION);
  assert.deepEqual(await zones.of(REGION), []);
});

Deno.test("a region has at most 200 zones, also when they are added at once", async () => {
  const { sql } = world.stores;
  await sql`
    insert into zones (id, region, name, ring, fees)
    select gen_random_uuid(), ${REGION}, 'Zone ' || n,
      ${sql.json([[57.61, 11.81], [57.61, 11.82], [57.62, 11.82]])}, '{}'
    from generate_series(1, 199 - (select count(*)::int from zones)) n`;
  const post = () =>
    world.gateway.call("POST", PATH, { token: admin.token, body: zone({ name: "One more" }) });
  const answers = await Promise.all([post(), post(), post()]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409]);
  await refuses("POST", PATH, zone(), { status: 409, code: "catalogue.full" });
});
