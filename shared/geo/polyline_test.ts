import assert from "node:assert/strict";
import fc from "fast-check";
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { alongRoute, polylineLengthM, simplifyLine } from "shared/geo/polyline.ts";
import { distanceToSegmentM, METRES_PER_DEGREE } from "shared/geo/segment.ts";

/** An L on the equator: 200 m east, then 100 m north. */
const CORNER: Point[] = [[0, 0], [0, 200], [100, 200]].map(([y = 0, x = 0]) => ({
  lat: y / METRES_PER_DEGREE,
  lon: x / METRES_PER_DEGREE,
}));

const line = fc.array(
  fc.record({
    lat: fc.double({ min: 57.68, max: 57.72, noNaN: true }),
    lon: fc.double({ min: 11.92, max: 12.0, noNaN: true }),
  }),
  { minLength: 1, maxLength: 40 },
);

Deno.test("polylineLengthM() adds up the stretches", () => {
  assert.ok(Math.abs(polylineLengthM(CORNER) - 300) < 1e-6);
  assert.equal(polylineLengthM(CORNER.slice(0, 1)), 0);
  assert.equal(polylineLengthM([]), 0);
});

Deno.test("alongRoute() gives the point and the heading of the stretch it lies on", () => {
  const east = alongRoute(CORNER, 50);
  assert.ok(distanceM(east.point, { lat: 0, lon: 50 / METRES_PER_DEGREE }) < 1e-6);
  assert.equal(east.headingDeg, 90);
  assert.equal(east.finished, false);
  const north = alongRoute(CORNER, 250);
  assert.ok(
    distanceM(north.point, { lat: 50 / METRES_PER_DEGREE, lon: 200 / METRES_PER_DEGREE }) < 1e-6,
  );
  assert.equal(north.headingDeg, 0);
});

Deno.test("alongRoute() stays on the route before its start and after its end", () => {
  assert.deepEqual(alongRoute(CORNER, -10), {
    point: CORNER[0],
    headingDeg: 90,
    finished: false,
  });
  assert.deepEqual(alongRoute(CORNER, 1_000), {
    point: CORNER[2],
    headingDeg: 0,
    finished: true,
  });
});

Deno.test("alongRoute() has no heading on a route without extent, and refuses an empty one", () => {
  const still = { lat: 1, lon: 2 };
  assert.deepEqual(alongRoute([still, still], 5), {
    point: still,
    headingDeg: null,
    finished: true,
  });
  assert.throws(() => alongRoute([], 0), RangeError);
});

Deno.test("alongRoute() is as far along as it was told (property)", () => {
  fc.assert(fc.property(line, fc.double({ min: 0, max: 1, noNaN: true }), (points, share) => {
    const travelledM = polylineLengthM(points) * share;
    const place = alongRoute(points, travelledM);
    // Between two points the way is straight in degrees, and a degree of longitude shrinks to the
    // north: over 0.04 degrees of latitude that is at most 7 in 100,000 of the stretch; twice that here.
    const toleranceM = 0.05 + 1.4e-4 * polylineLengthM(points);
    let beforeM = 0;
    // The place lies on some stretch at exactly the distance asked for.
    const onRoute = points.some((point, i) => {
      const from = points[Math.max(0, i - 1)] ?? point;
      const fits = Math.abs(beforeM + distanceM(from, place.point) - travelledM) < toleranceM &&
        distanceToSegmentM(place.point, from, point) < toleranceM;
      beforeM += distanceM(from, point);
      return fits || Math.abs(beforeM - travelledM) < toleranceM;
    });
    assert.ok(onRoute, `${travelledM} m along ${JSON.stringify(points)}`);
  }));
});

Deno.test("simplifyLine() drops what lies on a straight line and keeps corners", () => {
  const straight = [0, 1, 2, 3].map((i) => ({ lat: 0, lon: i / 1_000 }));
  assert.deepEqual(simplifyLine(straight, 1), [straight[0], straight[3]]);
  assert.deepEqual(simplifyLine(CORNER, 5), CORNER);
  assert.deepEqual(simplifyLine(CORNER, 1_000), [CORNER[0], CORNER[2]]);
});

Deno.test("simplifyLine() keeps the ends and stays within the tolerance (property)", () => {
  fc.assert(fc.property(line, fc.integer({ min: 1, max: 500 }), (points, toleranceM) => {
    const simple = simplifyLine(points, toleranceM);
    assert.deepEqual(simple[0], points[0]);
    assert.deepEqual(simple.at(-1), points.at(-1));
    assert.deepEqual(simplifyLine(points, toleranceM), simple);
    for (const point of points) {
      const offM = Math.min(
        ...simple.map((to, i) => distanceToSegmentM(point, simple[Math.max(0, i - 1)] ?? to, to)),
      );
      assert.ok(offM <= toleranceM * 1.01, `${offM} m off for ${toleranceM} m`);
    }
  }));
});
