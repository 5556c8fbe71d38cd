/** Batches, and the phone apps of others. */
import assert from "node:assert/strict";
import { insertApiKey } from "shared/auth/api_keys.ts";
import { MAX_INDEXABLE_LAT } from "shared/geo/point.ts";
import { fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { type Answer, type Ingest, LOCATIONS_URL, withIngest } from "../harness/ingest_world.ts";
import type { TestStores } from "../harness/stores.ts";

const OWNTRACKS_URL = "http://ingest.test/api/v1/devices/owntracks";
const OSMAND_URL = "http://ingest.test/api/v1/devices/osmand";

async function deviceKey({ sql }: TestStores, courierId: string): Promise<string> {
  const scopes = ["positions:write"] as const;
  const key = { accountId: courierId, name: "phone", mode: "live", scopes } as const;
  return (await insertApiKey(sql, key)).text;
}

function codeOf(answer: Answer): [number, unknown] {
  return [answer.status, answer.body["code"]];
}

Deno.test("POST locations answers each point for itself, in the order sent", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const id = await insertCourier(stores.sql);
    const token = await ingest.token(id);
    const newest = fixAt(northOfPickup(90), 1_000);
    const answer = await ingest.postMany(token, [
      fixAt(northOfPickup(50), 5_000),
      newest,
      fixAt(northOfPickup(20), 9_000),
      newest,
      { ...fixAt(PICKUP), lat: 90 },
      { ...fixAt(northOfPickup(70), 3_000), accuracyM: 300 },
      fixAt({ lat: 0, lon: 0 }, 2_000),
      "junk",
      fixAt(northOfPickup(8_000), 500),
    ]);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body["results"], [
      "accepted",
      "accepted",
      "accepted",
      "duplicate",
      "malformed",
      "low_accuracy",
      "outside_region",
      "malformed",
      "jump",
    ]);
    assert.equal(answer.body["accepted"], 6);
    assert.deepEqual(answer.body["errors"], [
      { field: "positions.4.lat", bound: `must be <= ${MAX_INDEXABLE_LAT}`, value: 90 },
      { field: "positions.7.body", bound: "must be object", value: "junk" },
    ]);
    assert.equal((await index.latest(id))?.recordedAtMs, newest.recordedAtMs);
    assert.equal(await ingest.counted("accepted"), 3);
  });
});

Deno.test("POST locations takes 1 to 100 points in 64 KB, and says which bound was broken", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const token = await ingest.token(await insertCourier(stores.sql));
    const points = (count: number) =>
      Array.from({ length: count }, (_, at) => fixAt(northOfPickup(at), 30_000 - at * 100));
    assert.equal((await ingest.postMany(token, points(100))).body["accepted"], 100);
    for (const body of [{ positions: [] }, { positions: points(101) }, {}, [], { positions: 1 }]) {
      const answer = await ingest.post(token, body, LOCATIONS_URL);
      assert.deepEqual(codeOf(answer), [422, "request.invalid"]);
      const [error] = answer.body["errors"] as { field: string; bound: string }[];
      assert.equal(error?.bound, "must be a list of 1 to 100 positions");
    }
    const onlyBad = await ingest.postMany(token, [{ ...fixAt(PICKUP), lat: 86 }]);
    assert.deepEqual(codeOf(onlyBad), [422, "request.invalid"]);
    const blanks = " ".repeat(64 * 1024);
    assert.deepEqual(codeOf(await ingest.post(token, `{"positions":[${blanks}]}`, LOCATIONS_URL)), [
      413,
      "request.too_large",
    ]);
  });
});

Deno.test("POST locations counts points against the limit: a part of them, then none", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const token = await ingest.token(await insertCourier(stores.sql));
    const points = (from: number, count: number) =>
      Array.from({ length: count }, (_, at) => fixAt(PICKUP, 20_000 - from - at));
    await ingest.postMany(token, points(0, 100));
    const part = await ingest.postMany(token, points(200, 60));
    assert.equal(part.status, 200);
    const limited = (part.body["results"] as string[]).filter((code) => code === "limited").length;
    // While the test runs a fix more or two may have become free.
    assert.ok(limited >= 30 && limited <= 40, String(limited));
    assert.equal(part.headers.get("retry-after"), "1");
    const none = await ingest.postMany(token, points(400, 60));
    assert.deepEqual(codeOf(none), [429, "limit.exceeded"]);
    assert.equal(none.headers.get("retry-after"), "1");
    const single = await ingest.post(token, fixAt(PICKUP));
    assert.deepEqual(codeOf(single), [429, "limit.exceeded"]);
    // Somebody else is not concerned.
    const other = await ingest.token(await insertCourier(stores.sql));
    assert.equal((await ingest.post(other, fixAt(PICKUP))).status, 200);
  });
});

Deno.test("POST locations of a courier off shift is 409 for all of them", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const token = await ingest.token(await insertCourier(stores.sql, { status: "offline" }));
    const answer = await ingest.postMany(token, [fixAt(PICKUP, 2_000), fixAt(PICKUP, 1_000)]);
    assert.deepEqual(codeOf(answer), [409, "courier.off_shift"]);
  });
});

/** Posts as the OwnTracks app does: the key is the password. */
async function ownTracks(ingest: Ingest, authorization: string, body: string): Promise<Response> {
  return await ingest.respond(
    new Request(OWNTRACKS_URL, { method: "POST", headers: { authorization }, body }),
  );
}

Deno.test("an OwnTracks phone sends with its device key, and is answered with a list", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const id = await insertCourier(stores.sql);
    const basic = `Basic ${btoa(`bo:${await deviceKey(stores, id)}`)}`;
    const tst = Math.floor(Date.now() / 1000);
    const location = { _type: "location", lat: 57.7, lon: 11.9, acc: 8, vel: 36, tst, tid: "bo" };
    for (const body of ["", '{"_type":"lwt","tst":1}', JSON.stringify(location)]) {
      const answer = await ownTracks(ingest, basic, body);
      assert.equal(answer.status, 200, body);
      assert.deepEqual(await answer.json(), []);
    }
    assert.deepEqual(await index.latest(id), {
      lat: 57.7,
      lon: 11.9,
      accuracyM: 8,
      speedMps: 10,
      recordedAtMs: tst * 1000,
    });
    const cases: [string, string, number][] = [
      ["Basic !!", "{}", 401],
      [`Basic ${btoa("bo:hxm_live_000000000000_" + "x".repeat(43))}`, "{}", 401],
      // A session opens the API, not a device.
      [`Bearer ${await ingest.token(id)}`, "{}", 401],
      [basic, "{", 400],
      [basic, JSON.stringify({ ...location, lat: 99 }), 422],
      [basic, " ".repeat(5_000), 413],
    ];
    for (const [authorization, body, status] of cases) {
      assert.equal((await ownTracks(ingest, authorization, body)).status, status, body);
    }
  });
});

Deno.test("OsmAnd and Traccar phones send with their device key, by query, form or JSON", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const id = await insertCourier(stores.sql);
    const key = await deviceKey(stores, id);
    const nowMs = Date.now();
    const north = (metres: number) => String(northOfPickup(metres).lat);
    const query = new URLSearchParams({
      id: key,
      lat: north(10),
      lon: "11.9",
      timestamp: String(nowMs - 3_000),
      speed: "10",
      bearing: "45",
    });
    const answer = await ingest.respond(new Request(`${OSMAND_URL}?${query}`));
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), "");
    assert.equal((await index.latest(id))?.speedMps, 5.14);
    query.set("lat", north(20));
    query.set("timestamp", String(nowMs - 2_000));
    const form = await ingest.respond(new Request(OSMAND_URL, { method: "POST", body: query }));
    assert.equal(form.status, 200);
    assert.equal((await index.latest(id))?.recordedAtMs, nowMs - 2_000);
    const json = await ingest.respond(
      new Request(OSMAND_URL, {
        method: "POST",
        body: JSON.stringify({
          device_id: key,
          location: {
            timestamp: new Date(nowMs - 1_000).toISOString(),
            coords: { latitude: Number(north(30)), longitude: 11.9, accuracy: 4, speed: 3 },
          },
        }),
      }),
    );
    assert.equal(json.status, 200);
    assert.equal((await index.latest(id))?.accuracyM, 4);
    // Without a place it is a sign of life.
    await index.age(id, 60_000);
    const beat = await ingest.respond(new Request(`${OSMAND_URL}?id=${key}&batt=71`));
    assert.equal(beat.status, 200);
    assert.equal((await index.availability.find(id))?.isReturning, true, "heard again");
    for (const [url, status] of [["", 401], ["?id=me&lat=1&lon=1", 401]] as const) {
      assert.equal((await ingest.respond(new Request(`${OSMAND_URL}${url}`))).status, status);
    }
  });
});

Deno.test("a device off shift is told that all is well, and nothing is stored", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const id = await insertCourier(stores.sql, { status: "offline" });
    const key = await deviceKey(stores, id);
    const answer = await ingest.respond(new Request(`${OSMAND_URL}?id=${key}&lat=57.7&lon=11.9`));
    assert.equal(answer.status, 200, "or it would repeat it for ever");
    assert.equal(await index.latest(id), undefined);
  });
});
