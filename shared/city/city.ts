import type { Bounds } from "shared/geo/area.ts";
import type { Point } from "shared/geo/point.ts";
import type { StreetNetwork } from "shared/streets/street_network.ts";
import type { Vehicle } from "shared/streets/vehicle.ts";

/** A city folder read into memory: what is seeded, simulated and driven on. */
export interface City {
  readonly region: Region;
  readonly merchants: readonly CityMerchant[];
  readonly fleet: FleetPlan;
  readonly customers: CustomerPlan;
  /** What must be shown with the map, e.g. the copyright of the street data. */
  readonly attribution: string;
  readonly network: StreetNetwork;
}

/** The unit of partition, and where orders are accepted. */
export interface Region {
  /** Lower-case, stable: part of keys and URLs. */
  readonly id: string;
  readonly name: string;
  /** IANA name. */
  readonly timeZone: string;
  /** ISO 4217; prices are in its minor unit. */
  readonly currency: string;
  /** The box around `servedArea`. */
  readonly bounds: Bounds;
  /** Ring (open, no repeated first point) of pickups and dropoffs; well inside the street data. */
  readonly servedArea: readonly Point[];
}

export interface CityMerchant {
  /** Stable within the city; seeds derive ids from it. */
  readonly slug: string;
  readonly name: string;
  readonly category: string;
  readonly location: Point;
  readonly address: string;
  readonly preparationMinutes: number;
  readonly menu: readonly CityMenuItem[];
}

export interface CityMenuItem {
  readonly slug: string;
  readonly name: string;
  readonly priceMinor: number;
}

/** The couriers a demo or a test starts with; positions follow from `seed` alone. */
export interface FleetPlan {
  readonly seed: number;
  /** One entry per courier, in a fixed order. */
  readonly vehicles: readonly Vehicle[];
}

export interface CustomerPlan {
  readonly seed: number;
  readonly count: number;
}
