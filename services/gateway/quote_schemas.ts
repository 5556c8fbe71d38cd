import { z } from "@hono/zod-openapi";
import { basketLineSchema, priceSchema, wantedItemsSchema } from "./basket_schemas.ts";
import { windowSchema } from "./order_schemas.ts";
import { idSchema, instantSchema, MAX_MONEY_MINOR, placeSchema } from "./schemas.ts";

const tipMinor = z.int().min(0).max(MAX_MONEY_MINOR).optional();

/** What decides about price and feasibility of an order, in the order's own words. */
export const quoteRequestSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("marketplace"),
    merchantId: idSchema,
    items: wantedItemsSchema,
    dropoff: placeSchema,
    window: windowSchema.optional(),
    tipMinor,
  }),
  z.strictObject({
    kind: z.literal("parcel"),
    pickup: placeSchema,
    dropoff: placeSchema,
    window: windowSchema.optional(),
    tipMinor,
  }),
]).openapi("QuoteRequest");
export type QuoteRequest = z.infer<typeof quoteRequestSchema>;

export const quoteSchema = z.object({
  serviceable: z.literal(true),
  id: idSchema,
  regionId: z.string(),
  price: priceSchema,
  items: z.array(basketLineSchema),
  distanceM: z.int(),
  eta: z.object({
    /** Until a model of arrival times exists, these are fixed allowances around the route. */
    estimated: z.literal(true),
    p50At: instantSchema,
    p90At: instantSchema,
  }),
  createdAt: instantSchema,
  validUntil: instantSchema,
}).openapi("Quote");

/** Asked well, answered no. `code` is that of the problem with which the order would be refused. */
export const unserviceableSchema = z.object({
  serviceable: z.literal(false),
  reason: z.object({
    code: z.string(),
    title: z.string(),
    detail: z.string().optional(),
    /** Which end lies outside. */
    field: z.string().optional(),
    /** Of a closed merchant: when it opens next, where that is known. */
    opensAt: instantSchema.nullable().optional(),
  }),
}).openapi("Unserviceable");
