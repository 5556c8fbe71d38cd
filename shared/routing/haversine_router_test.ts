import assert from "node:assert/strict";
import { createHaversineRouter } from "shared/routing/haversine_router.ts";
import { answered, testRouterContract } from "shared/routing/router_contract.ts";
import { METRES_PER_DEGREE } from "shared/geo/segment.ts";

const PLACES = [
  { lat: 57.694, lon: 11.952 },
  { lat: 57.706, lon: 11.968 },
  { lat: -33.9, lon: 151.2 },
  { lat: 0, lon: -179.9 },
];

testRouterContract({
  label: "haversine:",
  router: createHaversineRouter(),
  places: PLACES,
  nowhere: null,
});

Deno.test("createHaversineRouter() takes 1,000 m at the speed of the vehicle", async () => {
  const router = createHaversineRouter();
  const from = { lat: 0, lon: 0 }, to = { lat: 1_000 / METRES_PER_DEGREE, lon: 0 };
  const seconds = { bicycle: 240, motorcycle: 120, car: 144, van: 180, foot: 900 } as const;
  for (const vehicle of ["bicycle", "motorcycle", "car", "van", "foot"] as const) {
    const route = answered(await router.route(from, to, { vehicle }));
    assert.ok(Math.abs(route.durationS - seconds[vehicle]) < 1e-6, vehicle);
    assert.equal(route.router, "haversine");
  }
});
