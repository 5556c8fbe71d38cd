import assert from "node:assert/strict";
import { destination, distanceM } from "shared/geo/distance.ts";
import { distanceToSegmentM } from "shared/geo/segment.ts";
import { createRandom } from "./random.ts";
import { fixAt, placeOn, standAt, walkAlong } from "./walk.ts";

const START = { lat: 57.7, lon: 11.95 };
const NORTH_1KM = destination(START, 0, 1_000);
const THEN_EAST_500M = destination(NORTH_1KM, 90, 500);
const NOW_MS = 1_700_000_000_000;

Deno.test("placeOn() moves with the time at the walk's speed and turns with the street", () => {
  const walk = walkAlong([START, NORTH_1KM, THEN_EAST_500M], 5, NOW_MS);
  assert.ok(Math.abs(walk.arrivesAtMs - NOW_MS - 300_000) < 1);
  const halfway = placeOn(walk, NOW_MS + 100_000);
  assert.ok(Math.abs(distanceM(START, halfway.point) - 500) < 0.1);
  assert.ok(Math.abs(halfway.headingDeg ?? 180) < 0.01);
  assert.deepEqual([halfway.speedMps, halfway.arrived], [5, false]);
  const turned = placeOn(walk, NOW_MS + 250_000);
  assert.ok(Math.abs((turned.headingDeg ?? 0) - 90) < 0.01);
});

Deno.test("placeOn() stays at the end, standing, with the heading it came with", () => {
  const walk = walkAlong([START, NORTH_1KM], 5, NOW_MS);
  const end = placeOn(walk, walk.arrivesAtMs);
  assert.ok(distanceM(end.point, NORTH_1KM) < 0.01);
  assert.deepEqual([end.speedMps, end.arrived], [0, true]);
  assert.notEqual(end.headingDeg, null);
  assert.deepEqual(placeOn(walk, NOW_MS + 10 ** 9).point, NORTH_1KM);
});

Deno.test("placeOn() is at the start before the walk begins", () => {
  assert.deepEqual(placeOn(walkAlong([START, NORTH_1KM], 5, NOW_MS), NOW_MS - 5_000).point, START);
});

Deno.test("standAt() is arrived at once and has no heading", () => {
  const place = placeOn(standAt(START, NOW_MS), NOW_MS);
  assert.deepEqual(place, { point: START, headingDeg: null, speedMps: 0, arrived: true });
});

Deno.test("walkAlong() refuses a walk that could never end", () => {
  assert.throws(() => walkAlong([], 5, NOW_MS), RangeError);
  assert.throws(() => walkAlong([START, NORTH_1KM], 0, NOW_MS), RangeError);
  assert.throws(() => walkAlong([START, NORTH_1KM], NaN, NOW_MS), RangeError);
});

Deno.test("walkAlong() over equal points arrives at once", () => {
  const walk = walkAlong([START, START], 4, NOW_MS);
  assert.equal(placeOn(walk, NOW_MS).arrived, true);
});

Deno.test("fixAt() reports the time, an accuracy of 3 to 12 m and stays within 15 m of the street", () => {
  const seed = 42;
  const random = createRandom(seed, "fixes");
  const walk = walkAlong([START, NORTH_1KM], 5, NOW_MS);
  let sumSquaredM = 0;
  const fixes = 5_000;
  for (let i = 0; i < fixes; i++) {
    const nowMs = NOW_MS + i * 40;
    const place = placeOn(walk, nowMs);
    const fix = fixAt(place, nowMs, random);
    const offM = distanceToSegmentM(fix, START, NORTH_1KM);
    assert.ok(offM < 15, `seed ${seed}: fix ${i} is ${offM} m off the street`);
    assert.ok(fix.accuracyM >= 3 && fix.accuracyM <= 12);
    assert.ok(fix.headingDeg !== undefined && fix.headingDeg >= 0 && fix.headingDeg < 360);
    assert.equal(fix.speedMps, 5);
    assert.equal(Date.parse(fix.recordedAt), nowMs);
    sumSquaredM += distanceM(fix, place.point) ** 2;
  }
  // Two axes of 2.5 m each.
  const rmsM = Math.sqrt(sumSquaredM / fixes);
  assert.ok(Math.abs(rmsM - 2.5 * Math.SQRT2) < 0.15, `root mean square ${rmsM} m`);
});

Deno.test("fixAt() cuts the noise at 12 m even for the wildest draw", () => {
  const draws = [1 - 1e-12, 0, 0];
  const fix = fixAt(placeOn(standAt(START, NOW_MS), NOW_MS), NOW_MS, () => draws.shift() ?? 0);
  assert.ok(Math.abs(distanceM(fix, START) - 12) < 0.2);
  assert.equal("headingDeg" in fix, false);
});
