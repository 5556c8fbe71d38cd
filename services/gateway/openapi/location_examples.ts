import {
  featuresSchema,
  locationSchema,
  locationsSchema,
  tripSchema,
} from "../location_schemas.ts";
import { type Example, example } from "./example.ts";

const LOCATION = {
  lat: 57.6941,
  lon: 11.9527,
  recordedAt: "2026-03-02T12:04:10.000Z",
  accuracyM: 5,
  headingDeg: 84,
  speedMps: 5.4,
  kind: "usual" as const,
  carrying: true,
  fixes: 4,
};

export const LOCATION_EXAMPLES: Readonly<Record<string, Example>> = {
  Location: example(locationSchema, LOCATION),
  Locations: example(locationsSchema, { items: [LOCATION], nextCursor: null }),
  LocationFeatures: example(featuresSchema, {
    type: "FeatureCollection",
    features: [{
      type: "Feature",
      geometry: { type: "LineString", coordinates: [[11.9527, 57.6941], [11.9561, 57.6952]] },
      properties: { coordTimes: ["2026-03-02T12:04:10.000Z", "2026-03-02T12:04:20.000Z"] },
    }],
  }),
  Trip: example(tripSchema, {
    startedAt: "2026-03-02T12:01:00.000Z",
    endedAt: "2026-03-02T12:21:00.000Z",
    start: { lat: 57.6941, lon: 11.9527 },
    end: { lat: 57.7006, lon: 11.9682 },
    distanceM: 3120,
    movingS: 690,
    standingS: 510,
    silentS: 0,
    averageSpeedMps: 4.52,
    maxSpeedMps: 8.1,
    stops: 2,
    positions: 141,
  }),
};
