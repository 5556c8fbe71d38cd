import assert from "node:assert/strict";
import fc from "fast-check";
import { bearingDeg, destination, distanceM } from "shared/geo/distance.ts";
import { EARTH_RADIUS_M } from "shared/geo/point.ts";

const GOTHENBURG = { lat: 57.7089, lon: 11.9746 };
const STOCKHOLM = { lat: 59.3293, lon: 18.0686 };

const anyPoint = fc.record({
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
});
const cityPoint = fc.record({
  lat: fc.double({ min: -75, max: 75, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
});

Deno.test("distanceM() gives the arcs that geometry says", () => {
  const quarter = EARTH_RADIUS_M * Math.PI / 2;
  assert.ok(Math.abs(distanceM({ lat: 0, lon: 0 }, { lat: 0, lon: 90 }) - quarter) < 1e-6);
  assert.ok(Math.abs(distanceM({ lat: 90, lon: 0 }, { lat: -90, lon: 77 }) - 2 * quarter) < 1e-6);
  assert.ok(Math.abs(distanceM({ lat: 0, lon: 0 }, { lat: 1, lon: 0 }) - 111_195.08) < 0.01);
});

Deno.test("distanceM() between two cities is within 0.6 % of the 398,157 m of Vincenty on WGS 84", () => {
  assert.ok(Math.abs(distanceM(GOTHENBURG, STOCKHOLM) - 398_157) < 398_157 * 0.006);
});

Deno.test("distanceM() takes the short way over the antimeridian", () => {
  const across = distanceM({ lat: 0, lon: 179.999 }, { lat: 0, lon: -179.999 });
  assert.ok(Math.abs(across - 222.39) < 0.01, String(across));
});

Deno.test("distanceM() is symmetric, zero to itself, at most half the Earth (property)", () => {
  fc.assert(fc.property(anyPoint, anyPoint, (a, b) => {
    const metres = distanceM(a, b);
    assert.equal(metres, distanceM(b, a));
    assert.equal(distanceM(a, a), 0);
    assert.ok(metres >= 0 && metres <= EARTH_RADIUS_M * Math.PI + 1e-6);
  }));
});

Deno.test("bearingDeg() is clockwise from north", () => {
  const origin = { lat: 0, lon: 0 };
  assert.equal(bearingDeg(origin, { lat: 1, lon: 0 }), 0);
  assert.equal(bearingDeg(origin, { lat: 0, lon: 1 }), 90);
  assert.equal(bearingDeg(origin, { lat: -1, lon: 0 }), 180);
  assert.equal(bearingDeg(origin, { lat: 0, lon: -1 }), 270);
  assert.equal(bearingDeg(origin, origin), 0);
});

Deno.test("destination() goes as far and in the direction it was told (property)", () => {
  const heading = fc.double({ min: 0, max: 359.9, noNaN: true });
  const length = fc.double({ min: 1, max: 100_000, noNaN: true });
  fc.assert(fc.property(cityPoint, heading, length, (start, headingDeg, lengthM) => {
    const end = destination(start, headingDeg, lengthM);
    assert.ok(Math.abs(distanceM(start, end) - lengthM) < 1e-3);
    const off = Math.abs(bearingDeg(start, end) - headingDeg);
    assert.ok(Math.min(off, 360 - off) < 1e-2, `${headingDeg} is off by ${off}`);
    assert.ok(end.lon >= -180 && end.lon < 180);
  }));
});
