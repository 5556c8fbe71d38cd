import assert from "node:assert/strict";
import { courierStarts, customerHomes } from "shared/city/start_points.ts";
import { loadCity } from "shared/city/load_city.ts";
import { boundsContain, polygonContains } from "shared/geo/area.ts";
import { distanceM } from "shared/geo/distance.ts";
import { decodeLine, drawableMap, MAP_CLASSES } from "shared/streets/drawable_map.ts";
import { distanceToStreetM } from "shared/streets/nearest_street.ts";

const MAX_GZIP_BYTES = 400_000;
/** The goal is 500 ms on an idle machine; the bound leaves room for a busy one. */
const MAX_LOAD_MS = 2_500;

const city = await loadCity("data/gothenburg");

Deno.test("loadCity() reads Gothenburg whole and quickly", async () => {
  const startMs = performance.now();
  const again = await loadCity("data/gothenburg");
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < MAX_LOAD_MS, `${tookMs} ms`);
  assert.deepEqual(again, city);
  assert.equal(city.network.nodeCount, 31_478);
  assert.equal(city.network.edgeCount, 44_152);
  assert.equal(city.attribution, "\u00a9 OpenStreetMap contributors");
});

Deno.test("Gothenburg has three merchants with menus, apart and beside a street", () => {
  assert.equal(city.merchants.length, 3);
  for (const merchant of city.merchants) {
    assert.ok(merchant.preparationMinutes >= 6 && merchant.preparationMinutes <= 10);
    assert.ok(merchant.menu.length >= 5 && merchant.menu.length <= 8);
    assert.ok(distanceToStreetM(city.network, merchant.location) < 15);
    for (const other of city.merchants) {
      const apartM = distanceM(merchant.location, other.location);
      assert.ok(merchant === other || apartM > 1_000, `${apartM} m`);
    }
  }
});

Deno.test("courierStarts() puts 40 couriers on streets of the served area, always the same", () => {
  const starts = courierStarts(city);
  assert.equal(starts.length, 40);
  assert.equal(new Set(starts.map((start) => start.vehicle)).size, 5);
  for (const { point } of starts) {
    assert.ok(polygonContains(city.region.servedArea, point));
    assert.ok(distanceToStreetM(city.network, point) < 0.1);
  }
  assert.deepEqual(courierStarts(city), starts);
  const places = new Set(starts.map((start) => JSON.stringify(start.point)));
  assert.equal(places.size, 40);
});

Deno.test("customerHomes() gives one place per customer in the served area", () => {
  const homes = customerHomes(city);
  assert.equal(homes.length, 60);
  for (const home of homes) assert.ok(polygonContains(city.region.servedArea, home));
  assert.deepEqual(customerHomes(city), homes);
});

Deno.test("drawableMap() of Gothenburg is small, complete and inside its bounds", async () => {
  const { network } = city;
  const map = drawableMap(network);
  assert.equal(map.attribution, "\u00a9 OpenStreetMap contributors");
  const packed = new Blob([JSON.stringify(map)]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  const byteCount = (await new Response(packed).arrayBuffer()).byteLength;
  assert.ok(byteCount < MAX_GZIP_BYTES, `${byteCount} bytes`);
  const order = map.lines.map((line) => MAP_CLASSES.indexOf(line.class));
  assert.deepEqual(order, order.toSorted((a, b) => b - a));
  assert.deepEqual(new Set(map.lines.map((line) => line.class)), new Set(MAP_CLASSES));
  let drawnM = 0;
  for (const line of map.lines) {
    assert.ok(line.points.every(Number.isInteger));
    const points = decodeLine(map, line);
    assert.ok(points.length >= 2);
    points.forEach((point, i) => {
      assert.ok(boundsContain(loosely(map.bounds), point));
      drawnM += distanceM(points[Math.max(0, i - 1)] ?? point, point);
    });
  }
  const totalM = network.edgeLengthM.reduce((sum, lengthM) => sum + lengthM, 0);
  // Cutting corners shortens lines a little.
  assert.ok(drawnM > totalM * 0.98 && drawnM < totalM * 1.01, `${drawnM} m of ${totalM} m`);
});

/** Adding up steps of 1e-5 degrees leaves an error of some 1e-13. */
function loosely(bounds: { south: number; west: number; north: number; east: number }) {
  const { south, west, north, east } = bounds;
  return { south: south - 1e-9, west: west - 1e-9, north: north + 1e-9, east: east + 1e-9 };
}
