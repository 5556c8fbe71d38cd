/** The shapes of couriers in the public API. */
import { z } from "@hono/zod-openapi";
import { STOPS } from "shared/orders/arrive.ts";
import { COURIER_STATUSES } from "shared/orders/rows.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";
import { orderSchema, skillsSchema } from "./order_schemas.ts";
import { SOURCES } from "./nearest_couriers.ts";
import { idSchema, instantSchema, placeSchema, pointSchema } from "./schemas.ts";

const MAX_CAPACITY = 50;
const MAX_LOAD_G = 5_000_000;
const MAX_BREAKS = 10;

export const courierSchema = z.object({
  id: idSchema,
  name: z.string(),
  regionId: z.string(),
  vehicle: z.enum(VEHICLES),
  capacity: z.int(),
  activeAssignments: z.int(),
  /** Null means what the vehicle usually carries. */
  maxLoadG: z.int().nullable(),
  skills: z.array(z.string()),
  status: z.enum(COURIER_STATUSES),
  rating: z.number(),
  version: z.int(),
}).openapi("Courier");

const profile = {
  vehicle: z.enum(VEHICLES).optional(),
  capacity: z.int().min(1).max(MAX_CAPACITY).optional(),
  maxLoadG: z.int().min(1).max(MAX_LOAD_G).nullable().optional(),
};

export const profileSchema = z.strictObject(profile).openapi("CourierProfile");

/** Skills are granted: who carries medicine is not decided by who would like to. */
export const dispatcherProfileSchema = z.strictObject({
  ...profile,
  skills: skillsSchema.optional(),
}).openapi("CourierProfileByDispatcher");

export const assignmentSchema = z.object({
  id: idSchema,
  orderId: idSchema,
  order: orderSchema,
}).openapi("Assignment");

export const arrivalSchema = z.strictObject({ stop: z.enum(STOPS) }).openapi("Arrival");

export const stopJsonSchema = z.object({
  sequence: z.int(),
  kind: z.enum(["pickup", "dropoff", "return"]),
  orderId: idSchema,
  place: placeSchema,
  note: z.string().nullable(),
  arrivedAt: instantSchema.nullable(),
  /** To be collected here; 0 where nothing is. */
  cashMinor: z.int(),
  currency: z.string(),
}).openapi("CourierStop");

const spanSchema = z.strictObject({ startsAt: instantSchema, endsAt: instantSchema });

export const planShiftSchema = z.strictObject({
  startsAt: instantSchema,
  endsAt: instantSchema,
  breaks: z.array(spanSchema).max(MAX_BREAKS).default([]),
}).openapi("PlanShift");

export const shiftSchema = z.object({
  id: idSchema,
  startsAt: instantSchema,
  endsAt: instantSchema,
  breaks: z.array(z.object({ startsAt: instantSchema, endsAt: instantSchema })),
}).openapi("Shift");

const sumsSchema = z.object({
  deliveries: z.int(),
  deliveryMinor: z.int(),
  tipMinor: z.int(),
  cancellationMinor: z.int(),
  totalMinor: z.int(),
});

export const earningsSchema = z.object({
  currency: z.string(),
  /** Days, weeks (from Monday) and months are those of this time zone. */
  timeZone: z.string(),
  today: sumsSchema,
  week: sumsSchema,
  month: sumsSchema,
}).openapi("Earnings");

export const courierStatsSchema = z.object({
  days: z.int(),
  offers: z.int(),
  /** Offers accepted of those answered or lapsed; null without any. */
  acceptanceRate: z.number().nullable(),
  assignments: z.int(),
  /** Orders delivered of those ended with the courier; null without any. */
  completionRate: z.number().nullable(),
  averageRating: z.number().nullable(),
  ratings: z.int(),
}).openapi("CourierStats");

export const nearestCouriersSchema = z.object({
  /** Who answers: the gateway's memory, Redis, or Postgres (places up to 15 s old). */
  source: z.enum(SOURCES),
  regionId: z.string(),
  radiusM: z.number(),
  items: z.array(z.object({
    courierId: idSchema,
    position: pointSchema,
    distanceM: z.number(),
    heardAgoMs: z.int(),
    vehicle: z.enum(VEHICLES),
    capacity: z.int(),
    activeAssignments: z.int(),
    skills: z.array(z.string()),
    rating: z.number(),
    /** The merchant whose orders alone the courier carries. */
    fleetMerchantId: idSchema.nullable(),
    version: z.int(),
  })),
}).openapi("NearestCouriers");
