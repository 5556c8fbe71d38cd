/**
 * What every `Router` must do, as tests: each implementation's test file calls `testRouterContract`
 * with places it can route between.
 */
import assert from "node:assert/strict";
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { polylineLengthM } from "shared/geo/polyline.ts";
import {
  MAX_TABLE_CELLS,
  type Route,
  type Router,
  type RoutingRefusal,
  type Snap,
  type Table,
} from "shared/routing/router.ts";
import { type Vehicle, VEHICLES } from "shared/streets/vehicle.ts";

export interface ContractSubject {
  /** Prefix of the test names. */
  readonly label: string;
  readonly router: Router;
  /** At least two places within `MAX_SNAP_M` of a street of every vehicle. */
  readonly places: readonly Point[];
  /** A place far from every street, or null for a router that needs none. */
  readonly nowhere: Point | null;
}

/** Figures agree to a hundredth of a millimetre or a nanosecond: only sums in another order differ. */
const TOLERANCE = 1e-5;

/** Registers the suite for one router. */
export function testRouterContract(subject: ContractSubject): void {
  testRoute(subject);
  testTable(subject);
  testNearest(subject);
  testRefusals(subject);
}

/** The answer, which must be no refusal. */
export function answered<T extends Route | Table | Snap>(answer: T | RoutingRefusal): T {
  assert.ok(answer.ok, `refused: ${JSON.stringify(answer)}`);
  return answer;
}

function pairs(places: readonly Point[]): [Point, Point][] {
  return places.map((place, i) => [place, places[(i + 1) % places.length] ?? place]);
}

function assertNear(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= TOLERANCE, `${what}: ${actual} against ${expected}`);
}

function forEachVehicle(check: (vehicle: Vehicle) => Promise<void>): () => Promise<void> {
  return async () => {
    for (const vehicle of VEHICLES) await check(vehicle);
  };
}

function testRoute({ label, router, places }: ContractSubject): void {
  Deno.test(
    `${label} route() joins the snapped ends and measures its own line`,
    forEachVehicle(async (vehicle) => {
      for (const [from, to] of pairs(places)) {
        const route = answered(await router.route(from, to, { vehicle }));
        const start = answered(await router.nearest(from, { vehicle }));
        const end = answered(await router.nearest(to, { vehicle }));
        assert.deepEqual(route.points[0], start.point);
        assert.deepEqual(route.points.at(-1), end.point);
        assertNear(route.fromSnapM, start.distanceM, "fromSnapM");
        assertNear(route.toSnapM, end.distanceM, "toSnapM");
        assertNear(route.distanceM, polylineLengthM(route.points), "distanceM");
        assert.ok(route.distanceM >= distanceM(start.point, end.point) - TOLERANCE);
        assert.ok(route.durationS > 0 && Number.isFinite(route.durationS));
        assert.equal(route.router, router.name);
      }
    }),
  );
  Deno.test(
    `${label} route() from a place to itself is nothing, in two points`,
    forEachVehicle(async (vehicle) => {
      for (const place of places) {
        const route = answered(await router.route(place, place, { vehicle }));
        assert.equal(route.durationS, 0);
        assert.equal(route.distanceM, 0);
        assert.equal(route.points.length, 2);
      }
    }),
  );
  Deno.test(`${label} route() answers the same whatever was asked before or meanwhile`, async () => {
    const ask = () =>
      VEHICLES.flatMap((vehicle) =>
        pairs(places).map(([from, to]) => router.route(from, to, { vehicle }))
      );
    const alone: (Route | RoutingRefusal)[] = [];
    for (const question of ask()) alone.push(await question);
    const [together, table] = await Promise.all([
      Promise.all(ask()),
      // Large enough to hand control back in between.
      router.table(places.slice(0, 60), places.slice(-60), { vehicle: "car" }),
    ]);
    assert.deepEqual(together, alone);
    assert.equal(table.ok, true);
  });
  Deno.test(`${label} route() of a van takes no less than a car's`, async () => {
    for (const [from, to] of pairs(places)) {
      const car = answered(await router.route(from, to, { vehicle: "car" }));
      const van = answered(await router.route(from, to, { vehicle: "van" }));
      assert.ok(van.durationS >= car.durationS);
    }
  });
}

function testTable({ label, router, places }: ContractSubject): void {
  Deno.test(
    `${label} table() holds the durations of the routes`,
    forEachVehicle(async (vehicle) => {
      const sources = places.slice(0, 6), targets = places.slice(-7);
      const table = answered(await router.table(sources, targets, { vehicle }));
      assert.equal(table.router, router.name);
      assert.equal(table.durationsS.length, sources.length);
      for (const [i, from] of sources.entries()) {
        assert.equal(table.durationsS[i]?.length, targets.length);
        for (const [j, to] of targets.entries()) {
          const route = answered(await router.route(from, to, { vehicle }));
          assertNear(table.durationsS[i]?.[j] ?? NaN, route.durationS, `cell ${i}, ${j}`);
        }
      }
    }),
  );
  Deno.test(`${label} table() may have no rows or no columns, and not too many cells`, async () => {
    const options = { vehicle: "car" } as const;
    assert.deepEqual(answered(await router.table([], places, options)).durationsS, []);
    assert.deepEqual(
      answered(await router.table(places.slice(0, 2), [], options)).durationsS,
      [[], []],
    );
    const place = places.slice(0, 1);
    const many = new Array<Point[]>(MAX_TABLE_CELLS + 1).fill(place).flat();
    assert.deepEqual(await router.table(place, many, options), {
      ok: false,
      code: "table_too_large",
      router: router.name,
    });
  });
}

function testNearest({ label, router, places }: ContractSubject): void {
  Deno.test(
    `${label} nearest() gives a place that is nearest to itself`,
    forEachVehicle(async (vehicle) => {
      for (const place of places) {
        const snap = answered(await router.nearest(place, { vehicle }));
        assertNear(snap.distanceM, distanceM(place, snap.point), "distanceM");
        assert.equal(snap.router, router.name);
        const again = answered(await router.nearest(snap.point, { vehicle }));
        assertNear(again.distanceM, 0, "distance of a snapped place");
      }
    }),
  );
}

function testRefusals({ label, router, places, nowhere }: ContractSubject): void {
  const here = places[0];
  if (nowhere === null || here === undefined) return;
  Deno.test(
    `${label} refuses ends that no street is near, and says which`,
    forEachVehicle(async (vehicle) => {
      const refusal = { ok: false, code: "no_street_near", router: router.name };
      assert.deepEqual(await router.nearest(nowhere, { vehicle }), refusal);
      assert.deepEqual(await router.route(nowhere, here, { vehicle }), { ...refusal, end: "from" });
      assert.deepEqual(await router.route(here, nowhere, { vehicle }), { ...refusal, end: "to" });
      const table = answered(
        await router.table([here, nowhere], [here, nowhere], { vehicle }),
      );
      assert.deepEqual(table.durationsS, [[0, null], [null, null]]);
    }),
  );
  Deno.test(`${label} refuses what lies farther than maxSnapM`, async () => {
    const snap = answered(await router.nearest(here, { vehicle: "car" }));
    const options = { vehicle: "car", maxSnapM: snap.distanceM / 2 } as const;
    assert.equal((await router.nearest(here, options)).ok, false);
    assert.equal((await router.route(here, here, options)).ok, false);
  });
}
