import type { City } from "shared/city/city.ts";
import { createEmbeddedRouter } from "shared/routing/embedded_router.ts";
import { gridStreets } from "shared/streets/grid_streets.ts";
import { buildStreetNetwork } from "shared/streets/street_network.ts";

/** A made-up town of 5 km by 5 km with one merchant, for tests of agents. */
export function smallTown(fleet: number) {
  const streets = gridStreets({
    origin: { lat: 57.66, lon: 11.9 },
    rows: 26,
    columns: 26,
    blockM: 200,
    oneWayEvery: 0,
    maxSpeedKmh: 40,
  });
  const network = buildStreetNetwork(streets, "made up");
  const { south, west, north, east } = network.bounds;
  const location = { lat: (south + north) / 2, lon: (west + east) / 2 };
  const city: City = {
    region: {
      id: "town",
      name: "Town",
      timeZone: "Europe/Stockholm",
      currency: "SEK",
      bounds: network.bounds,
      servedArea: [
        { lat: south - 0.01, lon: west - 0.01 },
        { lat: south - 0.01, lon: east + 0.01 },
        { lat: north + 0.01, lon: east + 0.01 },
        { lat: north + 0.01, lon: west - 0.01 },
      ],
    },
    merchants: [{
      slug: "diner",
      name: "Diner",
      category: "diner",
      location,
      address: "1 Main Street",
      preparationMinutes: 10,
      menu: [{ slug: "dish", name: "Dish", priceMinor: 100 }],
    }],
    fleet: { seed: 1, vehicles: Array.from({ length: fleet }, () => "bicycle" as const) },
    customers: { seed: 1, count: 3 },
    attribution: "made up",
    network,
  };
  return { city, network, router: createEmbeddedRouter(network), merchantLocation: location };
}
