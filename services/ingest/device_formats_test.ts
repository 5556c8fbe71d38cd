import assert from "node:assert/strict";
import { fixesOf, readOsmAnd, readOwnTracks, readTraccar } from "./device_formats.ts";

const NOW_MS = Date.now();
const NOW_S = Math.floor(NOW_MS / 1000);

Deno.test("readOwnTracks() reads a location: km/h, seconds, -1 for not known", () => {
  const message = {
    _type: "location",
    lat: 57.7,
    lon: 11.9,
    acc: 12,
    cog: 271,
    vel: 18,
    tst: NOW_S,
    tid: "bo",
    batt: 71,
    t: "u",
  };
  assert.deepEqual(fixesOf(readOwnTracks(message)), [
    {
      lat: 57.7,
      lon: 11.9,
      accuracyM: 12,
      headingDeg: 271,
      speedMps: 5,
      recordedAtMs: NOW_S * 1000,
    },
  ]);
  const unknown = { _type: "location", lat: 57.7, lon: 11.9, vel: -1, cog: -1, tst: NOW_S };
  assert.deepEqual(fixesOf(readOwnTracks(unknown)), [
    { lat: 57.7, lon: 11.9, recordedAtMs: NOW_S * 1000 },
  ]);
});

Deno.test("readOwnTracks() leaves other messages alone and says what is wrong with a location", () => {
  for (const message of [null, [], "x", {}, { _type: "lwt" }, { _type: "waypoint", lat: 1 }]) {
    assert.deepEqual(readOwnTracks(message), { kind: "other" });
  }
  const bad = readOwnTracks({ _type: "location", lat: 91, lon: 11.9, tst: NOW_S });
  assert.ok(bad.kind === "fix" && !bad.parsed.ok);
  assert.deepEqual(bad.parsed.errors.map(({ field }) => field), ["lat"]);
  const words = readOwnTracks({ _type: "location", lat: 1, lon: 2, acc: "x", vel: 4e3, tst: {} });
  assert.ok(words.kind === "fix" && !words.parsed.ok);
  assert.deepEqual(words.parsed.errors, [
    { field: "acc", bound: "must be number", value: "x" },
    { field: "vel", bound: "must be <= 1000 m/s", value: 4_000 },
    { field: "tst", bound: "must be seconds since 1970", value: "[object]" },
  ]);
  const timeless = readOwnTracks({ _type: "location", lat: 57.7, lon: 11.9 });
  assert.ok(timeless.kind === "fix" && !timeless.parsed.ok);
});

Deno.test("readOsmAnd() reads knots, and times in seconds, milliseconds and words", () => {
  const base = { id: "key", lat: "57.7", lon: "11.9" };
  const read = (more: Readonly<Record<string, string>>) =>
    fixesOf(readOsmAnd(new URLSearchParams({ ...base, ...more }), NOW_MS));
  const [fix] = read({ timestamp: String(NOW_S), speed: "10", bearing: "90", accuracy: "5.5" });
  assert.deepEqual(fix, {
    lat: 57.7,
    lon: 11.9,
    accuracyM: 5.5,
    headingDeg: 90,
    speedMps: 5.14,
    recordedAtMs: NOW_S * 1000,
  });
  const iso = new Date(NOW_S * 1000).toISOString();
  for (
    const timestamp of [
      String(NOW_S),
      String(NOW_S * 1000),
      iso,
      iso.slice(0, 19).replace("T", " "),
    ]
  ) assert.equal(read({ timestamp })[0]?.recordedAtMs, NOW_S * 1000, timestamp);
  assert.equal(read({})[0]?.recordedAtMs, NOW_MS, "without a time it is of now");
  assert.equal(read({ location: "57.71,11.91" })[0]?.lat, 57.71);
});

Deno.test("readOsmAnd() takes a message without a place as a sign of life", () => {
  const kind = (query: string) => readOsmAnd(new URLSearchParams(query), NOW_MS).kind;
  assert.equal(kind("id=key&batt=50"), "heartbeat");
  assert.equal(kind("id=key&lat=57.7&lon=11.9&valid=false"), "heartbeat");
  assert.equal(kind("id=key&lat=57.7&lon=11.9&valid=1"), "fix");
  for (const query of ["id=key&lat=x&lon=11.9", "id=key&lat=57.7", "id=key&location=57.7"]) {
    const message = readOsmAnd(new URLSearchParams(query), NOW_MS);
    assert.ok(message.kind === "fix" && !message.parsed.ok, query);
  }
});

Deno.test("readTraccar() reads the JSON of newer clients, in m/s", () => {
  const timestamp = new Date(NOW_MS).toISOString();
  const coords = { latitude: 57.7, longitude: 11.9, accuracy: 4, speed: 3.2, heading: -1 };
  const read = readTraccar({ location: { timestamp, coords }, device_id: "key" });
  assert.equal(read?.deviceId, "key");
  assert.deepEqual(read === undefined ? [] : fixesOf(read.message), [
    { lat: 57.7, lon: 11.9, accuracyM: 4, speedMps: 3.2, recordedAtMs: NOW_MS },
  ]);
  assert.equal(readTraccar({ device_id: "key" })?.message.kind, "heartbeat");
  for (const message of [null, 1, [], {}, { device_id: 7 }]) {
    assert.equal(readTraccar(message), undefined);
  }
});
