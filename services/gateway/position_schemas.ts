import { z } from "@hono/zod-openapi";
import { instantSchema, orNull, pointSchema } from "./schemas.ts";

const measured = {
  ...pointSchema.shape,
  accuracyM: z.number().optional(),
  headingDeg: z.number().optional(),
  speedMps: z.number().optional(),
  recordedAt: instantSchema,
};

/** Where a device that travels with an order was. */
export const parcelPositionSchema = z.object(measured).openapi("ParcelPosition");

/** Where an order's courier is, and a device that travels with the order. */
export const positionSchema = z.object({
  position: z.object(measured).nullable(),
  parcel: orNull(parcelPositionSchema),
}).openapi("OrderPosition");
