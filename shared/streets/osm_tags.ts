/**
 * OpenStreetMap tags to who may use a way. Shared by the build of the demo city and any later import
 * of an extract, so that both read a street alike. Sources: the OSM wiki pages "Key:access" (the
 * more specific key wins: access < vehicle < motor_vehicle < motorcar) and "OSM tags for
 * routing/Access restrictions". Not read: turn restrictions, conditional tags, lanes, barriers.
 */
import { ACCESS, STREET_CLASSES, type StreetClass } from "shared/streets/street_way.ts";

export type OsmTags = Readonly<Record<string, string | undefined>>;

/** What the tags of one way say; geometry comes from elsewhere. */
export interface OsmWayRules {
  readonly streetClass: StreetClass;
  /** Sum of `ACCESS` bits, never 0. */
  readonly access: number;
  readonly maxSpeedKmh: number;
  readonly name: string;
}

const KNOWN_CLASSES: ReadonlySet<string> = new Set(STREET_CLASSES);

const FAST_ROADS: ReadonlySet<StreetClass> = new Set<StreetClass>([
  "motorway",
  "motorway_link",
  "trunk",
  "trunk_link",
]);
const NOT_FOR_MOTORS: ReadonlySet<StreetClass> = new Set<StreetClass>([
  "track",
  "pedestrian",
  "cycleway",
  "footway",
  "path",
  "bridleway",
  "steps",
]);
const NOT_FOR_RIDING: ReadonlySet<StreetClass> = new Set<StreetClass>([
  ...FAST_ROADS,
  "pedestrian",
  "footway",
  "bridleway",
  "steps",
]);

/** A courier is a visitor: gates for `destination` and `delivery` are open, `private` ones are not. */
const OPEN: ReadonlySet<string> = new Set([
  "yes",
  "designated",
  "permissive",
  "official",
  "destination",
  "delivery",
  "customers",
]);

const KMH_PER_MPH = 1.609344;
/** The stored column is a byte. */
const MAX_STORED_SPEED_KMH = 255;

/** The rules of a way, or null when it is no street or nobody may use it. */
export function readOsmWay(tags: OsmTags): OsmWayRules | null {
  const streetClass = tags.highway;
  if (streetClass === undefined || !isStreetClass(streetClass)) return null;
  const access = motorBits(tags, streetClass) | softBits(tags, streetClass);
  if (access === 0) return null;
  return { streetClass, access, maxSpeedKmh: readMaxSpeed(tags.maxspeed), name: tags.name ?? "" };
}

function isStreetClass(value: string): value is StreetClass {
  return KNOWN_CLASSES.has(value);
}

function motorBits(tags: OsmTags, streetClass: StreetClass): number {
  // An area is a place to cross on foot; its outline is not a carriageway.
  if (tags.area === "yes") return 0;
  const { forward, backward } = readOneway(tags, streetClass);
  let bits = 0;
  if (mayDrive(tags, streetClass, "motorcar")) {
    if (forward) bits |= ACCESS.carForward;
    if (backward) bits |= ACCESS.carBackward;
  }
  if (mayDrive(tags, streetClass, "motorcycle")) {
    if (forward) bits |= ACCESS.motorcycleForward;
    if (backward) bits |= ACCESS.motorcycleBackward;
  }
  return bits;
}

function mayDrive(tags: OsmTags, streetClass: StreetClass, key: "motorcar" | "motorcycle") {
  const specific = tags[key] ?? tags.motor_vehicle ?? tags.vehicle;
  if (NOT_FOR_MOTORS.has(streetClass)) return specific !== undefined && OPEN.has(specific);
  const value = specific ?? tags.access;
  return value === undefined || OPEN.has(value);
}

/** Bicycle and foot. */
function softBits(tags: OsmTags, streetClass: StreetClass): number {
  const motorroad = tags.motorroad === "yes";
  const foot = isOpen(tags.foot ?? tags.access, !FAST_ROADS.has(streetClass) && !motorroad);
  let bits = foot ? ACCESS.foot : 0;
  const bicycle = tags.bicycle ?? tags.vehicle ?? tags.access;
  const rideByDefault = !NOT_FOR_RIDING.has(streetClass) && !motorroad;
  // access=yes opens a footway to nobody new, only bicycle=yes does.
  const ride = tags.bicycle === undefined && !rideByDefault
    ? false
    : streetClass !== "steps" && isOpen(bicycle, rideByDefault);
  if (ride) {
    const { forward, backward } = readBicycleOneway(tags, streetClass);
    if (forward) bits |= ACCESS.bicycleForward;
    if (backward) bits |= ACCESS.bicycleBackward;
  } else if (foot && streetClass !== "steps" && tags.bicycle !== "no") {
    bits |= ACCESS.bicyclePush;
  }
  return bits;
}

function isOpen(value: string | undefined, byDefault: boolean): boolean {
  return value === undefined ? byDefault : OPEN.has(value);
}

interface Directions {
  readonly forward: boolean;
  readonly backward: boolean;
}

const BOTH: Directions = { forward: true, backward: true };

function readOneway(tags: OsmTags, streetClass: StreetClass): Directions {
  switch (tags.oneway) {
    case "yes":
    case "true":
    case "1":
      return { forward: true, backward: false };
    case "-1":
    case "reverse":
      return { forward: false, backward: true };
    case undefined: {
      const implied = tags.junction === "roundabout" || tags.junction === "circular" ||
        streetClass === "motorway";
      return implied ? { forward: true, backward: false } : BOTH;
    }
    default:
      return BOTH;
  }
}

function readBicycleOneway(tags: OsmTags, streetClass: StreetClass): Directions {
  if (tags["oneway:bicycle"] === "no") return BOTH;
  const lanes = [tags.cycleway, tags["cycleway:left"], tags["cycleway:right"]];
  if (lanes.some((lane) => lane?.startsWith("opposite"))) return BOTH;
  return readOneway(tags, streetClass);
}

/** `50` and `30 mph`; signed words such as `walk` or `none` count as unknown. */
function readMaxSpeed(value: string | undefined): number {
  const match = /^(\d{1,3})( mph)?$/.exec(value ?? "");
  if (match === null) return 0;
  const kmh = Number(match[1]) * (match[2] === undefined ? 1 : KMH_PER_MPH);
  return Math.min(MAX_STORED_SPEED_KMH, Math.round(kmh));
}
