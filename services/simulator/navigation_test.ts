import assert from "node:assert/strict";
import { distanceM } from "shared/geo/distance.ts";
import { createStreetSampler } from "shared/streets/street_sampler.ts";
import { Navigation } from "./navigation.ts";
import { createRandom } from "./random.ts";
import { smallTown } from "./testing/small_town.ts";

function navigationOf(town: ReturnType<typeof smallTown>) {
  const within = town.city.region.servedArea;
  return new Navigation({
    router: town.router,
    streetPoint: createStreetSampler(town.network, { within, profile: "car" }),
    landmarks: [],
  });
}

Deno.test("Navigation.way() follows streets at the vehicle's own pace", async () => {
  const town = smallTown(1);
  const { south, west, north, east } = town.network.bounds;
  const corner = { lat: south, lon: west };
  const way = await navigationOf(town).way(corner, { lat: north, lon: east }, "bicycle");
  assert.equal(way.onStreets, true);
  assert.ok(Math.abs(way.speedMps - 15 / 3.6) < 0.05, `${way.speedMps} m/s`);
  assert.ok(way.points.length > 2);
});

Deno.test("Navigation.way() walks straight where the streets give no way", async () => {
  const town = smallTown(1);
  const far = { lat: 58.5, lon: 12.5 };
  const way = await navigationOf(town).way(town.merchantLocation, far, "car");
  assert.equal(way.onStreets, false);
  assert.deepEqual(way.points, [town.merchantLocation, far]);
});

Deno.test("Navigation.way() from a place to itself has a speed, so that it can end", async () => {
  const town = smallTown(1);
  const way = await navigationOf(town).way(town.merchantLocation, town.merchantLocation, "car");
  assert.ok(way.speedMps > 0);
});

Deno.test("Navigation.addressAround() stays between its distances, and says when nothing does", () => {
  const town = smallTown(1);
  const navigation = navigationOf(town);
  const random = createRandom(5, "addresses");
  for (let i = 0; i < 100; i++) {
    const distance = { minM: 600, maxM: 3_500 };
    const point = navigation.addressAround(town.merchantLocation, distance, random);
    assert.ok(point);
    const awayM = distanceM(town.merchantLocation, point);
    assert.ok(awayM >= 600 && awayM <= 3_500, `${awayM} m`);
  }
  const nowhere = { minM: 50_000, maxM: 60_000 };
  assert.equal(navigation.addressAround(town.merchantLocation, nowhere, random), undefined);
});
