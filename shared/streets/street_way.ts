import type { Point } from "shared/geo/point.ts";

/** OpenStreetMap's `highway` values that someone may move on. Stored files hold these names. */
export const STREET_CLASSES = [
  "motorway",
  "motorway_link",
  "trunk",
  "trunk_link",
  "primary",
  "primary_link",
  "secondary",
  "secondary_link",
  "tertiary",
  "tertiary_link",
  "unclassified",
  "residential",
  "living_street",
  "service",
  "track",
  "road",
  "pedestrian",
  "cycleway",
  "footway",
  "path",
  "bridleway",
  "steps",
] as const;
export type StreetClass = typeof STREET_CLASSES[number];

/**
 * Who may use a way, as bits in a byte. Forward is the order of its points. Walking has no
 * direction; `bicyclePush` is a bicycle led on foot where riding is not allowed.
 */
export const ACCESS = {
  carForward: 1,
  carBackward: 2,
  motorcycleForward: 4,
  motorcycleBackward: 8,
  bicycleForward: 16,
  bicycleBackward: 32,
  bicyclePush: 64,
  foot: 128,
} as const;

/** One street before it is cut at its junctions: ways that share a point (exactly) are joined there. */
export interface StreetWay {
  readonly streetClass: StreetClass;
  /** Sum of `ACCESS` bits. */
  readonly access: number;
  /** Signed limit, 0 where unknown. */
  readonly maxSpeedKmh: number;
  /** Empty where it has none. */
  readonly name: string;
  readonly points: readonly Point[];
}
