import assert from "node:assert/strict";
import fc from "fast-check";
import { extendGlide, sampleGlide, startGlide } from "./public/glide.js";

Deno.test("extendGlide() reaches a fix about when the next one is due, at constant speed", () => {
  const start = startGlide({ x: 0, y: 0 }, null, 0);
  const glide = extendGlide(start, { x: 30, y: 0 }, { headingDeg: null, nowMs: 3_000 });
  assert.equal(sampleGlide(glide, 3_000).x, 0);
  assert.ok(Math.abs(sampleGlide(glide, 3_000 + 1_620).x - 15) < 1e-9);
  const end = sampleGlide(glide, 3_000 + 3_240);
  assert.deepEqual([end.x, end.moving, end.ahead], [30, false, 0]);
});

Deno.test("extendGlide() runs along every fix of a burst, not straight to the last one", () => {
  let glide = startGlide({ x: 0, y: 0 }, null, 0);
  glide = extendGlide(glide, { x: 100, y: 0 }, { headingDeg: null, nowMs: 10_000 });
  glide = extendGlide(glide, { x: 100, y: 100 }, { headingDeg: null, nowMs: 10_001 });
  const half = sampleGlide(glide, 10_001 + (glide.endMs - glide.startMs) / 2);
  assert.ok(Math.hypot(half.x - 100, half.y) < 0.1, `${half.x}, ${half.y}`);
  assert.ok(sampleGlide(glide, 10_002).ahead === 2);
});

Deno.test("extendGlide() never jumps, whatever the fixes and their times", () => {
  const seed = 20261121;
  console.log(`seed ${seed}`);
  const step = fc.record({
    dx: fc.integer({ min: -150, max: 150 }),
    dy: fc.integer({ min: -150, max: 150 }),
    afterMs: fc.integer({ min: 0, max: 9_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let glide = startGlide({ x: 0, y: 0 }, 0, 0);
      let nowMs = 0, x = 0, y = 0;
      for (const { dx, dy, afterMs } of steps) {
        nowMs += afterMs;
        x += dx;
        y += dy;
        const before = sampleGlide(glide, nowMs);
        glide = extendGlide(glide, { x, y }, { headingDeg: null, nowMs });
        const after = sampleGlide(glide, nowMs);
        assert.ok(Math.hypot(after.x - before.x, after.y - before.y) < 1e-6);
      }
      const rest = sampleGlide(glide, nowMs + 60_000);
      assert.ok(Math.hypot(rest.x - x, rest.y - y) < 1e-6);
      assert.equal(rest.moving, false);
    }),
    { seed, numRuns: 300 },
  );
});

Deno.test("extendGlide() goes at once where the way is too long to be a ride", () => {
  const start = startGlide({ x: 0, y: 0 }, null, 0);
  const glide = extendGlide(start, { x: 50_000, y: 0 }, { headingDeg: null, nowMs: 3_000 });
  assert.deepEqual(sampleGlide(glide, 3_000).x, 50_000);
});

Deno.test("sampleGlide() turns the short way over north", () => {
  const start = startGlide({ x: 0, y: 0 }, 350, 0);
  const glide = extendGlide(start, { x: 0, y: -30 }, { headingDeg: 10, nowMs: 3_000 });
  const headings = [0, 0.1, 0.2, 0.3, 1].map((share) =>
    Math.round(sampleGlide(glide, 3_000 + share * 3_240).headingDeg ?? NaN)
  );
  assert.deepEqual(headings, [350, 356, 2, 8, 10]);
});

Deno.test("extendGlide() takes the heading from the step where the fix has none", () => {
  const start = startGlide({ x: 0, y: 0 }, null, 0);
  const east = extendGlide(start, { x: 30, y: 0 }, { headingDeg: null, nowMs: 3_000 });
  assert.equal(sampleGlide(east, 9_000).headingDeg, 90);
  const still = extendGlide(start, { x: 0.5, y: 0 }, { headingDeg: null, nowMs: 3_000 });
  assert.equal(sampleGlide(still, 9_000).headingDeg, null);
});
