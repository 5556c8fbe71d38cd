/** The shapes of where couriers were: tracks of orders and couriers, and their summaries. */
import { z } from "@hono/zod-openapi";
import { POSITION_KINDS } from "shared/history/position_kind.ts";
import { instantSchema, orNull, pageOf, pointSchema } from "./schemas.ts";

/** The longest time whose positions one request may ask for. */
export const MAX_RANGE_DAYS = 7;
export const MAX_LOCATIONS = 10_000;
export const LOCATION_FORMATS = ["json", "geojson", "gpx", "csv"] as const;
export type LocationFormat = typeof LOCATION_FORMATS[number];

export const locationSchema = z.object({
  ...pointSchema.shape,
  recordedAt: instantSchema,
  accuracyM: z.number().optional(),
  headingDeg: z.number().optional(),
  speedMps: z.number().optional(),
  kind: z.enum(POSITION_KINDS),
  /** Whether the courier had an order then. */
  carrying: z.boolean(),
  /** How many fixes this one stands for. */
  fixes: z.int(),
}).openapi("Location");

export const locationsSchema = pageOf(locationSchema).openapi("Locations");

const positionPair = z.array(z.number()).min(2).max(2);
const lineSchema = z.object({
  type: z.literal("LineString"),
  coordinates: z.array(positionPair).min(2),
});
const pointGeometrySchema = z.object({ type: z.literal("Point"), coordinates: positionPair });

/** RFC 7946; longitude comes first. */
export const featuresSchema = z.object({
  type: z.literal("FeatureCollection"),
  features: z.array(z.object({
    type: z.literal("Feature"),
    geometry: z.union([lineSchema, pointGeometrySchema]),
    properties: z.object({
      /** The time of each place of the line. */
      coordTimes: z.array(instantSchema),
    }),
  })),
}).openapi("LocationFeatures");

export const tripSchema = z.object({
  startedAt: instantSchema.nullable(),
  endedAt: instantSchema.nullable(),
  start: orNull(pointSchema),
  end: orNull(pointSchema),
  distanceM: z.int(),
  movingS: z.int(),
  standingS: z.int(),
  /** In which nothing was heard of the courier. */
  silentS: z.int(),
  /** While moving; null where nothing moved. */
  averageSpeedMps: z.number().nullable(),
  /** Over the fastest stretch of at least 5 s. */
  maxSpeedMps: z.number().nullable(),
  /** How often the courier stood for a minute or longer. */
  stops: z.int(),
  /** How many sampled positions this was made of; where it is 0, they are gone or never were. */
  positions: z.int(),
}).openapi("Trip");

/** What both lists of locations take. */
export const locationQuery = {
  format: z.enum(LOCATION_FORMATS).optional(),
  include: z.enum(["usual", "all"]).default("usual"),
  limit: z.coerce.number().int().min(1).max(MAX_LOCATIONS).default(1_000),
};

export const courierLocationQuery = { from: instantSchema, to: instantSchema };
/** Nobody was anywhere before; and Postgres has no year 0, which ISO 8601 has. */
const FIRST_DAY = "1970-01-01";
export const tripDayQuery = z.strictObject({
  day: z.iso.date().refine((day) => day >= FIRST_DAY, { message: `must be >= ${FIRST_DAY}` }),
});
