import assert from "node:assert/strict";
import { gridStreets } from "shared/streets/grid_streets.ts";
import { distanceToStreetM, findNearestStreet } from "shared/streets/nearest_street.ts";
import {
  buildStreetNetwork,
  edgeNodes,
  edgeStreetClass,
  type StreetNetwork,
  vertexPoint,
} from "shared/streets/street_network.ts";
import { ACCESS, type StreetWay } from "shared/streets/street_way.ts";
import { METRES_PER_DEGREE, projectOntoSegment } from "shared/geo/segment.ts";
import type { Point } from "shared/geo/point.ts";
import { polylineLengthM } from "shared/geo/polyline.ts";
import { createStreetSampler } from "shared/streets/street_sampler.ts";

const ATTRIBUTION = "made up";

/** A way through places given in metres north and east of (0, 0). */
function way(places: readonly (readonly [number, number])[], more: Partial<StreetWay> = {}) {
  return {
    streetClass: "residential",
    access: ACCESS.foot,
    maxSpeedKmh: 0,
    name: "",
    points: places.map(([y, x]) => ({ lat: y / METRES_PER_DEGREE, lon: x / METRES_PER_DEGREE })),
    ...more,
  } satisfies StreetWay;
}

function edgeShapes(network: StreetNetwork): number[][] {
  return Array.from(
    { length: network.edgeCount },
    (_, edge) =>
      Array.from(network.shape.subarray(network.edgeStart[edge], network.edgeStart[edge + 1])),
  );
}

const GRID = {
  origin: { lat: 52, lon: 3 },
  rows: 6,
  columns: 5,
  blockM: 100,
  oneWayEvery: 2,
  maxSpeedKmh: 50,
};

Deno.test("buildStreetNetwork() cuts ways where they meet and nowhere else", () => {
  const main = way([[0, 0], [0, 50], [0, 100], [0, 200]], { name: "Main", maxSpeedKmh: 50 });
  const side = way([[0, 100], [80, 100]], { streetClass: "service", access: 3 });
  const network = buildStreetNetwork([main, side], ATTRIBUTION);
  // Nodes: both ends of Main, the crossing, the end of the side street; the bend of Main is shape.
  assert.equal(network.nodeCount, 4);
  assert.deepEqual(edgeShapes(network), [[0, 4, 1], [1, 2], [1, 3]]);
  assert.deepEqual(edgeNodes(network, 0), { from: 0, to: 1 });
  assert.deepEqual([0, 1, 2].map((edge) => edgeStreetClass(network, edge)), [
    "residential",
    "residential",
    "service",
  ]);
  assert.deepEqual([...network.edgeMaxSpeedKmh], [50, 50, 0]);
  assert.deepEqual([...network.edgeAccess], [ACCESS.foot, ACCESS.foot, 3]);
  assert.deepEqual([...network.edgeName].map((name) => network.names[name]), ["Main", "Main", ""]);
  assert.deepEqual([...network.edgeLengthM].map(Math.round), [100, 100, 80]);
});

Deno.test("buildStreetNetwork() joins equal places only, not near ones", () => {
  const crossing = [way([[0, 0], [0, 100]]), way([[-50, 50], [50, 50]])];
  assert.equal(buildStreetNetwork(crossing, ATTRIBUTION).edgeCount, 2);
});

Deno.test("buildStreetNetwork() keeps loops and drops repeated points and dots", () => {
  const loop = way([[0, 0], [0, 50], [50, 50], [50, 50], [0, 0]]);
  const network = buildStreetNetwork([loop, way([[9, 9], [9, 9]]), way([[5, 5]])], ATTRIBUTION);
  assert.deepEqual(edgeShapes(network), [[0, 1, 2, 0]]);
  assert.throws(() => buildStreetNetwork([way([[5, 5]])], ATTRIBUTION), RangeError);
});

Deno.test("gridStreets() makes the streets and blocks it was asked for", () => {
  const network = buildStreetNetwork(gridStreets(GRID), ATTRIBUTION);
  assert.equal(network.nodeCount, 30);
  assert.equal(network.edgeCount, 6 * 4 + 5 * 5 + 1);
  const totalM = network.edgeLengthM.reduce((sum, lengthM) => sum + lengthM, 0);
  assert.ok(Math.abs(totalM - (49 * 100 + Math.SQRT2 * 100)) < 5, String(totalM));
});

Deno.test("findNearestStreet() finds what looking at every segment finds", () => {
  const network = buildStreetNetwork(gridStreets(GRID), ATTRIBUTION);
  const random = createSequence(0.5);
  for (let i = 0; i < 300; i++) {
    const point = { lat: 51.998 + random() * 0.009, lon: 2.997 + random() * 0.012 };
    const found = findNearestStreet(network, point, { withinM: 5_000, accepts: () => true });
    assert.ok(found !== null);
    const leastM = leastDistanceM(network, point);
    assert.ok(Math.abs(found.distanceM - leastM) < 1e-3, `${found.distanceM} against ${leastM}`);
    const shape = edgeShapes(network)[found.edge] ?? [];
    const before = shape.slice(0, found.segment - (network.edgeStart[found.edge] ?? 0) + 1)
      .map((vertex) => vertexPoint(network, vertex));
    assert.ok(Math.abs(polylineLengthM([...before, found.point]) - found.offsetM) < 0.01);
  }
});

Deno.test("findNearestStreet() looks no farther than it may and only where it may", () => {
  const network = buildStreetNetwork(
    [way([[0, 0], [0, 300]]), way([[100, 0], [100, 300]], { streetClass: "footway" })],
    ATTRIBUTION,
  );
  const point = { lat: 80 / METRES_PER_DEGREE, lon: 150 / METRES_PER_DEGREE };
  const find = (withinM: number, accepts = (_edge: number) => true) =>
    findNearestStreet(network, point, { withinM, accepts })?.edge ?? null;
  assert.equal(find(500), 1);
  assert.equal(find(500, (edge) => edge === 0), 0);
  assert.equal(find(21), 1);
  assert.equal(find(19), null);
  assert.equal(find(79, (edge) => edge === 0), null);
});

Deno.test("distanceToStreetM() is 0 on a street, grows off it, and is Infinity far away", () => {
  const network = buildStreetNetwork([way([[0, 0], [0, 1_000]])], ATTRIBUTION);
  const at = (y: number, x: number) => ({ lat: y / METRES_PER_DEGREE, lon: x / METRES_PER_DEGREE });
  assert.ok(distanceToStreetM(network, at(0, 500)) < 1e-6);
  assert.ok(Math.abs(distanceToStreetM(network, at(-15, 500)) - 15) < 1e-6);
  assert.ok(Math.abs(distanceToStreetM(network, at(0, 5_900)) - 4_900) < 1e-3);
  assert.equal(distanceToStreetM(network, at(6_000, 500)), Infinity);
  assert.equal(distanceToStreetM(network, { lat: -60, lon: 100 }), Infinity);
});

Deno.test("createStreetSampler() gives places on streets of the profile inside the ring", () => {
  const network = buildStreetNetwork(
    [way([[0, 0], [0, 300]]), way([[100, 0], [100, 300]], { access: ACCESS.carForward })],
    ATTRIBUTION,
  );
  const ring = [[-50, -50], [-50, 400], [200, 400], [200, -50]]
    .map(([y = 0, x = 0]) => ({ lat: y / METRES_PER_DEGREE, lon: x / METRES_PER_DEGREE }));
  const sample = createStreetSampler(network, { within: ring, profile: "car" });
  const random = createSequence(0.25);
  const points = Array.from({ length: 50 }, () => sample(random));
  assert.ok(points.every((point) => Math.abs(point.lat * METRES_PER_DEGREE - 100) < 0.02));
  const again = createSequence(0.25);
  assert.deepEqual(Array.from({ length: 50 }, () => sample(again)), points);
  assert.throws(() => createStreetSampler(network, { within: ring, profile: "bicycle" }), {
    message: "Cannot sample streets: none for bicycle inside the area",
  });
});

function leastDistanceM(network: StreetNetwork, point: Point): number {
  let leastM = Infinity;
  for (const shape of edgeShapes(network)) {
    for (let i = 1; i < shape.length; i++) {
      const [a = 0, b = 0] = [shape[i - 1], shape[i]];
      const { distanceM } = projectOntoSegment(
        point,
        vertexPoint(network, a),
        vertexPoint(network, b),
      );
      leastM = Math.min(leastM, distanceM);
    }
  }
  return leastM;
}

/** Evenly spread numbers in [0, 1): the fractional parts of multiples of the golden ratio. */
function createSequence(start: number): () => number {
  let at = start;
  return () => (at = (at + 0.618_033_988_749_895) % 1);
}
