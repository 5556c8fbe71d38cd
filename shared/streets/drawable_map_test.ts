import assert from "node:assert/strict";
import { distanceToSegmentM } from "shared/geo/segment.ts";
import { decodeLine, drawableMap } from "shared/streets/drawable_map.ts";
import { gridStreets } from "shared/streets/grid_streets.ts";
import { buildStreetNetwork, vertexPoint } from "shared/streets/street_network.ts";

const TOWN = {
  origin: { lat: 52, lon: 3 },
  rows: 6,
  columns: 5,
  blockM: 100,
  oneWayEvery: 2,
  maxSpeedKmh: 50,
};

Deno.test("drawableMap() draws every street within 6 m of where it is", () => {
  const network = buildStreetNetwork(gridStreets(TOWN), "made up");
  const map = drawableMap(network);
  const lines = map.lines.map((line) => decodeLine(map, line));
  for (let vertex = 0; vertex < network.vertexLat.length; vertex++) {
    const point = vertexPoint(network, vertex);
    const offM = Math.min(
      ...lines.flatMap((line) =>
        line.map((to, i) => distanceToSegmentM(point, line[Math.max(0, i - 1)] ?? to, to))
      ),
    );
    assert.ok(offM < 6, `vertex ${vertex} is ${offM} m off every line`);
  }
});

Deno.test("drawableMap() says what must be shown and where the map lies", () => {
  const map = drawableMap(buildStreetNetwork(gridStreets(TOWN), "made up"));
  assert.equal(map.attribution, "made up");
  assert.equal(map.unitsPerDegree, 100_000);
  assert.deepEqual(map.bounds, { south: 52, west: 3, north: 52.0045, east: 3.00585 });
  // The path is painted first, the outer roads last.
  assert.equal(map.lines[0]?.class, "path");
  assert.equal(map.lines.at(-1)?.class, "main");
});
