import { z } from "zod";
import { MAX_LAT, MAX_LON, MIN_LAT, MIN_LON } from "shared/geo/point.ts";

/** The zod shape of a `Point` for request bodies and files; unknown fields are dropped. */
export const pointSchema = z.object({
  lat: z.number().min(MIN_LAT).max(MAX_LAT),
  lon: z.number().min(MIN_LON).max(MAX_LON),
});
