import assert from "node:assert/strict";
import fc from "fast-check";
import { destination, distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { distanceToSegmentM, METRES_PER_DEGREE, projectOntoSegment } from "shared/geo/segment.ts";

Deno.test("projectOntoSegment() gives the foot of the perpendicular", () => {
  const found = projectOntoSegment(
    { lat: 0.001, lon: 0.003 },
    { lat: 0, lon: 0 },
    { lat: 0, lon: 0.004 },
  );
  assert.ok(Math.abs(found.fraction - 0.75) < 1e-12);
  assert.ok(Math.abs(found.point.lon - 0.003) < 1e-12);
  assert.ok(Math.abs(found.distanceM - 0.001 * METRES_PER_DEGREE) < 1e-6);
});

Deno.test("projectOntoSegment() stops at the ends", () => {
  const a = { lat: 50, lon: 10 }, b = { lat: 50.01, lon: 10 };
  assert.deepEqual(projectOntoSegment({ lat: 49.9, lon: 10 }, a, b).point, a);
  assert.equal(projectOntoSegment({ lat: 50.1, lon: 10 }, a, b).fraction, 1);
  assert.equal(projectOntoSegment({ lat: 50.1, lon: 10 }, a, a).fraction, 0);
});

Deno.test("distanceToSegmentM() works over the antimeridian", () => {
  const a = { lat: 10, lon: 179.99 }, b = { lat: 10, lon: -179.99 };
  assert.ok(distanceToSegmentM({ lat: 10, lon: -179.995 }, a, b) < 1e-6);
  assert.ok(distanceToSegmentM({ lat: 10, lon: 179.995 }, a, b) < 1e-6);
});

Deno.test("distanceToSegmentM() is within 0.1 % of the least of 2,000 samples (property)", () => {
  const point = fc.record({
    lat: fc.double({ min: -70, max: 70, noNaN: true }),
    lon: fc.double({ min: -179, max: 179, noNaN: true }),
  });
  const offset = fc.record({
    headingDeg: fc.double({ min: 0, max: 360, noNaN: true }),
    lengthM: fc.double({ min: 1, max: 5_000, noNaN: true }),
  });
  fc.assert(fc.property(point, offset, offset, (from, offsetA, offsetB) => {
    const a = destination(from, offsetA.headingDeg, offsetA.lengthM);
    const b = destination(from, offsetB.headingDeg, offsetB.lengthM);
    const sampledM = leastOfSamplesM(from, a, b);
    // Samples lie up to half a step beside the true foot.
    const sampleErrorM = distanceM(a, b) / 2_000;
    const foundM = distanceToSegmentM(from, a, b);
    assert.ok(foundM <= sampledM * 1.001 + 0.001, `${foundM} against ${sampledM}`);
    assert.ok(foundM >= sampledM - sampleErrorM, `${foundM} against ${sampledM}`);
  }));
});

function leastOfSamplesM(point: Point, a: Point, b: Point): number {
  let least = Infinity;
  for (let i = 0; i <= 2_000; i++) {
    const t = i / 2_000;
    const sample = { lat: a.lat + (b.lat - a.lat) * t, lon: a.lon + (b.lon - a.lon) * t };
    least = Math.min(least, distanceM(point, sample));
  }
  return least;
}
