import assert from "node:assert/strict";
import fc from "fast-check";
import { boundsContain } from "./area.ts";
import { boxesAround } from "./around.ts";
import { destination, distanceM } from "./distance.ts";

const SEED = 20261121;

Deno.test("boxesAround() holds every point within the radius, at the poles and the antimeridian too (property)", () => {
  console.log(`seed ${SEED}`);
  const center = fc.record({
    lat: fc.oneof(
      fc.double({ min: -90, max: 90, noNaN: true }),
      fc.constantFrom(-90, 0, 89.99, 90),
    ),
    lon: fc.oneof(fc.double({ min: -180, max: 180, noNaN: true }), fc.constantFrom(-180, 179.9999)),
  });
  const radius = fc.oneof(
    fc.double({ min: 1, max: 100_000, noNaN: true }),
    fc.constantFrom(1, 100_000),
  );
  const share = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(1));
  const heading = fc.double({ min: 0, max: 360, noNaN: true });
  fc.assert(
    fc.property(center, radius, heading, share, (at, radiusM, headingDeg, part) => {
      const point = destination(at, headingDeg, radiusM * part);
      if (distanceM(at, point) > radiusM) return;
      const boxes = boxesAround(at, radiusM);
      assert.ok(
        boxes.some((box) => boundsContain(box, point)),
        `${JSON.stringify(point)} is not in ${JSON.stringify(boxes)}`,
      );
    }),
    { seed: SEED, numRuns: 5_000 },
  );
});

Deno.test("boxesAround() is tight: a box reaches little farther than its radius", () => {
  const [box, ...others] = boxesAround({ lat: 57.7, lon: 11.97 }, 2_000);
  assert.ok(box !== undefined && others.length === 0);
  const heightM = distanceM({ lat: box.south, lon: 11.97 }, { lat: box.north, lon: 11.97 });
  const widthM = distanceM({ lat: 57.7, lon: box.west }, { lat: 57.7, lon: box.east });
  assert.ok(heightM > 4_000 && heightM < 4_001, `${heightM}`);
  assert.ok(widthM > 4_000 && widthM < 4_001, `${widthM}`);
  assert.equal(boxesAround({ lat: 0, lon: 179.99 }, 5_000).length, 2);
});
