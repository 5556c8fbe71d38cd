/** Where couriers were, over HTTP: who may see it, in which form, and what it amounts to. */
import assert from "node:assert/strict";
import { insertApiKey } from "shared/auth/api_keys.ts";
import { destination, distanceM } from "shared/geo/distance.ts";
import { kindNumber, type PositionKind } from "shared/history/position_kind.ts";
import { newOrder } from "../harness/dispatch_world.ts";
import { insertMerchant } from "../harness/fixtures.ts";
import { type Answer, fieldsOf } from "../harness/gateway_app.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  newCourier,
  type Person,
} from "../harness/gateway_world.ts";
import { openTestStores } from "../harness/stores.ts";
import { parseXml } from "../harness/xml.ts";

const START = { lat: 57.7, lon: 11.95 };
const NOW_MS = Date.now();

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

interface Row {
  readonly agoS: number;
  readonly eastM?: number;
  readonly kind?: PositionKind;
  readonly speedMps?: number;
}

/** Rows as the history has them, at seconds before now. */
async function insertRows(courierId: string, rows: readonly Row[]): Promise<void> {
  for (const { agoS, eastM = 0, kind = "usual", speedMps } of rows) {
    const { lat, lon } = destination(START, 90, eastM);
    await world.stores.sql`
      insert into courier_positions (recorded_at, courier_id, lat_e7, lon_e7, accuracy_m,
        speed_cmps, fixes, kind, carrying)
      values (${new Date(NOW_MS - agoS * 1_000)}, ${courierId}, ${Math.round(lat * 1e7)},
        ${Math.round(lon * 1e7)}, 5, ${speedMps === undefined ? null : speedMps * 100}, 3,
        ${kindNumber(kind)}, true)`;
  }
}

async function assigned(orderId: string, courierId: string, fromAgoS: number, toAgoS?: number) {
  const at = (agoS: number) => new Date(NOW_MS - agoS * 1_000);
  await world.stores.sql`
    insert into assignments (id, order_id, courier_id, created_at, ended_at, end_reason)
    values (gen_random_uuid(), ${orderId}, ${courierId}, ${at(fromAgoS)},
      ${toAgoS === undefined ? null : at(toAgoS)}, ${toAgoS === undefined ? null : "delivered"})`;
}

async function get(by: { token: string }, path: string, accept?: string): Promise<Answer> {
  const headers = accept === undefined ? {} : { accept };
  return await world.gateway.call("GET", path, { token: by.token, headers });
}

/** The seconds before now of the positions in an answer. */
function seconds(answer: Answer): number[] {
  assert.equal(answer.status, 200, answer.text);
  const { items } = JSON.parse(answer.text) as { items: { recordedAt: string }[] };
  return items.map(({ recordedAt }) => (NOW_MS - Date.parse(recordedAt)) / 1_000);
}

/** An order that a courier had from 100 to 40 s ago, with rows before, while and after. */
async function carried(): Promise<{ orderId: string; courier: Person }> {
  const orderId = await newOrder(world.dispatch);
  const courier = await newCourier(world);
  await assigned(orderId, courier.accountId, 100, 40);
  const agos = [130, 120, 99, 80, 60, 41, 39, 20];
  await insertRows(courier.accountId, agos.map((agoS) => ({ agoS, eastM: (130 - agoS) * 5 })));
  return { orderId, courier };
}

Deno.test("the parties of an order see where its courier was while it had the order, others nothing", async () => {
  const { orderId, courier } = await carried();
  const { gateway } = world;
  const path = `/api/v1/orders/${orderId}/locations`;
  const parties = [
    world.customer,
    world.merchant,
    courier,
    await gateway.signIn("dispatcher"),
    await gateway.signIn("admin"),
  ];
  for (const party of parties) assert.deepEqual(seconds(await get(party, path)), [99, 80, 60, 41]);
  const { accountId } = await insertMerchant(world.stores.sql);
  const strangers = [
    await gateway.signIn("customer"),
    await newCourier(world),
    { token: await gateway.tokenOf(accountId) },
  ];
  for (const suffix of ["locations", "trip"]) {
    for (const { token } of strangers) {
      const answer = await get({ token }, `/api/v1/orders/${orderId}/${suffix}`);
      assert.deepEqual([answer.status, answer.json?.["code"]], [404, "order.not_found"]);
    }
  }
  assert.equal((await gateway.call("GET", path)).status, 401);
  assert.ok(!gateway.logLines.some((line) => line.includes("57.7")), "no place is in a log");
});

Deno.test("an order that two couriers had shows the part of each, and to a courier its own", async () => {
  const orderId = await newOrder(world.dispatch);
  const [first, second] = [await newCourier(world), await newCourier(world)];
  await assigned(orderId, first.accountId, 200, 150);
  await world.stores.sql`
    update assignments set end_reason = 'unassigned' where courier_id = ${first.accountId}`;
  await assigned(orderId, second.accountId, 100);
  await insertRows(first.accountId, [190, 160, 90].map((agoS) => ({ agoS })));
  await insertRows(second.accountId, [180, 95, 10].map((agoS) => ({ agoS, eastM: 2_000 })));
  const path = `/api/v1/orders/${orderId}/locations`;
  assert.deepEqual(seconds(await get(world.customer, path)), [190, 160, 95, 10]);
  assert.deepEqual(seconds(await get(second, path)), [95, 10]);
  assert.equal((await get(first, path)).status, 404, "as when it reads the order");
  const geo = JSON.parse((await get(world.customer, `${path}?format=geojson`)).text);
  assert.equal(geo.features.length, 2);
  const trip = await get(world.customer, `/api/v1/orders/${orderId}/trip`);
  assert.deepEqual([trip.json?.["distanceM"], trip.json?.["positions"]], [0, 4]);
});

Deno.test("a courier's way is for the courier itself, dispatchers and admins, and only live", async () => {
  const { gateway, stores } = world;
  const { courier } = await carried();
  const to = new Date(NOW_MS + 1_000).toISOString();
  const from = new Date(NOW_MS - 3_600_000).toISOString();
  const path = `/api/v1/couriers/${courier.accountId}/locations?from=${from}&to=${to}`;
  const dispatcher = await gateway.signIn("dispatcher");
  for (const by of [courier, dispatcher, await gateway.signIn("admin")]) {
    assert.equal(seconds(await get(by, path)).length, 8);
  }
  const looked = await stores.sql<{ actor: string }[]>`
    select actor_account_id as actor from audit_log
    where action = 'courier.positions_read' and subject_id = ${courier.accountId} order by id`;
  assert.equal(looked.length, 2, "the dispatcher and the admin, and not the courier itself");
  assert.equal(looked[0]?.actor, dispatcher.accountId);
  const other = await newCourier(world);
  assert.equal((await get(other, path)).json?.["code"], "courier.not_found");
  assert.equal((await get(world.customer, path)).status, 403);
  assert.equal((await get(world.merchant, path)).status, 403);
  const keyOf = async (mode: "live" | "test") => {
    const { accountId } = dispatcher;
    const scopes = ["couriers:read" as const, "orders:read" as const];
    return { token: (await insertApiKey(stores.sql, { accountId, name: "k", mode, scopes })).text };
  };
  assert.equal((await get(await keyOf("live"), path)).status, 200);
  assert.equal((await get(await keyOf("test"), path)).json?.["code"], "courier.not_found");
  const nobody = path.replace(courier.accountId, world.customer.accountId);
  assert.equal((await get(dispatcher, nobody)).json?.["code"], "courier.not_found");
  const day = new Date(NOW_MS).toLocaleDateString("sv", { timeZone: "Europe/Stockholm" });
  const trip = `/api/v1/couriers/${courier.accountId}/trip?day=`;
  assert.equal((await get(other, trip + day)).json?.["code"], "courier.not_found");
  const mine = await get(courier, trip + day);
  // Right after midnight some rows are of the day before.
  assert.ok(Number(mine.json?.["positions"]) <= 8, mine.text);
  assert.equal((await get(courier, `${trip}2020-01-01`)).json?.["positions"], 0);
});

Deno.test("an order of test mode and its track are not there for who is live, and the other way", async () => {
  const { gateway, stores } = world;
  const { orderId } = await carried();
  const { accountId } = world.customer;
  const scopes = ["orders:read" as const];
  const key = await insertApiKey(stores.sql, { accountId, name: "k", mode: "test", scopes });
  const path = `/api/v1/orders/${orderId}/locations`;
  assert.equal((await gateway.call("GET", path, { token: key.text })).status, 404);
  await stores.sql`update orders set mode = 'test' where id = ${orderId}`;
  assert.equal((await get(world.customer, path)).status, 404);
});

Deno.test("a range names its bounds: after from, at most 7 days", async () => {
  const courier = await newCourier(world);
  const ask = async (from: string, to: string) =>
    await get(courier, `/api/v1/couriers/${courier.accountId}/locations?from=${from}&to=${to}`);
  const from = "2026-03-01T00:00:00.000Z";
  assert.deepEqual(fieldsOf(await ask(from, "2026-03-08T00:00:00.001Z")), [
    "to must be at most 7 days after from",
  ]);
  assert.deepEqual(fieldsOf(await ask(from, from)), ["to must be after from"]);
  assert.equal((await ask(from, "2026-03-08T00:00:00.000Z")).status, 200);
  assert.equal((await ask("0000-01-01T00:00:00Z", "0000-01-02T00:00:00Z")).status, 200);
  const day = await get(courier, `/api/v1/couriers/${courier.accountId}/trip?day=0000-01-01`);
  assert.deepEqual(fieldsOf(day), ["day must be >= 1970-01-01"]);
});

Deno.test("what is not believed is left out unless it is asked for, and a moment stands once", async () => {
  const { orderId, courier } = await carried();
  await insertRows(courier.accountId, [
    { agoS: 90, kind: "late" },
    { agoS: 85, kind: "low_accuracy" },
    { agoS: 70, kind: "jump", eastM: 90_000 },
  ]);
  // The same fix, sampled before and after its courier was known to carry.
  await world.stores.sql`
    insert into courier_positions select recorded_at, courier_id, lat_e7, lon_e7, accuracy_m,
      heading_deg, speed_cmps, fixes, kind, false
    from courier_positions where courier_id = ${courier.accountId} and kind = 0`;
  const path = `/api/v1/orders/${orderId}/locations`;
  assert.deepEqual(seconds(await get(world.customer, path)), [99, 90, 80, 60, 41]);
  const all = await get(world.customer, `${path}?include=all`);
  assert.deepEqual(seconds(all), [99, 90, 85, 80, 70, 60, 41]);
  const kinds = JSON.parse(all.text).items.map(({ kind }: { kind: string }) => kind);
  assert.deepEqual(kinds.slice(0, 5), ["usual", "late", "low_accuracy", "usual", "jump"]);
  const trip = await get(world.customer, `/api/v1/orders/${orderId}/trip`);
  assert.ok(Number(trip.json?.["distanceM"]) < 1_000, trip.text);
});

Deno.test("pages follow one another without a gap, in every format, by cursor or by Link", async () => {
  const orderId = await newOrder(world.dispatch);
  const [first, second] = [await newCourier(world), await newCourier(world)];
  await assigned(orderId, first.accountId, 200, 150);
  await assigned(orderId, second.accountId, 150);
  const agos = Array.from({ length: 19 }, (_, index) => 195 - index * 10);
  await insertRows(first.accountId, agos.filter((s) => s > 150).map((agoS) => ({ agoS })));
  await insertRows(second.accountId, agos.filter((s) => s < 150).map((agoS) => ({ agoS })));
  for (const limit of [1, 4, 5, 19, 20]) {
    const seen: number[] = [];
    let path = `/api/v1/orders/${orderId}/locations?limit=${limit}`;
    for (let page = 0; page < 25; page++) {
      const answer = await get(world.customer, path);
      seen.push(...seconds(answer));
      const { nextCursor } = JSON.parse(answer.text) as { nextCursor: string | null };
      const link = answer.headers.get("link");
      assert.equal(link === null, nextCursor === null);
      if (link === null) break;
      path = /^<([^>]+)>; rel="next"$/.exec(link)?.[1] ?? "";
    }
    assert.deepEqual(seen, agos, `limit ${limit}`);
  }
  const path = `/api/v1/orders/${orderId}/locations`;
  const csv = await get(world.customer, `${path}?format=csv&limit=7`);
  const next = /<([^>]+)>/.exec(csv.headers.get("link") ?? "")?.[1] ?? "";
  const rest = await get(world.customer, `${next}`.replace("limit=7", "limit=100"));
  assert.equal(csv.text.trimEnd().split("\r\n").length - 1, 7);
  assert.equal(rest.text.trimEnd().split("\r\n").length - 1, 12);
  const { orderId: other } = await carried();
  const cursor = new URL(`http://x${next}`).searchParams.get("cursor");
  const foreign = await get(world.customer, `/api/v1/orders/${other}/locations?cursor=${cursor}`);
  assert.deepEqual(fieldsOf(foreign), ["cursor must be a nextCursor of this list"]);
});

Deno.test("every format says the same places at the same times", async () => {
  const { orderId, courier } = await carried();
  await insertRows(courier.accountId, [{ agoS: 50, eastM: 400, speedMps: 5.4 }]);
  const path = `/api/v1/orders/${orderId}/locations`;
  const json = JSON.parse((await get(world.customer, path)).text) as {
    items: { lat: number; lon: number; recordedAt: string; speedMps?: number }[];
  };
  const wanted = json.items.map(({ lat, lon, recordedAt }) => ({ lat, lon, recordedAt }));
  assert.equal(wanted.length, 5);
  assert.deepEqual(json.items.map(({ speedMps }) => speedMps), [
    undefined,
    undefined,
    undefined,
    5.4,
    undefined,
  ]);

  const geo = await get(world.customer, path, "text/html, application/geo+json;q=0.9");
  assert.equal(geo.headers.get("content-type"), "application/geo+json");
  assert.equal(geo.headers.get("vary"), "Accept");
  const [feature] = JSON.parse(geo.text).features;
  assert.deepEqual(
    feature.geometry.coordinates.map(([lon, lat]: [number, number], index: number) => ({
      lat,
      lon,
      recordedAt: feature.properties.coordTimes[index],
    })),
    wanted,
  );

  const gpx = await get(world.customer, `${path}?format=gpx`, "text/csv");
  assert.equal(gpx.headers.get("content-type"), "application/gpx+xml");
  const root = parseXml(gpx.text);
  assert.deepEqual(root.attributes, {
    version: "1.1",
    creator: "Hexmile",
    xmlns: "http://www.topografix.com/GPX/1/1",
  });
  const track = root.children[0];
  assert.deepEqual(track?.children.map(({ name }) => name), ["name", "trkseg"]);
  assert.equal(track?.children[0]?.text, `order ${orderId}`);
  const points = track?.children[1]?.children.map(({ name, attributes, children }) => {
    assert.deepEqual([name, children.map((child) => child.name)], ["trkpt", ["time"]]);
    const recordedAt = children[0]?.text;
    return { lat: Number(attributes["lat"]), lon: Number(attributes["lon"]), recordedAt };
  });
  assert.deepEqual(points, wanted);

  const csv = await get(world.customer, path, "text/csv");
  assert.equal(csv.headers.get("content-type"), "text/csv; charset=utf-8");
  assert.match(csv.headers.get("content-disposition") ?? "", /filename="order-[0-9a-f-]+\.csv"/);
  const [head, ...lines] = csv.text.split("\r\n").slice(0, -1).map((line) => line.split(","));
  const cell = (line: string[], column: string) => line[head?.indexOf(column) ?? -1];
  assert.deepEqual(
    lines.map((line) => ({
      lat: Number(cell(line, "lat")),
      lon: Number(cell(line, "lon")),
      recordedAt: cell(line, "recordedAt"),
    })),
    wanted,
  );
});

Deno.test("a trip has its way, times, speeds and stops; one that left nothing has none", async () => {
  const orderId = await newOrder(world.dispatch);
  const path = `/api/v1/orders/${orderId}/trip`;
  const nothing = JSON.parse((await get(world.customer, path)).text);
  assert.deepEqual(nothing, {
    startedAt: null,
    endedAt: null,
    start: null,
    end: null,
    distanceM: 0,
    movingS: 0,
    standingS: 0,
    silentS: 0,
    averageSpeedMps: null,
    maxSpeedMps: null,
    stops: 0,
    positions: 0,
  });
  const courier = await newCourier(world);
  await assigned(orderId, courier.accountId, 1_000);
  const places = [[900, 0], [890, 60], [880, 140], [850, 140], [800, 145], [790, 220], [780, 300]];
  await insertRows(courier.accountId, places.map(([agoS = 0, eastM = 0]) => ({ agoS, eastM })));
  const trip = JSON.parse((await get(world.customer, path)).text);
  const iso = (agoS: number) => new Date(NOW_MS - agoS * 1_000).toISOString();
  assert.deepEqual([trip.startedAt, trip.endedAt], [iso(900), iso(780)]);
  assert.deepEqual([trip.movingS, trip.standingS, trip.stops, trip.positions], [40, 80, 1, 7]);
  assert.ok(Math.abs(trip.distanceM - 295) <= 1, `${trip.distanceM}`);
  assert.ok(Math.abs(trip.averageSpeedMps - 295 / 40) < 0.05, `${trip.averageSpeedMps}`);
  assert.ok(Math.abs(trip.maxSpeedMps - 8) < 0.05, `${trip.maxSpeedMps}`);
  assert.ok(distanceM(trip.end, destination(START, 90, 300)) < 1);
});
