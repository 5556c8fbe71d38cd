import assert from "node:assert/strict";
import fc from "fast-check";
import { polygonContains } from "./area.ts";
import type { Point } from "./point.ts";
import { findRingProblem, openRing } from "./ring.ts";

const SEED = 20261121;

function ring(...pairs: [number, number][]): Point[] {
  return pairs.map(([lat, lon]) => ({ lat, lon }));
}

const SQUARE = ring([0, 0], [0, 1], [1, 1], [1, 0]);

Deno.test("openRing() drops the point that closes a ring, and nothing else", () => {
  assert.deepEqual(openRing([...SQUARE, ...ring([0, 0])]), SQUARE);
  assert.deepEqual(openRing(SQUARE), SQUARE);
  assert.deepEqual(openRing(ring([0, 0])), ring([0, 0]));
});

Deno.test("findRingProblem() finds nothing wrong with simple rings, either way round", () => {
  for (
    const simple of [
      SQUARE,
      [...SQUARE].reverse(),
      ring([0, 0], [0, 2], [1, 1], [2, 2], [2, 0]),
      ring([0, 0], [0, 0.5], [0, 1], [1, 1]),
      ring([-10, 179], [-10, -179], [-8, -179], [-8, 179]),
    ]
  ) assert.equal(findRingProblem(simple), undefined, JSON.stringify(simple));
});

Deno.test("findRingProblem() names what is wrong and where", () => {
  const cases: [Point[], unknown][] = [
    [[], { code: "too_few_points" }],
    [ring([0, 0], [1, 1]), { code: "too_few_points" }],
    [ring([0, 0], [0, 1], [1, 1], [0, 1]), { code: "repeated_point", index: 3 }],
    [ring([0, 0], [1, 1], [0, 1], [1, 0]), { code: "edges_cross", edges: [0, 2] }],
    // A line, and a spike that goes back along its own edge.
    [ring([0, 0], [0, 1], [0, 2]), { code: "edges_cross", edges: [0, 2] }],
    [ring([0, 0], [0, 2], [0, 1], [1, 1]), { code: "edges_cross", edges: [0, 1] }],
    // A corner that touches an edge from inside.
    [ring([0, 0], [0, 2], [2, 2], [0, 1], [2, 0]), { code: "edges_cross", edges: [0, 2] }],
    [ring([0, -100], [0, 0], [0, 100], [50, 0]), { code: "too_wide", index: 1 }],
  ];
  for (const [points, problem] of cases) {
    assert.deepEqual(findRingProblem(points), problem, JSON.stringify(points));
  }
});

Deno.test("findRingProblem() accepts every star-shaped ring and refuses it with two corners swapped (property)", () => {
  console.log(`seed ${SEED}`);
  const corners = fc.array(fc.double({ min: 0.2, max: 1, noNaN: true }), {
    minLength: 5,
    maxLength: 60,
  });
  fc.assert(
    fc.property(corners, fc.nat(1_000), (radii, at) => {
      const star = radii.map((radius, index) => {
        const angle = 2 * Math.PI * index / radii.length;
        return { lat: 57 + radius * Math.sin(angle), lon: 12 + radius * Math.cos(angle) };
      });
      assert.equal(findRingProblem(star), undefined);
      assert.ok(polygonContains(star, { lat: 57, lon: 12 }));
      const i = at % (star.length - 1);
      const [a, b] = [star[i], star[i + 1]];
      if (a === undefined || b === undefined) return;
      // Neighbours of a circle swapped: the edges before and after them cross.
      const round = star.map((_, index) => {
        const angle = 2 * Math.PI * index / star.length;
        return { lat: 57 + Math.sin(angle), lon: 12 + Math.cos(angle) };
      });
      const [c, d] = [round[i], round[i + 1]];
      if (c === undefined || d === undefined) return;
      round[i] = d;
      round[i + 1] = c;
      assert.equal(findRingProblem(round)?.code, "edges_cross");
    }),
    { seed: SEED, numRuns: 300 },
  );
});
