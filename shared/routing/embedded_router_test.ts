import assert from "node:assert/strict";
import type { City } from "shared/city/city.ts";
import { loadCity } from "shared/city/load_city.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { courierStarts, customerHomes } from "shared/city/start_points.ts";
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { METRES_PER_DEGREE } from "shared/geo/segment.ts";
import { createEmbeddedRouter } from "shared/routing/embedded_router.ts";
import { referenceArcs, referenceDurations } from "shared/routing/reference_dijkstra.ts";
import type { Router } from "shared/routing/router.ts";
import { answered, testRouterContract } from "shared/routing/router_contract.ts";
import { DURATION_FACTOR } from "shared/routing/speeds.ts";
import { distanceToStreetM } from "shared/streets/nearest_street.ts";
import { buildStreetNetwork, vertexPoint } from "shared/streets/street_network.ts";
import { ACCESS, type StreetWay } from "shared/streets/street_way.ts";
import { PROFILE_OF_VEHICLE, type Vehicle, VEHICLES } from "shared/streets/vehicle.ts";

const gridtown = await loadCity("data/gridtown");
const gothenburg = await loadCity("data/gothenburg");
const gridtownRouter = createEmbeddedRouter(gridtown.network);
const gothenburgRouter = createEmbeddedRouter(gothenburg.network);

/** Everything a demo routes between: merchants, couriers, customers. */
function placesOf(city: City): Point[] {
  return [
    ...city.merchants.map((merchant) => merchant.location),
    ...courierStarts(city).map((start) => start.point),
    ...customerHomes(city),
  ];
}

for (
  const [city, router] of [[gridtown, gridtownRouter], [gothenburg, gothenburgRouter]] as const
) {
  testRouterContract({
    label: `embedded, ${city.region.id}:`,
    router,
    places: placesOf(city),
    nowhere: { lat: 0, lon: 0 },
  });
}

/** Compares routes between random nodes with `reference_dijkstra.ts`; gives the number of pairs. */
async function compareWithReference(
  { city, router, vehicle }: { city: City; router: Router; vehicle: Vehicle },
  { sources, targetsEach, seed }: { sources: number; targetsEach: number; seed: number },
): Promise<number> {
  const { network } = city;
  const arcs = referenceArcs(network, PROFILE_OF_VEHICLE[vehicle]);
  const random = createSeededRandom(seed);
  const isOnStreet = async (node: number) => {
    const snap = await router.nearest(vertexPoint(network, node), { vehicle, maxSnapM: 0.001 });
    return snap.ok;
  };
  const drawNode = async () => {
    for (let tries = 0; tries < 10_000; tries++) {
      const node = Math.floor(random() * network.nodeCount);
      if (await isOnStreet(node)) return node;
    }
    throw new Error(`seed ${seed}: no node on a street of a ${vehicle} in 10,000 tries`);
  };
  let pairs = 0;
  for (let i = 0; i < sources; i++) {
    const source = await drawNode();
    const leastMs = referenceDurations(arcs, source);
    for (let j = 0; j < targetsEach; j++) {
      const target = await drawNode();
      const route = answered(
        await router.route(vertexPoint(network, source), vertexPoint(network, target), { vehicle }),
      );
      const expectedS = leastMs[target]! * DURATION_FACTOR[vehicle] / 1_000;
      assert.equal(route.durationS, expectedS, `seed ${seed}, ${vehicle}, ${source} to ${target}`);
      pairs++;
    }
  }
  return pairs;
}

for (const vehicle of VEHICLES) {
  Deno.test(`embedded, gothenburg: 200 random routes by ${vehicle} cost what Dijkstra says`, async () => {
    const subject = { city: gothenburg, router: gothenburgRouter, vehicle };
    const size = { sources: 20, targetsEach: 10, seed: 1_959 };
    assert.equal(await compareWithReference(subject, size), 200);
  });
  Deno.test(`embedded, gridtown: 200 random routes by ${vehicle} cost what Dijkstra says`, async () => {
    const subject = { city: gridtown, router: gridtownRouter, vehicle };
    const size = { sources: 20, targetsEach: 10, seed: 1_956 };
    assert.equal(await compareWithReference(subject, size), 200);
  });
}

Deno.test("embedded, gothenburg: routes never leave the streets", async () => {
  const places = placesOf(gothenburg);
  for (const vehicle of VEHICLES) {
    for (let i = 0; i + 1 < places.length; i += 5) {
      const route = answered(
        await gothenburgRouter.route(places[i]!, places[i + 1]!, { vehicle }),
      );
      for (const [j, point] of route.points.entries()) {
        const before = route.points[Math.max(0, j - 1)] ?? point;
        const middle = { lat: (before.lat + point.lat) / 2, lon: (before.lon + point.lon) / 2 };
        assert.ok(distanceToStreetM(gothenburg.network, point) < 0.05);
        assert.ok(distanceToStreetM(gothenburg.network, middle) < 0.05);
      }
    }
  }
});

Deno.test("embedded, gothenburg: every place of the demo has a street within 250 m", async () => {
  for (const vehicle of VEHICLES) {
    for (const [i, place] of placesOf(gothenburg).entries()) {
      const snap = answered(await gothenburgRouter.nearest(place, { vehicle }));
      assert.ok(snap.distanceM < 250, `${vehicle}, place ${i}: ${snap.distanceM} m`);
    }
    for (const { location } of gothenburg.merchants) {
      const snap = answered(await gothenburgRouter.nearest(location, { vehicle }));
      assert.ok(snap.distanceM < 15, `${vehicle}: ${snap.distanceM} m`);
    }
  }
});

Deno.test("embedded, gothenburg: nearest() names the street", async () => {
  const names: (string | undefined)[] = [];
  for (const { location } of gothenburg.merchants) {
    names.push(answered(await gothenburgRouter.nearest(location, { vehicle: "car" })).streetName);
  }
  assert.deepEqual(names, ["Linn\u00e9gatan", "\u00d6stra Hamngatan", "Redbergsv\u00e4gen"]);
});

const EVERYONE = 255 & ~ACCESS.bicyclePush;
const ONE_WAY = ACCESS.carForward | ACCESS.motorcycleForward | ACCESS.bicycleForward | ACCESS.foot;

function at(northM: number, eastM: number): Point {
  return { lat: northM / METRES_PER_DEGREE, lon: eastM / METRES_PER_DEGREE };
}

function way(access: number, points: readonly Point[], more: Partial<StreetWay> = {}): StreetWay {
  return { streetClass: "residential", access, maxSpeedKmh: 36, name: "", points, ...more };
}

/** A block of 400 m x 100 m whose south side is one-way to the east. */
const BLOCK = buildStreetNetwork([
  way(ONE_WAY, [at(0, 0), at(0, 400)]),
  way(EVERYONE, [at(0, 400), at(100, 400), at(100, 0), at(0, 0)]),
], "made up");

Deno.test("embedded: a route starts and ends between junctions", async () => {
  const router = createEmbeddedRouter(BLOCK);
  const route = answered(await router.route(at(-5, 100), at(-5, 300), { vehicle: "car" }));
  assert.equal(route.points.length, 2);
  assert.ok(distanceM(route.points[0]!, at(0, 100)) < 0.01);
  assert.ok(distanceM(route.points[1]!, at(0, 300)) < 0.01);
  assert.ok(Math.abs(route.distanceM - 200) < 0.01);
  assert.ok(Math.abs(route.fromSnapM - 5) < 0.01);
  // 200 m at 0.8 x 36 km/h, which is 8 m/s.
  assert.ok(Math.abs(route.durationS - 25) < 0.01);
});

Deno.test("embedded: against a one-way street a car goes round the block, feet do not", async () => {
  const router = createEmbeddedRouter(BLOCK);
  for (const vehicle of ["car", "van", "motorcycle", "bicycle"] as const) {
    const route = answered(await router.route(at(0, 300), at(0, 100), { vehicle }));
    assert.ok(Math.abs(route.distanceM - 800) < 0.01, `${vehicle}: ${route.distanceM}`);
    assert.equal(route.points.length, 6);
  }
  const walk = answered(await router.route(at(0, 300), at(0, 100), { vehicle: "foot" }));
  assert.ok(Math.abs(walk.distanceM - 200) < 0.01);
});

Deno.test("embedded: at a junction a route may take any street", async () => {
  const router = createEmbeddedRouter(BLOCK);
  const route = answered(await router.route(at(0, 0), at(50, 400), { vehicle: "car" }));
  assert.ok(Math.abs(route.distanceM - 450) < 0.01, String(route.distanceM));
  const back = answered(await router.route(at(0, 400), at(100, 200), { vehicle: "car" }));
  assert.ok(Math.abs(back.distanceM - 300) < 0.01, String(back.distanceM));
});

Deno.test("embedded: streets cut off from the rest are not snapped to", async () => {
  const island = way(EVERYONE, [at(-50, 0), at(-50, 100)]);
  const deadEnd = way(ONE_WAY, [at(100, 0), at(200, 0)]);
  const network = buildStreetNetwork([
    way(ONE_WAY, [at(0, 0), at(0, 400)]),
    way(EVERYONE, [at(0, 400), at(100, 400), at(100, 0), at(0, 0)]),
    island,
    deadEnd,
  ], "made up");
  const router = createEmbeddedRouter(network);
  const besideIsland = answered(await router.nearest(at(-49, 50), { vehicle: "foot" }));
  assert.ok(Math.abs(besideIsland.distanceM - 49) < 0.01, String(besideIsland.distanceM));
  const inDeadEnd = answered(await router.nearest(at(150, 0), { vehicle: "car" }));
  assert.ok(Math.abs(inDeadEnd.distanceM - 50) < 0.01, String(inDeadEnd.distanceM));
  // On foot the dead end has a way back.
  assert.ok(answered(await router.nearest(at(150, 0), { vehicle: "foot" })).distanceM < 0.01);
});

Deno.test("embedded: feet take the path, bicycles are led along it if that is quicker, cars go round", async () => {
  const path = way(ACCESS.foot | ACCESS.bicyclePush, [at(0, 0), at(100, 400)], {
    streetClass: "footway",
    maxSpeedKmh: 0,
  });
  const network = buildStreetNetwork(
    [way(EVERYONE, [at(0, 0), at(0, 400), at(100, 400), at(100, 0), at(0, 0)]), path],
    "made up",
  );
  const router = createEmbeddedRouter(network);
  const lengths: Record<string, number> = {};
  for (const vehicle of ["foot", "bicycle", "car"] as const) {
    const route = answered(await router.route(at(0, 0), at(100, 400), { vehicle }));
    lengths[vehicle] = Math.round(route.distanceM);
  }
  // 412 m led at 4 km/h take 371 s, 500 m ridden at 15 km/h take 120 s.
  assert.deepEqual(lengths, { foot: 412, bicycle: 500, car: 500 });
});

Deno.test("embedded: loops can be started in, ended in and passed by", async () => {
  const network = buildStreetNetwork([
    way(EVERYONE, [at(0, 0), at(0, 200)]),
    way(ONE_WAY, [at(0, 200), at(50, 250), at(0, 300), at(-50, 250), at(0, 200)]),
  ], "made up");
  const router = createEmbeddedRouter(network);
  const side = Math.SQRT2 * 50;
  const into = answered(await router.route(at(0, 100), at(0, 300), { vehicle: "car" }));
  assert.ok(Math.abs(into.distanceM - (100 + 2 * side)) < 0.05, String(into.distanceM));
  const out = answered(await router.route(at(50, 250), at(0, 100), { vehicle: "car" }));
  assert.ok(Math.abs(out.distanceM - (100 + 3 * side)) < 0.05, String(out.distanceM));
  const around = answered(await router.route(at(0, 300), at(50, 250), { vehicle: "car" }));
  assert.ok(Math.abs(around.distanceM - 3 * side) < 0.05, String(around.distanceM));
});
