/** What a courier moves with. The order is the one shown to people. */
export const VEHICLES = ["bicycle", "motorcycle", "car", "van", "foot"] as const;
export type Vehicle = typeof VEHICLES[number];

/** A set of access and speed rules over the streets. A van drives where a car may. */
export const PROFILES = ["car", "motorcycle", "bicycle", "foot"] as const;
export type Profile = typeof PROFILES[number];

/** The rules each vehicle follows. Several vehicles share one profile's graph. */
export const PROFILE_OF_VEHICLE: Readonly<Record<Vehicle, Profile>> = {
  bicycle: "bicycle",
  motorcycle: "motorcycle",
  car: "car",
  van: "car",
  foot: "foot",
};
