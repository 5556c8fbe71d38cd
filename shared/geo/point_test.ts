import assert from "node:assert/strict";
import { isPoint, normalizeLonDeg, parsePoint } from "shared/geo/point.ts";
import { pointSchema } from "shared/geo/point_schema.ts";

const BAD_POINTS: readonly unknown[] = [
  null,
  undefined,
  "57.7,11.9",
  [57.7, 11.9],
  {},
  { lat: 57.7 },
  { lat: "57.7", lon: 11.9 },
  { lat: 90.0001, lon: 0 },
  { lat: -90.0001, lon: 0 },
  { lat: 0, lon: 180.0001 },
  { lat: 0, lon: -180.0001 },
  { lat: NaN, lon: 0 },
  { lat: 0, lon: Infinity },
];

Deno.test("parsePoint() keeps lat and lon and drops everything else", () => {
  assert.deepEqual(parsePoint({ lat: 57.7, lon: 11.9, accuracyM: 5 }), { lat: 57.7, lon: 11.9 });
});

Deno.test("isPoint() accepts the corners of the world", () => {
  for (const lat of [-90, 90]) {
    for (const lon of [-180, 180]) assert.equal(isPoint({ lat, lon }), true);
  }
});

Deno.test("isPoint(), parsePoint() and pointSchema refuse the same values", () => {
  for (const value of BAD_POINTS) {
    assert.equal(isPoint(value), false, JSON.stringify(value));
    assert.throws(() => parsePoint(value), RangeError);
    assert.equal(pointSchema.safeParse(value).success, false, JSON.stringify(value));
  }
});

Deno.test("parsePoint() names the bounds and the value in its error", () => {
  assert.throws(() => parsePoint({ lat: 91, lon: 0 }), {
    message: "Cannot parse a point: lat must be in [-90, 90] and lon in [-180, 180]: " +
      'current value is {"lat":91,"lon":0}',
  });
});

Deno.test("normalizeLonDeg() turns any longitude into [-180, 180)", () => {
  assert.deepEqual([0, 179, 180, 181, -180, -181, 540, 725].map(normalizeLonDeg), [
    0,
    179,
    -180,
    -179,
    -180,
    179,
    -180,
    5,
  ]);
});
