import assert from "node:assert/strict";
import { type OsmTags, readOsmWay } from "shared/streets/osm_tags.ts";
import { ACCESS } from "shared/streets/street_way.ts";

const CAR = ACCESS.carForward | ACCESS.carBackward;
const MOTORCYCLE = ACCESS.motorcycleForward | ACCESS.motorcycleBackward;
const BICYCLE = ACCESS.bicycleForward | ACCESS.bicycleBackward;
const EVERYONE = CAR | MOTORCYCLE | BICYCLE | ACCESS.foot;
const FORWARD = ACCESS.carForward | ACCESS.motorcycleForward | ACCESS.bicycleForward | ACCESS.foot;
const BACKWARD = ACCESS.carBackward | ACCESS.motorcycleBackward | ACCESS.bicycleBackward |
  ACCESS.foot;

const ACCESS_CASES: readonly (readonly [string, OsmTags, number])[] = [
  ["a plain street is for everyone", { highway: "residential" }, EVERYONE],
  ["oneway=yes is forward", { highway: "residential", oneway: "yes" }, FORWARD],
  ["oneway=-1 is backward", { highway: "residential", oneway: "-1" }, BACKWARD],
  ["roundabouts are forward", { highway: "tertiary", junction: "roundabout" }, FORWARD],
  [
    "oneway=no overrides a roundabout",
    { highway: "tertiary", junction: "roundabout", oneway: "no" },
    EVERYONE,
  ],
  [
    "motorways are forward and for motors only",
    { highway: "motorway" },
    ACCESS.carForward | ACCESS.motorcycleForward,
  ],
  [
    "bicycles may be excepted from oneway",
    { highway: "residential", oneway: "yes", "oneway:bicycle": "no" },
    FORWARD | ACCESS.bicycleBackward,
  ],
  [
    "an opposite lane lets bicycles both ways",
    { highway: "residential", oneway: "yes", "cycleway:left": "opposite_lane" },
    FORWARD | ACCESS.bicycleBackward,
  ],
  [
    "motor_vehicle=no leaves bicycle and foot",
    { highway: "residential", motor_vehicle: "no" },
    BICYCLE | ACCESS.foot,
  ],
  [
    "the specific key wins over the general one",
    { highway: "service", access: "no", motorcar: "destination" },
    CAR,
  ],
  [
    "a footway is for walking and pushing",
    { highway: "footway" },
    ACCESS.foot | ACCESS.bicyclePush,
  ],
  [
    "bicycle=designated opens a footway to riding",
    { highway: "footway", bicycle: "designated" },
    BICYCLE | ACCESS.foot,
  ],
  ["bicycle=no forbids pushing too", { highway: "footway", bicycle: "no" }, ACCESS.foot],
  [
    "bicycle=dismount means pushing",
    { highway: "cycleway", bicycle: "dismount" },
    ACCESS.foot | ACCESS.bicyclePush,
  ],
  [
    "access=yes does not open a footway to riding",
    { highway: "footway", access: "yes" },
    ACCESS.foot | ACCESS.bicyclePush,
  ],
  ["steps are for feet", { highway: "steps", bicycle: "yes" }, ACCESS.foot],
  ["a path is for bicycle and foot", { highway: "path" }, BICYCLE | ACCESS.foot],
  [
    "a pedestrian street opens to motors by an explicit key only",
    { highway: "pedestrian", motor_vehicle: "delivery" },
    CAR | MOTORCYCLE | ACCESS.foot | ACCESS.bicyclePush,
  ],
  [
    "an area is crossed on foot, not driven around",
    { highway: "pedestrian", area: "yes", motor_vehicle: "yes" },
    ACCESS.foot | ACCESS.bicyclePush,
  ],
  ["a motorroad keeps bicycle and foot off", {
    highway: "primary",
    motorroad: "yes",
  }, CAR | MOTORCYCLE],
];

for (const [sentence, tags, access] of ACCESS_CASES) {
  Deno.test(`readOsmWay() access: ${sentence}`, () => {
    assert.equal(readOsmWay(tags)?.access, access);
  });
}

Deno.test("readOsmWay() refuses what is no street or closed to all", () => {
  for (
    const tags of [
      {},
      { building: "yes" },
      { highway: "construction" },
      { highway: "platform" },
      { highway: "service", access: "private" },
      { highway: "service", access: "no", psv: "yes" },
    ] satisfies OsmTags[]
  ) assert.equal(readOsmWay(tags), null, JSON.stringify(tags));
});

Deno.test("readOsmWay() reads limits in km/h and mph, and takes words as unknown", () => {
  const limit = (maxspeed: string) => readOsmWay({ highway: "primary", maxspeed })?.maxSpeedKmh;
  assert.deepEqual(["50", "30 mph", "walk", "none", "", "999"].map(limit), [50, 48, 0, 0, 0, 255]);
});
