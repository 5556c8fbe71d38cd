import assert from "node:assert/strict";
import { MAX_POSITION_ENTRIES } from "shared/availability/availability.ts";
import { bodyOf, CourierIndex, fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { eventually } from "../harness/eventually.ts";
import { insertAccount, insertCourier, insertRegion } from "../harness/fixtures.ts";
import {
  type Answer,
  APP_ORIGIN,
  Ingest,
  LOCATION_URL,
  withIngest,
} from "../harness/ingest_world.ts";
import { PARTITION } from "../harness/outbox.ts";
import { scriptsWith } from "../harness/stand_ins.ts";
import { withStores } from "../harness/with_stores.ts";

function assertProblem(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status);
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  assert.equal(answer.body["code"], code);
  assert.equal(answer.body["status"], status);
  assert.match(String(answer.body["instance"]), /^[0-9a-f-]{36}$/);
}

Deno.test("POST location accepts a fix after Redis has it, also of a courier Redis does not know", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const id = await insertCourier(stores.sql, { status: "available" });
    const token = await ingest.token(id);
    const fix = { ...fixAt(PICKUP), accuracyM: 4.5, headingDeg: 360, speedMps: 0 };
    const answer = await ingest.post(token, fix);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, { accepted: true });
    assert.deepEqual(await index.latest(id), fix);
    assert.equal(await index.isIndexed(id), true);
    assert.deepEqual(await index.known(id), ["available", 1]);
  });
});

Deno.test("POST location says why a fix does not move the courier, and counts it", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const id = await insertCourier(stores.sql);
    const token = await ingest.token(id);
    const newer = fixAt(PICKUP, 1_000);
    await ingest.post(token, newer);
    for (
      const [fix, body] of [
        [fixAt(northOfPickup(50), 9_000), { accepted: true, reason: "late" }],
        [newer, { accepted: true, reason: "duplicate" }],
        [fixAt(PICKUP, 40_000), { accepted: false, reason: "stale" }],
        [fixAt(northOfPickup(5_000), 500), { accepted: true, reason: "jump" }],
        [{ ...fixAt(PICKUP, 400), accuracyM: 51 }, { accepted: true, reason: "low_accuracy" }],
        [fixAt({ lat: 0, lon: 0 }), { accepted: false, reason: "outside_region" }],
      ] as const
    ) {
      const answer = await ingest.post(token, fix);
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.body, body);
      assert.equal(await ingest.counted(body.reason), 1);
    }
    assert.deepEqual(await index.latest(id), newer);
  });
});

Deno.test("POST location of a courier off shift is 409, and it is not indexed", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const id = await insertCourier(stores.sql, { status: "offline" });
    const answer = await ingest.post(await ingest.token(id), fixAt(PICKUP));
    assertProblem(answer, 409, "courier.off_shift");
    assert.equal(answer.body["detail"], "Cannot record a position: the courier must be online");
    assert.equal(await index.isIndexed(id), false);
  });
});

Deno.test("POST location of a busy courier is accepted and never makes it available", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const id = await insertCourier(stores.sql, { status: "busy" });
    const token = await ingest.token(id);
    for (const agoMs of [3_000, 2_000, 1_000]) {
      assert.deepEqual((await ingest.post(token, fixAt(PICKUP, agoMs))).body, { accepted: true });
      assert.equal(await index.isIndexed(id), false);
    }
  });
});

Deno.test("POST location needs a session (401) of a courier (403)", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const fix = fixAt(PICKUP);
    assertProblem(await ingest.post(undefined, fix), 401, "auth.required");
    assertProblem(await ingest.post("A".repeat(43), fix), 401, "auth.required");
    assertProblem(await ingest.post("short", fix), 401, "auth.required");
    const customer = await ingest.token(await insertAccount(stores.sql, "customer"));
    const answer = await ingest.post(customer, fix);
    assertProblem(answer, 403, "auth.forbidden");
    assert.equal(
      answer.body["detail"],
      "Cannot send positions: role must be courier: it is customer",
    );
  });
});

Deno.test("POST location names each field that is out of bounds, its bound and its value", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const token = await ingest.token(await insertCourier(stores.sql));
    const answer = await ingest.post(token, {
      lat: 85.06,
      lon: -180.5,
      accuracyM: -1,
      headingDeg: 361,
      speedMps: "fast",
      altitudeM: 3,
      recordedAt: "yesterday",
    });
    assertProblem(answer, 422, "request.invalid");
    assert.deepEqual(answer.body["errors"], [
      { field: "lat", bound: "must be <= 85.05112878", value: 85.06 },
      { field: "lon", bound: "must be >= -180", value: -180.5 },
      { field: "accuracyM", bound: "must be >= 0", value: -1 },
      { field: "headingDeg", bound: "must be <= 360", value: 361 },
      { field: "speedMps", bound: "must be number", value: "fast" },
      { field: "recordedAt", bound: "Invalid ISO datetime", value: "yesterday" },
      { field: "altitudeM", bound: "is not a known field" },
    ]);
  });
});

Deno.test("POST location takes the whole indexable world and refuses what lies beyond", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const world = JSON.stringify([[-90, -180], [-90, 180], [90, 180], [90, -180]]);
    await stores.sql`update regions set area = ${world}::jsonb`;
    const edges = [[85.05112878, 180], [-85.05112878, -180], [0, 0]];
    for (const [lat = 0, lon = 0] of edges) {
      const id = await insertCourier(stores.sql);
      const answer = await ingest.post(await ingest.token(id), fixAt({ lat, lon }));
      assert.deepEqual(answer.body, { accepted: true }, `${lat} ${lon}`);
      assert.equal(await index.isIndexed(id), true);
    }
    const token = await ingest.token(await insertCourier(stores.sql));
    for (const lat of [85.06, -85.06, 90]) {
      assertProblem(await ingest.post(token, fixAt({ lat, lon: 0 })), 422, "request.invalid");
    }
    for (const text of ["", "{", "[]", "null", '{"lat":1e999,"lon":0}']) {
      const { status } = await ingest.post(token, text);
      assert.ok(status === 400 || status === 422, `${text}: ${status}`);
    }
  });
});

Deno.test("POST location refuses a fix of more than 48 hours ago and takes one of the future as of now", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    const id = await insertCourier(stores.sql);
    const token = await ingest.token(id);
    const old = await ingest.post(token, fixAt(PICKUP, 48 * 3_600_000 + 1_000));
    assertProblem(old, 422, "request.invalid");
    const [error] = old.body["errors"] as { field: string; bound: string }[];
    assert.equal(error?.field, "recordedAt");
    assert.equal(error?.bound, "must be at most 48 hours old");
    assert.deepEqual((await ingest.post(token, fixAt(PICKUP, 47 * 3_600_000))).body, {
      accepted: true,
    });
    assert.deepEqual((await ingest.post(token, fixAt(PICKUP, -3_600_000))).body, {
      accepted: true,
      clamped: true,
    });
    // A clock that is set right is believed again at once, in Redis and in Postgres.
    const right = { ...fixAt(northOfPickup(60)), speedMps: 3 };
    await eventually("the next fix is accepted", async () => {
      const again = { ...right, recordedAtMs: Date.now() };
      return Object.keys((await ingest.post(token, again)).body).length === 1;
    });
    assert.equal((await index.latest(id))?.speedMps, 3);
    await ingest.lastPositions.flush();
    const [row] = await stores.sql`select lat, recorded_at <= clock_timestamp() as is_past
      from courier_last_positions where courier_id = ${id}`;
    assert.deepEqual(row, { lat: right.lat, isPast: true });
  });
});

Deno.test("POST location answers 503 when the stream of positions is full, and writes nothing", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const bound = 2;
    const redis = scriptsWith(
      stores.redis,
      (args, real) => real(...args.map((arg) => arg === MAX_POSITION_ENTRIES ? bound : arg)),
    );
    const ingest = new Ingest(stores, redis);
    const index = new CourierIndex(stores);
    const id = await insertCourier(stores.sql);
    const token = await ingest.token(id);
    const second = fixAt(PICKUP, 2_000);
    await ingest.post(token, fixAt(PICKUP, 3_000));
    await ingest.post(token, second);
    const refused = await ingest.post(token, fixAt(northOfPickup(40), 1_000));
    assertProblem(refused, 503, "ingest.overloaded");
    assert.equal(refused.headers.get("retry-after"), "5");
    assert.deepEqual(await index.latest(id), second);
    await stores.redis.xtrim(stores.keys.positions(PARTITION), "MAXLEN", 0);
    assert.equal((await ingest.post(token, fixAt(PICKUP))).status, 200);
  });
});

Deno.test("POST location reads at most 4 KB of a body", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const token = await ingest.token(await insertCourier(stores.sql));
    const text = JSON.stringify(bodyOf(fixAt(PICKUP)));
    const most = text + " ".repeat(4 * 1024 - text.length);
    assert.equal((await ingest.post(token, most)).status, 200);
    assertProblem(await ingest.post(token, `${most} `), 413, "request.too_large");
    // A body without an end: it is refused at the bound, not read.
    let sent = 0;
    let isCancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 1024;
        controller.enqueue(new Uint8Array(1024));
      },
      cancel: () => {
        isCancelled = true;
      },
    });
    const headers = { authorization: `Bearer ${token}` };
    assertProblem(
      await ingest.fetch(new Request(LOCATION_URL, { method: "POST", headers, body: endless })),
      413,
      "request.too_large",
    );
    assert.ok(sent <= 16 * 1024, `${sent} bytes were taken`);
    assert.equal(isCancelled, true);
  });
});

Deno.test("ingest answers other routes and methods with problems, and pages of allowed origins only", async () => {
  await withIngest(async ({ ingest }) => {
    const other = await ingest.fetch(new Request("http://ingest.test/api/v1/other"));
    assertProblem(other, 404, "route.not_found");
    assertProblem(await ingest.fetch(new Request(LOCATION_URL)), 405, "route.method_not_allowed");
    for (const [origin, allowed] of [[APP_ORIGIN, APP_ORIGIN], ["https://evil.example", null]]) {
      const preflight = await ingest.fetch(
        new Request(LOCATION_URL, { method: "OPTIONS", headers: { origin: origin ?? "" } }),
      );
      assert.equal(preflight.status, 204);
      assert.equal(preflight.headers.get("access-control-allow-origin"), allowed);
      // A page must be able to read why it was refused, and for how long.
      const refused = await ingest.fetch(
        new Request(LOCATION_URL, { method: "POST", headers: { origin: origin ?? "" } }),
      );
      assert.equal(refused.status, 401);
      assert.equal(refused.headers.get("access-control-allow-origin"), allowed);
      const exposed = refused.headers.get("access-control-expose-headers");
      assert.equal(exposed?.split(", ").includes("retry-after") ?? false, allowed !== null);
    }
  });
});
