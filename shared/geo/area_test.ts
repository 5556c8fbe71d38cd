import assert from "node:assert/strict";
import fc from "fast-check";
import { boundsContain, boundsOf, polygonContains } from "shared/geo/area.ts";

const SQUARE = [
  { lat: 0, lon: 0 },
  { lat: 0, lon: 10 },
  { lat: 10, lon: 10 },
  { lat: 10, lon: 0 },
];

Deno.test("boundsOf() is the smallest box", () => {
  assert.deepEqual(boundsOf([{ lat: 1, lon: 5 }, { lat: -2, lon: 7 }, { lat: 0, lon: 6 }]), {
    south: -2,
    west: 5,
    north: 1,
    east: 7,
  });
  assert.throws(() => boundsOf([]), RangeError);
});

Deno.test("boundsContain() counts the edge and knows boxes over the antimeridian", () => {
  const box = { south: -5, west: 175, north: 5, east: -175 };
  assert.equal(boundsContain(box, { lat: 5, lon: 175 }), true);
  assert.equal(boundsContain(box, { lat: 0, lon: -179 }), true);
  assert.equal(boundsContain(box, { lat: 0, lon: 0 }), false);
  assert.equal(boundsContain(box, { lat: 6, lon: 180 }), false);
  assert.equal(boundsContain({ ...box, west: -10, east: 10 }, { lat: 0, lon: 180 }), false);
});

Deno.test("polygonContains() follows concave rings", () => {
  const horseshoe = [
    { lat: 0, lon: 0 },
    { lat: 0, lon: 10 },
    { lat: 10, lon: 10 },
    { lat: 10, lon: 7 },
    { lat: 3, lon: 7 },
    { lat: 3, lon: 3 },
    { lat: 10, lon: 3 },
    { lat: 10, lon: 0 },
  ];
  assert.equal(polygonContains(horseshoe, { lat: 6, lon: 5 }), false);
  assert.equal(polygonContains(horseshoe, { lat: 6, lon: 1 }), true);
  assert.equal(polygonContains(horseshoe, { lat: 6, lon: 8 }), true);
  assert.equal(polygonContains([], { lat: 0, lon: 0 }), false);
});

Deno.test("polygonContains() works over the antimeridian", () => {
  const ring = [
    { lat: -1, lon: 179 },
    { lat: -1, lon: -179 },
    { lat: 1, lon: -179 },
    { lat: 1, lon: 179 },
  ];
  assert.equal(polygonContains(ring, { lat: 0, lon: 179.5 }), true);
  assert.equal(polygonContains(ring, { lat: 0, lon: -179.5 }), true);
  assert.equal(polygonContains(ring, { lat: 0, lon: 178.5 }), false);
  assert.equal(polygonContains(ring, { lat: 0, lon: -178.5 }), false);
  assert.equal(polygonContains(ring, { lat: 0, lon: 0 }), false);
});

Deno.test("polygonContains() of a box is boundsContain(), whatever the winding (property)", () => {
  const coordinate = fc.double({ min: -19.5, max: 19.5, noNaN: true });
  const bounds = boundsOf(SQUARE);
  fc.assert(fc.property(coordinate, coordinate, (lat, lon) => {
    fc.pre(![0, 10].includes(lat) && ![0, 10].includes(lon));
    const expected = boundsContain(bounds, { lat, lon });
    assert.equal(polygonContains(SQUARE, { lat, lon }), expected);
    assert.equal(polygonContains(SQUARE.toReversed(), { lat, lon }), expected);
    assert.equal(polygonContains([...SQUARE, ...SQUARE.slice(0, 1)], { lat, lon }), expected);
  }));
});
