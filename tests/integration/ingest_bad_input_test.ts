/**
 * Whatever the OpenAPI document calls wrong is refused by every operation of ingest and the tracker,
 * and moves nobody: the requests are made from the document's own examples, spoiled in one place each.
 */
import assert from "node:assert/strict";
import { insertApiKey } from "shared/auth/api_keys.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import {
  LOCATION_PATH,
  LOCATIONS_PATH,
  OSMAND_PATH,
  OWNTRACKS_PATH,
} from "shared/live_api/ingest_routes.ts";
import { PROBLEMS } from "shared/problem/problem.ts";
import { operationsOf, parametersOf } from "../../services/gateway/openapi/document.ts";
import { serviceDocument } from "../harness/api_document.ts";
import { bodyOf, CourierIndex, fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { insertCourier, insertRegion } from "../harness/fixtures.ts";
import { Ingest } from "../harness/ingest_world.ts";
import { PARTITION } from "../harness/outbox.ts";
import {
  assertNamesField,
  assertNothingWritten,
  chosen,
  isWrong,
  type Refused,
  WRONG_TEXTS,
} from "../harness/refused_input.ts";
import { spoil, type Spoiled } from "../harness/spoiled_values.ts";
import type { TestStores } from "../harness/stores.ts";
import { withTrackerWorld } from "../harness/tracker_world.ts";
import { withStores } from "../harness/with_stores.ts";

const SEED = Number(Deno.env.get("BAD_INPUT_SEED") ?? Date.now() % 1_000_000);
/**
 * Requests to one operation; the seed says which of all that are wrong. Below what the limit lets
 * through at once: to be limited is another answer.
 */
const MAX_REQUESTS = 100;
const ORIGIN = "http://ingest.test";
/** An order that there is not. */
const NO_ORDER = "0195a1c0-5d2e-7b3a-9f10-3c5d7e9a1bff";
const document = await serviceDocument("ingest");

interface Sender {
  readonly stores: TestStores;
  readonly ingest: Ingest;
  readonly courierId: string;
  readonly key: string;
  /** Sends bytes as a courier, or as its device where the route has that in the header. */
  send(path: string, body: string | Uint8Array, headers?: HeadersInit): Promise<Refused>;
  ask(pathAndQuery: string): Promise<Refused>;
}

async function refusedOf(response: Response): Promise<Refused> {
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  return { status: response.status, text, json: isJson ? JSON.parse(text) : undefined };
}

async function withSender(use: (sender: Sender) => Promise<void>): Promise<void> {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const ingest = new Ingest(stores);
    const courierId = await insertCourier(stores.sql);
    const token = await ingest.token(courierId);
    const scopes = ["positions:write"] as const;
    const phone = { accountId: courierId, name: "phone", mode: "live", scopes } as const;
    const { text: key } = await insertApiKey(stores.sql, phone);
    // So that there is something to be overwritten, and the short way is taken.
    await ingest.post(token, fixAt(PICKUP, 60_000));
    const send = async (path: string, body: string | Uint8Array, more: HeadersInit = {}) => {
      const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
      const headers = new Headers({
        "authorization": path === OWNTRACKS_PATH ? `Basic ${btoa(`bo:${key}`)}` : `Bearer ${token}`,
        "content-type": "application/json",
        "content-length": String(bytes.length),
        ...more,
      });
      const init = { method: "POST", headers, body: new Blob([new Uint8Array(bytes)]).stream() };
      return await refusedOf(await ingest.respond(new Request(`${ORIGIN}${path}`, init)));
    };
    const ask = async (path: string) =>
      await refusedOf(await ingest.respond(new Request(`${ORIGIN}${path}`)));
    await use({ stores, ingest, courierId, key, send, ask });
  });
}

/** Neither Postgres nor Redis has more afterwards than before. */
async function assertMovesNobody(
  { stores, courierId }: Sender,
  name: string,
  act: () => Promise<void>,
): Promise<void> {
  const { redis, keys } = stores;
  const state = async () => ({
    fixes: await redis.xlen(keys.positions(PARTITION)),
    latest: await new CourierIndex(stores).latest(courierId),
  });
  const before = await state();
  assert.ok(before.latest !== undefined, "there is nothing to be overwritten");
  await assertNothingWritten(stores.sql, name, act);
  assert.deepEqual(await state(), before, `${name} moved somebody`);
}

/** The documented examples are of another year: the same with the time of now. */
function current(value: unknown, key: string): unknown {
  const now = Date.now() - 1_000;
  const text = JSON.stringify(value)
    .replaceAll(/"2026-[^"]+Z"/g, JSON.stringify(new Date(now).toISOString()))
    .replaceAll(/\b1772454005\b/g, String(Math.floor(now / 1000)))
    .replaceAll(/"hxm_live_[^"]+"/g, JSON.stringify(key));
  return JSON.parse(text);
}

/** The example of a named schema, and all that is wrong of its kind. */
function spoiledOf(name: string, key: string): { right: unknown; wrong: Spoiled[] } {
  const example = document.components.examples?.[name];
  assert.ok(example !== undefined, `${name} has no example`);
  const right = current(example.value, key);
  return { right, wrong: spoil(document, { $ref: `#/components/schemas/${name}` }, right) };
}

Deno.test(`a fix that the document calls wrong is refused by the name of what is wrong (seed ${SEED})`, async () => {
  await withSender(async (sender) => {
    const { wrong } = spoiledOf("Fix", sender.key);
    const bodies = chosen(wrong, MAX_REQUESTS, createSeededRandom(SEED));
    assert.ok(bodies.length >= 100, `only ${bodies.length} are wrong`);
    await assertMovesNobody(sender, "a fix", async () => {
      for (const { what, text } of bodies) {
        const answer = await sender.send(LOCATION_PATH, text);
        // What is larger than any fix is not looked at.
        if (text.length > 4_096) assert.equal(answer.json?.["code"], "request.too_large", what);
        else assertNamesField(answer, what, JSON.parse(text));
      }
    });
  });
});

Deno.test(`a batch that the document calls wrong is refused, and a point of it holds up no other (seed ${SEED})`, async () => {
  await withSender(async (sender) => {
    const { wrong } = spoiledOf("FixBatch", sender.key);
    // Members beside the positions are not looked at: apps send what they have.
    const bodies = wrong.filter(({ what }) => !/^\w+ assigned$/.test(what));
    let points = 0;
    for (const { what, text } of chosen(bodies, MAX_REQUESTS, createSeededRandom(SEED))) {
      const body = JSON.parse(text);
      const isOfPoint = Array.isArray(body?.positions) && body.positions.length === 2;
      if (text.length > 65_536) continue;
      if (!isOfPoint) {
        await assertMovesNobody(sender, what, async () => {
          assertNamesField(await sender.send(LOCATIONS_PATH, text), what, body);
        });
        continue;
      }
      const answer = await sender.send(LOCATIONS_PATH, text);
      assert.equal(answer.status, 200, `${what}: ${answer.text.slice(0, 300)}`);
      const results = answer.json?.["results"] as string[];
      assert.equal(results[0], "malformed", what);
      assert.equal(answer.json?.["accepted"], 1, answer.text);
      const errors = answer.json?.["errors"] as { field: string; bound: string }[];
      assert.ok(errors.every(({ field, bound }) => /^positions\.0\./.test(field) && bound !== ""));
      points++;
    }
    assert.ok(points > 20, `only ${points} points were wrong`);
  });
});

/** What was meant for our own routes, and for the apps of others. */
const KINDS = [
  { path: OWNTRACKS_PATH, schema: "OwnTracksMessage", place: /^(lat|lon|tst)\b/ },
  {
    path: OSMAND_PATH,
    schema: "TraccarMessage",
    place: /^location\.(coords\.(latitude|longitude)|timestamp)\b/,
  },
] as const;

for (const { path, schema, place } of KINDS) {
  Deno.test(`a ${schema} whose place or time is wrong is refused in the words of its app (seed ${SEED})`, async () => {
    await withSender(async (sender) => {
      const { wrong } = spoiledOf(schema, sender.key);
      // What an app does not know of the rest it says in ways of its own; see below.
      const bodies = wrong.filter(({ what }) => place.test(what) && !what.endsWith("assigned"));
      assert.ok(bodies.length > 20, `only ${bodies.length} are wrong`);
      await assertMovesNobody(sender, schema, async () => {
        for (const { what, text } of chosen(bodies, MAX_REQUESTS, createSeededRandom(SEED))) {
          const answer = await sender.send(path, text);
          if (text.length > 4_096) assert.equal(answer.json?.["code"], "request.too_large", what);
          else assertNamesField(answer, what, JSON.parse(text));
        }
      });
    });
  });

  Deno.test(`whatever a ${schema} is, it is taken or refused by a code, never an error (seed ${SEED})`, async () => {
    await withSender(async (sender) => {
      const { wrong } = spoiledOf(schema, sender.key);
      for (const { what, text } of chosen(wrong, MAX_REQUESTS, createSeededRandom(SEED))) {
        const { status, json } = await sender.send(path, text);
        if (status === 200) continue;
        const code = `${json?.["code"]}`;
        assert.ok(Object.hasOwn(PROBLEMS, code) && status < 500, `${what}: ${status} ${code}`);
      }
    });
  });
}

/** By what is asked of an OsmAnd query: what it may not be. */
const WRONG_FIELDS: Readonly<Record<string, readonly string[]>> = {
  lat: ["85.06", "-85.06", "90", "NaN", "Infinity", "1e999", "x", "57,7", "\u0000", "0x"],
  lon: ["180.01", "-180.01", "NaN", "-Infinity", "x".repeat(300), "11.9.1"],
  timestamp: ["yesterday", "NaN", "1e999", "-1", "0", "2026-13-01 00:00:00", "\u0000"],
  accuracy: ["100001", "NaN", "Infinity", "x"],
  bearing: ["361", "NaN", "north"],
  speed: ["1e9", "NaN", "fast"],
};

Deno.test("a query or form of OsmAnd that is wrong is refused by the name of what is wrong", async () => {
  await withSender(async (sender) => {
    const { key } = sender;
    const right = { id: key, lat: "57.7", lon: "11.9", timestamp: `${Date.now() - 1_000}` };
    await assertMovesNobody(sender, "OsmAnd", async () => {
      for (const [field, texts] of Object.entries(WRONG_FIELDS)) {
        for (const text of texts) {
          const what = `${field}=${text.slice(0, 20)}`;
          const fields = new URLSearchParams({ ...right, [field]: text });
          const type = { "content-type": "application/x-www-form-urlencoded" };
          const answers = [
            await sender.ask(`${OSMAND_PATH}?${fields}`),
            await sender.send(OSMAND_PATH, `${fields}`, type),
          ];
          for (const answer of answers) {
            assertNamesField(answer, what);
            const [error] = answer.json?.["errors"] as { field: string; value: unknown }[];
            assert.deepEqual([error?.field, error?.value], [field, text.slice(0, 80)], what);
          }
        }
      }
      for (const location of ["57.7", "57.7,x", "x,11.9", "85.06,11.9", "57.7,181"]) {
        const fields = new URLSearchParams({ id: key, location });
        const answer = await sender.ask(`${OSMAND_PATH}?${fields}`);
        assertNamesField(answer, location);
      }
    });
  });
});

/** Bodies that are no text of JSON, or hardly, on every way that takes JSON. */
const UTF8 = new TextEncoder();
const nested = (depth: number) => `${'{"lat":'.repeat(depth)}1${"}".repeat(depth)}`;
const BODIES: Readonly<Record<string, string | Uint8Array>> = {
  "UTF-16": new Uint8Array(new Uint16Array([..."{}"].map((one) => one.charCodeAt(0))).buffer),
  "UTF-16 with its mark": new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0]),
  "no UTF-8": new Uint8Array([...UTF8.encode('{"recordedAt":"'), 0xff, 0xc3, 0x28, 0x22, 0x7d]),
  "a key that is no UTF-8": new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
  "NUL": "\u0000",
  "nothing but blanks": "  \n ",
  "NaN": '{"lat":NaN}',
  "an endless number": `{"lat":${"9".repeat(3_000)}}`,
  "deep lists": "[".repeat(4_000),
  "deep objects": nested(400),
  "two values": "{}{}",
  "a comment": "{}// here",
  "a single quote": "{'lat':1}",
  "__proto__": '{"__proto__":{"lat":57.7,"lon":11.9}}',
  "a form": "lat=57.7&lon=11.9",
};

Deno.test("a body that is no JSON, or hardly, is refused by every operation and moves nobody", async () => {
  await withSender(async (sender) => {
    const paths = operationsOf(document).filter(({ operation }) => operation.requestBody)
      .map(({ path }) => path);
    assert.deepEqual(paths, [LOCATION_PATH, LOCATIONS_PATH, OWNTRACKS_PATH, OSMAND_PATH]);
    await assertMovesNobody(sender, "odd bodies", async () => {
      for (const path of paths) {
        for (const [what, body] of Object.entries(BODIES)) {
          const { status, json, text } = await sender.send(path, body);
          // OwnTracks posts what is no location, and that is taken.
          if (path === OWNTRACKS_PATH && status === 200 && text === "[]") continue;
          const code = `${json?.["code"]}`;
          const codes = ["request.malformed", "request.invalid"];
          // What is no JSON is a form for OsmAnd, and one without a key.
          if (path === OSMAND_PATH) codes.push("auth.required");
          assert.ok(codes.includes(code), `${path} ${what}: ${status} ${text.slice(0, 200)}`);
          if (code === "request.invalid") assert.ok(json?.["errors"], `${path} ${what}`);
        }
      }
    });
  });
});

Deno.test("JSON is read whatever its type is called: phones say many things", async () => {
  await withSender(async ({ send, stores, courierId }) => {
    const types = [
      "text/plain",
      "application/JSON; charset=utf-8",
      "application/octet-stream",
      "x",
    ];
    for (const [at, type] of types.entries()) {
      const fix = fixAt(northOfPickup(at * 10), 50_000 - at * 1_000);
      const answer = await send(LOCATION_PATH, JSON.stringify(bodyOf(fix)), {
        "content-type": type,
      });
      assert.deepEqual(answer.json, { accepted: true }, type);
      assert.equal(
        (await new CourierIndex(stores).latest(courierId))?.recordedAtMs,
        fix.recordedAtMs,
      );
    }
  });
});

Deno.test("a byte order mark before JSON is passed over on every way", async () => {
  await withSender(async ({ send, stores, courierId, key }) => {
    const at = (agoMs: number) => fixAt(northOfPickup(10), agoMs);
    const [one, many, tracks, traccar] = [at(40_000), at(30_000), at(20_000), at(10_000)];
    const tst = Math.floor(tracks.recordedAtMs / 1000);
    const { lat, lon } = traccar;
    const timestamp = new Date(traccar.recordedAtMs).toISOString();
    const coords = { latitude: lat, longitude: lon };
    const ways: [string, unknown, number][] = [
      [LOCATION_PATH, bodyOf(one), one.recordedAtMs],
      [LOCATIONS_PATH, { positions: [bodyOf(many)] }, many.recordedAtMs],
      [OWNTRACKS_PATH, { _type: "location", lat, lon, tst }, tst * 1_000],
      [OSMAND_PATH, { device_id: key, location: { timestamp, coords } }, traccar.recordedAtMs],
    ];
    for (const [path, body, recordedAtMs] of ways) {
      const { status, text } = await send(path, `\ufeff${JSON.stringify(body)}`);
      assert.equal(status, 200, `${path}: ${text}`);
      assert.equal((await new CourierIndex(stores).latest(courierId))?.recordedAtMs, recordedAtMs);
      // One mark is passed over, not more; nor is one taken that stands elsewhere.
      for (
        const wrong of [`\ufeff\ufeff${JSON.stringify(body)}`, `${JSON.stringify(body)}\ufeff`]
      ) {
        const { json } = await send(path, wrong);
        const codes = path === OSMAND_PATH ? ["request.malformed", "auth.required"] : [
          "request.malformed",
        ];
        assert.ok(codes.includes(`${json?.["code"]}`), path);
      }
    }
  });
});

Deno.test("a query or an id that the document calls wrong is refused by every operation of the tracker", async () => {
  const tracker = await serviceDocument("tracker");
  await withTrackerWorld(async (world) => {
    let count = 0;
    for (const { name, path, operation } of operationsOf(tracker)) {
      for (const parameter of parametersOf(tracker, operation)) {
        for (const text of WRONG_TEXTS) {
          const isPath = parameter.in === "path";
          if (isPath && !isWrong(tracker, parameter, text)) continue;
          const filled = path.replace(/\{\w+\}/, encodeURIComponent(isPath ? text : NO_ORDER));
          const headers = parameter.in === "header" && text !== "\u0000"
            ? { [parameter.name]: text }
            : {};
          const query = parameter.in === "query"
            ? `?${new URLSearchParams({ [parameter.name]: text })}`
            : "";
          const { status, body } = await world.tracker.ask(`${filled}${query}`, { headers })
            .then(async (response) => ({ status: response.status, body: await response.text() }));
          assert.equal(status, 401, `${name} ${parameter.name}=${text.slice(0, 20)}: ${body}`);
          count++;
        }
      }
    }
    assert.ok(count > 30, `only ${count} requests were made`);
  });
});
