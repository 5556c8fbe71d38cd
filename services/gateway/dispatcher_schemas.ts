/** The shapes of the dispatcher's desk. */
import { z } from "@hono/zod-openapi";
import { idSchema, instantSchema, reasonText } from "./schemas.ts";

export const alertSchema = z.object({
  id: idSchema,
  orderId: idSchema,
  regionId: z.string(),
  state: z.enum(["raised", "cleared"]),
  reason: z.string(),
  occurredAt: instantSchema,
}).openapi("Alert");

export const reassignSchema = z.strictObject({
  courierId: idSchema,
  courierVersion: z.int().min(0).optional(),
  reason: reasonText.optional(),
}).openapi("Reassign");
