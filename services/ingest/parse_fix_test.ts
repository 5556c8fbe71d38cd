import assert from "node:assert/strict";
import fc from "fast-check";
import { parseFix, readPlainFix } from "./parse_fix.ts";

const SEED = 20_261_121;
const NOW = new Date();

const GOOD = {
  lat: 57.7,
  lon: 11.9,
  accuracyM: 4.5,
  headingDeg: 360,
  speedMps: 0,
  recordedAt: NOW.toISOString(),
};

Deno.test("parseFix() reads a whole fix and one with nothing optional", () => {
  const { recordedAt, ...rest } = GOOD;
  const recordedAtMs = Date.parse(recordedAt);
  assert.deepEqual(parseFix(GOOD), { ok: true, fix: { ...rest, recordedAtMs } });
  assert.deepEqual(parseFix({ lat: -85.05, lon: -180, recordedAt }), {
    ok: true,
    fix: { lat: -85.05, lon: -180, recordedAtMs },
  });
});

Deno.test("parseFix() names the latitude at which the index ends", () => {
  const parsed = parseFix({ ...GOOD, lat: 85.06 });
  assert.deepEqual(parsed, {
    ok: false,
    errors: [{ field: "lat", bound: "must be <= 85.05112878", value: 85.06 }],
  });
});

Deno.test("readPlainFix() leaves to the schema what it does not know to be good", () => {
  for (
    const input of [
      null,
      undefined,
      1,
      "fix",
      [],
      {},
      { ...GOOD, lat: "57.7" },
      { ...GOOD, lat: NaN },
      { ...GOOD, lon: 180.01 },
      { ...GOOD, accuracyM: -1 },
      { ...GOOD, accuracyM: null },
      { ...GOOD, accuracyM: undefined },
      { ...GOOD, headingDeg: 361 },
      { ...GOOD, speedMps: Infinity },
      { ...GOOD, recordedAt: "2026-02-30T10:00:00Z" },
      { ...GOOD, recordedAt: "2020-01-01T10:00:00Z" },
      { ...GOOD, recordedAt: NOW.getTime() },
      { ...GOOD, recordedAt: "2026-11-21" },
      { ...GOOD, altitudeM: 3 },
      Object.create(GOOD),
    ]
  ) assert.equal(readPlainFix(input), undefined, JSON.stringify(input));
});

Deno.test("readPlainFix() takes nothing that the schema refuses, and reads it as the schema does", () => {
  console.log(`seed ${SEED}`);
  const member = (good: fc.Arbitrary<unknown>) =>
    fc.oneof({ weight: 40, arbitrary: good }, {
      weight: 1,
      arbitrary: fc.constantFrom(null, -1, 400, "x", NaN, [], {}, 1e9),
    });
  const time = fc.date({
    min: new Date(NOW.getTime() - 50 * 3_600_000),
    max: new Date(NOW.getTime() + 3_600_000),
    noInvalidDate: true,
  });
  const body = fc.record({
    lat: member(fc.double({ min: -90, max: 90, noNaN: true })),
    lon: member(fc.double({ min: -181, max: 181, noNaN: true })),
    accuracyM: member(fc.double({ min: 0, max: 100_000, noNaN: true })),
    headingDeg: member(fc.double({ min: 0, max: 360, noNaN: true })),
    speedMps: member(fc.double({ min: 0, max: 1_000, noNaN: true })),
    recordedAt: fc.oneof(
      { weight: 6, arbitrary: time.map((date) => date.toISOString()) },
      time.map((date) => date.toISOString().replace(/\.\d+Z$/, "+02:00")),
      time.map((date) => date.toISOString().replace("T", " ")),
      time.map((date) => `${date.toISOString().slice(0, 10)}T25:61:00Z`),
      fc.string(),
    ),
  }, { requiredKeys: ["lat", "lon", "recordedAt"] });
  let plain = 0;
  fc.assert(
    fc.property(body, (input) => {
      const fix = readPlainFix(input);
      if (fix === undefined) return;
      plain++;
      // With an unknown order of members and a copy, the schema must come to the same.
      const slow = parseFix({ ...input, recordedAt: `${input.recordedAt}` });
      assert.deepEqual(slow, { ok: true, fix });
      const schema = parseBySchema(input);
      assert.deepEqual(schema, { ok: true, fix });
    }),
    { seed: SEED, numRuns: 3_000 },
  );
  assert.ok(plain > 200, `only ${plain} were good`);
});

/** A getter that is not there for the check by hand makes it leave the body to the schema. */
function parseBySchema(input: Readonly<Record<string, unknown>>) {
  let looks = 0;
  const bent = { ...input };
  Object.defineProperty(bent, "lat", {
    enumerable: true,
    get: () => ++looks === 1 ? undefined : input["lat"],
  });
  return parseFix(bent);
}
