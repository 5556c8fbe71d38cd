/** Bodies of ingest: what couriers' apps and devices send, and what they are told. */
import { z } from "zod";
import { FIX_CODES } from "shared/availability/fix.ts";
import { MAX_INDEXABLE_LAT, MAX_LON, MIN_LON } from "shared/geo/point.ts";

export const MAX_POSTED_ACCURACY_M = 100_000;
export const MAX_POSTED_SPEED_MPS = 1_000;
/** Points of a batch. */
export const MAX_BATCH_POINTS = 100;
/** Field problems of one batch that are told. */
export const MAX_BATCH_ERRORS = 20;

/** One position, in our own form. */
export const fixSchema = z.strictObject({
  // The geo index ends at this latitude.
  lat: z.number().min(-MAX_INDEXABLE_LAT).max(MAX_INDEXABLE_LAT),
  lon: z.number().min(MIN_LON).max(MAX_LON),
  accuracyM: z.number().min(0).max(MAX_POSTED_ACCURACY_M).optional(),
  headingDeg: z.number().min(0).max(360).optional(),
  speedMps: z.number().min(0).max(MAX_POSTED_SPEED_MPS).optional(),
  /** At most 48 hours old; ingest, which knows what time it is, sees to that. */
  recordedAt: z.iso.datetime({ offset: true }),
});

/** A batch. Each point is judged for itself: one that is not well formed holds up no other. */
export const fixBatchSchema = z.object({
  positions: z.array(fixSchema).min(1).max(MAX_BATCH_POINTS),
});

export const fixCodeSchema = z.enum(FIX_CODES);
export const pointCodeSchema = z.enum([...FIX_CODES, "malformed"]);

export const fixAnswerSchema = z.object({
  accepted: z.boolean(),
  reason: fixCodeSchema.optional(),
  clamped: z.literal(true).optional(),
  degraded: z.literal(true).optional(),
});

const fieldProblemSchema = z.object({
  field: z.string(),
  bound: z.string(),
  value: z.unknown().optional(),
});

export const fixBatchAnswerSchema = z.object({
  accepted: z.int().min(0),
  results: z.array(pointCodeSchema),
  errors: z.array(fieldProblemSchema).max(MAX_BATCH_ERRORS).optional(),
  degraded: z.literal(true).optional(),
});

/** https://owntracks.org/booklet/tech/json: what is read of it; other types are taken and ignored. */
export const ownTracksSchema = z.looseObject({
  _type: z.string(),
  lat: z.number().optional(),
  lon: z.number().optional(),
  acc: z.number().optional(),
  vel: z.number().optional(),
  cog: z.number().optional(),
  tst: z.number().optional(),
});

/** OwnTracks reads a list of what it should know. */
export const ownTracksAnswerSchema = z.array(z.unknown()).max(0);

/** https://www.traccar.org/osmand, as a form. */
export const osmAndFormSchema = z.looseObject({
  id: z.string(),
  lat: z.number().optional(),
  lon: z.number().optional(),
  timestamp: z.union([z.number(), z.string()]).optional(),
  accuracy: z.number().optional(),
  bearing: z.number().optional(),
  speed: z.number().optional(),
});

/** The same from version 9 of Traccar Client on. */
export const traccarSchema = z.looseObject({
  device_id: z.string(),
  location: z.looseObject({
    timestamp: z.string().optional(),
    coords: z.looseObject({
      latitude: z.number(),
      longitude: z.number(),
      accuracy: z.number().optional(),
      heading: z.number().optional(),
      speed: z.number().optional(),
    }).optional(),
  }).optional(),
});
