/** What the tracker sends: frames of an order's track and messages of a courier's channel. */
import { z } from "zod";
import { MAX_INDEXABLE_LAT, MAX_LON, MIN_LON } from "shared/geo/point.ts";
import { ORDER_KINDS, ORDER_STATES } from "shared/orders/lifecycle.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";

const MAX_ADDRESS = 200;

/** A place of an order, as it was given. */
export const placeSchema = z.strictObject({
  lat: z.number().min(-MAX_INDEXABLE_LAT).max(MAX_INDEXABLE_LAT),
  lon: z.number().min(MIN_LON).max(MAX_LON),
  address: z.string().max(MAX_ADDRESS).optional(),
});

/** A place on the way: where the courier is. */
export const trackPositionSchema = z.object({
  lat: z.number(),
  lon: z.number(),
  accuracyM: z.number().optional(),
  headingDeg: z.number().optional(),
  speedMps: z.number().optional(),
  recordedAt: z.iso.datetime(),
});

export const trackedCourierSchema = z.object({ name: z.string(), vehicle: z.enum(VEHICLES) });

/** What a viewer of an order may see of it. */
export const trackedOrderSchema = z.object({
  id: z.uuid(),
  regionId: z.string(),
  kind: z.enum(ORDER_KINDS),
  status: z.enum(ORDER_STATES),
  version: z.int(),
  stateTimes: z.record(z.string(), z.iso.datetime()),
  pickup: placeSchema,
  dropoff: placeSchema,
  estimatedDeliveryAt: z.iso.datetime(),
  courier: trackedCourierSchema.nullable(),
});

/** Where a frame stands: `<epoch>:<seq>` is what a client sends to go on after it. */
const place = { epoch: z.string(), seq: z.int().min(0) };

const whole = {
  ...place,
  order: trackedOrderSchema,
  position: trackPositionSchema.nullable(),
  /** Of a device that travels with the order. */
  parcelPosition: trackPositionSchema.nullable(),
};

/** A frame of a track: by WebSocket as text, by event stream as the `data` of an event. */
export const trackFrameSchema = z.union([
  z.object({ type: z.enum(["snapshot", "reset"]), ...whole }),
  z.object({ type: z.literal("resumed"), ...place, recovered: z.literal(true) }),
  z.object({
    type: z.literal("status"),
    ...place,
    at: z.iso.datetime(),
    version: z.int(),
    status: z.enum(ORDER_STATES),
  }),
  z.object({
    type: z.literal("courier"),
    ...place,
    at: z.iso.datetime(),
    version: z.int(),
    courier: trackedCourierSchema.nullable(),
  }),
  z.object({ type: z.literal("position"), ...place, position: trackPositionSchema }),
  z.object({ type: z.literal("parcel_position"), ...place, position: trackPositionSchema }),
]);

/** An offer as `GET /api/v1/courier/offers` lists it. */
export const offerSchema = z.object({
  id: z.uuid(),
  orderId: z.uuid(),
  attempt: z.int(),
  distanceToPickupM: z.int(),
  distanceM: z.int(),
  expiresAt: z.iso.datetime(),
  pickup: placeSchema,
  dropoff: placeSchema,
});

/** A message of a courier's channel. */
export const channelMessageSchema = z.union([
  z.object({ type: z.literal("offers"), offers: z.array(offerSchema) }),
  z.object({ type: z.literal("offer.made"), offer: offerSchema }),
  z.object({
    type: z.literal("offer.closed"),
    offerId: z.uuid(),
    orderId: z.uuid(),
    reason: z.enum(["accepted", "rejected", "expired", "withdrawn"]),
  }),
  z.object({
    type: z.literal("order.status"),
    orderId: z.uuid(),
    status: z.enum(ORDER_STATES),
  }),
  z.object({ type: z.literal("assignment.created"), orderId: z.uuid(), assignmentId: z.uuid() }),
  z.object({ type: z.literal("assignment.ended"), orderId: z.uuid(), reason: z.string() }),
]);
