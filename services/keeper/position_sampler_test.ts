import assert from "node:assert/strict";
import fc from "fast-check";
import type { FixCode } from "shared/availability/fix.ts";
import type { StreamedFix } from "shared/availability/streamed_fixes.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { destination, distanceM } from "shared/geo/distance.ts";
import { normalizeLonDeg, type Point } from "shared/geo/point.ts";
import type { PositionKind } from "shared/history/position_kind.ts";
import {
  closeStretch,
  ERROR_BOUND_M,
  MIN_SPACING_MS,
  newTrack,
  ROW_INTERVAL_MS,
  sampleFix,
  setCarrying,
  STANDING_INTERVAL_MS,
} from "./position_sampler.ts";

const START: Point = { lat: 57.7, lon: 11.95 };
const START_MS = 1_800_000_000_000;

interface Row extends StreamedFix {
  readonly kind: PositionKind;
  readonly fixes: number;
}

function fixOf(point: Point, recordedAtMs: number, code: FixCode = "accepted"): StreamedFix {
  return { code, recordedAtMs, fix: { ...point, recordedAtMs } };
}

/** The rows of a courier that carries (or does not) from the first fix to the last. */
function sample(fixes: readonly StreamedFix[], isCarrying = true): Row[] {
  const rows: Row[] = [];
  const sink = (row: StreamedFix, kind: PositionKind, count: number) =>
    void rows.push({ ...row, kind, fixes: count });
  const track = newTrack();
  setCarrying(track, isCarrying, sink);
  for (const fix of fixes) sampleFix(track, fix, sink);
  closeStretch(track, sink);
  return rows;
}

/** A ride with straights, bends, stops and starts, noise and pauses of the phone. */
function ride(seed: number, count = 400, start: Point = START): StreamedFix[] {
  const random = createSeededRandom(seed);
  const fixes: StreamedFix[] = [];
  let [place, atMs, headingDeg, speedMps] = [start, START_MS, random() * 360, 8];
  for (let index = 0; index < count; index++) {
    const stepMs = MIN_SPACING_MS + Math.floor(random() * (random() < 0.02 ? 60_000 : 2_500));
    atMs += stepMs;
    const dice = random();
    if (dice < 0.1) headingDeg += random() * 180 - 90;
    else if (dice < 0.15) speedMps = 0;
    else if (dice < 0.25) speedMps = 2 + random() * 20;
    place = destination(place, headingDeg, speedMps * Math.min(stepMs, 5_000) / 1_000);
    fixes.push(fixOf(destination(place, random() * 360, random() * 4), atMs));
  }
  return fixes;
}

/** How far a replay of the rows, straight from each to the next, is from a fix at its time. */
function errorM(rows: readonly Row[], fix: StreamedFix): number {
  const next = rows.findIndex(({ recordedAtMs }) => recordedAtMs >= fix.recordedAtMs);
  const [a, b] = [rows[Math.max(0, next - 1)], rows[next]];
  assert.ok(a !== undefined && b !== undefined, "every fix lies between two rows");
  const span = b.recordedAtMs - a.recordedAtMs;
  const part = span === 0 ? 0 : (fix.recordedAtMs - a.recordedAtMs) / span;
  const degreesEast = normalizeLonDeg(b.fix.lon - a.fix.lon);
  const shown = {
    lat: a.fix.lat + (b.fix.lat - a.fix.lat) * part,
    lon: normalizeLonDeg(a.fix.lon + degreesEast * part),
  };
  return distanceM(shown, fix.fix);
}

/** The most rows of a kind in any minute of the track. */
function mostPerMinute(rows: readonly Row[]): number {
  let most = 0;
  for (const [index, { recordedAtMs }] of rows.entries()) {
    const end = rows.findIndex((row) => row.recordedAtMs >= recordedAtMs + 60_000);
    most = Math.max(most, (end < 0 ? rows.length : end) - index);
  }
  return most;
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

Deno.test("sampleFix() draws every fix of a carrying courier to within the bound (property)", () => {
  const starts = fc.constantFrom<Point>(START, { lat: -69, lon: 179.999 }, { lat: 0, lon: -180 });
  fc.assert(fc.property(seeds, starts, (seed, start) => {
    const fixes = ride(seed, 300, start);
    const rows = sample(fixes);
    for (const fix of fixes) {
      const off = errorM(rows, fix);
      // A thousandth is what a plane differs by from the sphere.
      assert.ok(off <= ERROR_BOUND_M * 1.001, `${off} m off at ${fix.recordedAtMs}`);
    }
  }));
});

Deno.test("sampleFix() writes no more rows than its bounds allow, and far fewer than fixes (property)", () => {
  fc.assert(fc.property(seeds, (seed) => {
    const random = createSeededRandom(seed);
    // Ten fixes a second, jumping about: the worst a phone can do.
    const wild = Array.from(
      { length: 2_000 },
      (_, index) =>
        fixOf(destination(START, random() * 360, random() * 100), START_MS + index * 100),
    );
    assert.ok(mostPerMinute(sample(wild)) <= Math.ceil(60_000 / MIN_SPACING_MS));
    const free = sample(wild, false);
    assert.ok(mostPerMinute(free) <= 60_000 / ROW_INTERVAL_MS + 1, `${mostPerMinute(free)}`);
    const fixes = ride(seed);
    for (const isCarrying of [true, false]) {
      const rows = sample(fixes, isCarrying);
      assert.equal(rows.reduce((sum, row) => sum + row.fixes, 0), fixes.length);
      assert.equal(new Set(rows.map(({ recordedAtMs }) => recordedAtMs)).size, rows.length);
      assert.ok(rows.length < fixes.length);
    }
  }));
});

Deno.test("sampleFix() keeps a straight ride every 10 s and a standing courier every 30 s", () => {
  const straight = Array.from(
    { length: 61 },
    (_, s) => fixOf(destination(START, 90, s * 8), START_MS + s * 1_000),
  );
  const gaps = (rows: readonly Row[]) =>
    rows.slice(1).map(({ recordedAtMs }, index) => recordedAtMs - (rows[index]?.recordedAtMs ?? 0));
  for (const isCarrying of [true, false]) {
    assert.deepEqual(gaps(sample(straight, isCarrying)), Array(6).fill(ROW_INTERVAL_MS));
    const standing = straight.map(({ recordedAtMs }) => fixOf(START, recordedAtMs));
    assert.deepEqual(gaps(sample(standing, isCarrying)), Array(2).fill(STANDING_INTERVAL_MS));
  }
});

Deno.test("sampleFix() has rows at a bend, and where a standing courier sets off", () => {
  const corner = destination(START, 90, 5 * 8);
  const bend = Array.from({ length: 9 }, (_, s) =>
    fixOf(
      s <= 5 ? destination(START, 90, s * 8) : destination(corner, 0, (s - 5) * 8),
      START_MS + s * 1_000,
    ));
  const bendTimes = sample(bend).map(({ recordedAtMs }) => (recordedAtMs - START_MS) / 1_000);
  assert.ok(bendTimes.some((s) => s >= 5 && s <= 7), `${bendTimes}`);
  assert.deepEqual(sample(bend, false).length, 2);
  const setOff = Array.from(
    { length: 40 },
    (_, s) => fixOf(destination(START, 90, Math.max(0, s - 20) * 8), START_MS + s * 1_000),
  );
  for (const isCarrying of [true, false]) {
    const seconds = sample(setOff, isCarrying).map((row) => (row.recordedAtMs - START_MS) / 1_000);
    assert.ok(seconds.some((s) => s >= 20 && s <= 22), `${isCarrying}: ${seconds}`);
  }
});

Deno.test("sampleFix() has rows at both ends of a silence", () => {
  const fixes = [0, 1, 2, 3, 100, 101].map((s) => fixOf(START, START_MS + s * 1_000));
  const seconds = sample(fixes).map(({ recordedAtMs }) => (recordedAtMs - START_MS) / 1_000);
  assert.deepEqual(seconds, [0, 3, 100, 101]);
});

Deno.test("sampleFix() keeps what is not believed beside the line, every 10 s at most", () => {
  const far = destination(START, 45, 5_000);
  const fixes = Array.from(
    { length: 30 },
    (_, s) =>
      s % 3 === 0
        ? fixOf(far, START_MS + s * 1_000, s % 2 === 0 ? "jump" : "low_accuracy")
        : fixOf(START, START_MS + s * 1_000),
  );
  const rows = sample(fixes);
  const marked = rows.filter(({ kind }) => kind !== "usual");
  assert.deepEqual(
    marked.map(({ kind, recordedAtMs }) => [kind, (recordedAtMs - START_MS) / 1_000]),
    [["jump", 0], ["jump", 12], ["jump", 24]],
  );
  assert.ok(rows.every(({ kind, fix }) => kind !== "usual" || fix.lat === START.lat));
  assert.equal(rows.reduce((sum, row) => sum + row.fixes, 0), fixes.length);
});

Deno.test("sampleFix() gives a late fix its place where the line misses it, and no row where not", () => {
  const at = (s: number, m: number, code: FixCode = "accepted") =>
    fixOf(destination(START, 90, m), START_MS + s * 1_000, code);
  const on = [at(0, 0), at(6, 48), at(3, 24, "late")];
  assert.deepEqual(sample(on).map(({ kind }) => kind), ["usual", "usual"]);
  const beside = fixOf(destination(START, 0, 60), START_MS + 3_000, "late");
  const rows = sample([at(0, 0), at(6, 48), beside]);
  assert.deepEqual(rows.map(({ kind }) => kind), ["usual", "late", "usual"]);
  const impossible = fixOf(destination(START, 0, 5_000), START_MS + 3_000, "late");
  assert.equal(sample([at(0, 0), at(6, 48), impossible])[1]?.kind, "jump");
  const imprecise = { ...beside, fix: { ...beside.fix, accuracyM: 400 } };
  assert.equal(sample([at(0, 0), at(6, 48), imprecise])[1]?.kind, "low_accuracy");
});

Deno.test("sampleFix() takes late fixes in a ride to within what they disagreed by (property)", () => {
  fc.assert(fc.property(seeds, (seed) => {
    const fixes = ride(seed, 200);
    // Every tenth arrives after the next two.
    const late = new Set(fixes.filter((_, index) => index % 10 === 5));
    const arriving = fixes.map((fix, index) => ({
      fix: late.has(fix) ? { ...fix, code: "late" as const } : fix,
      order: late.has(fix) ? index + 2.5 : index,
    })).sort((a, b) => a.order - b.order).map(({ fix }) => fix);
    const rows = sample(arriving).sort((a, b) => a.recordedAtMs - b.recordedAtMs);
    assert.equal(rows.reduce((sum, row) => sum + row.fixes, 0), fixes.length);
    for (const fix of late) {
      const isRow = rows.some(({ recordedAtMs }) => recordedAtMs === fix.recordedAtMs);
      assert.ok(isRow || errorM(rows, fix) <= ERROR_BOUND_M * 1.001);
    }
  }));
});
