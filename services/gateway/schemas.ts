/** The shapes of the public API: they validate requests and describe answers (OpenAPI). */
import { z } from "@hono/zod-openapi";
import { MAX_INDEXABLE_LAT } from "shared/geo/point.ts";

const MAX_ADDRESS = 200;
const MAX_REASON = 200;
const MAX_ITEMS = 50;
const MAX_QUANTITY = 99;
export const MAX_MONEY_MINOR = 100_000_000;
export const MAX_PAGE = 100;

/** Text that people write. What Postgres cannot store (NUL, half a surrogate pair) is refused. */
export function words(max: number) {
  return z.string().max(max).refine((text) => !text.includes("\0") && text.isWellFormed(), {
    message: "must be well-formed Unicode without the character NUL",
  });
}

export const idSchema = z.uuid();
export const instantSchema = z.iso.datetime();

/** Latitude is bounded by the geo index, not by the pole. */
const coordinates = {
  lat: z.number().min(-MAX_INDEXABLE_LAT).max(MAX_INDEXABLE_LAT),
  lon: z.number().min(-180).max(180),
};

export const pointSchema = z.strictObject(coordinates).openapi("Point");

export const placeSchema = z.strictObject({
  ...coordinates,
  address: words(MAX_ADDRESS).optional(),
}).openapi("Place");

export const regionSchema = z.object({
  id: z.string(),
  name: z.string(),
  timeZone: z.string(),
  currency: z.string(),
  bounds: z.object({
    south: z.number(),
    west: z.number(),
    north: z.number(),
    east: z.number(),
  }),
}).openapi("Region");

export const merchantSchema = z.object({
  id: idSchema,
  regionId: z.string(),
  name: z.string(),
  category: z.string(),
  address: z.string(),
  location: pointSchema,
  preparationMinutes: z.int(),
  open: z.boolean(),
  distanceM: z.int().optional(),
}).openapi("Merchant");

export const menuItemSchema = z.object({
  id: idSchema,
  name: z.string(),
  priceMinor: z.int(),
  currency: z.string(),
  available: z.boolean(),
}).openapi("MenuItem");

/** What a basket holds. */
export const itemsSchema = z.array(z.strictObject({
  menuItemId: idSchema,
  quantity: z.int().min(1).max(MAX_QUANTITY),
})).min(1).max(MAX_ITEMS);

/** One line of a basket as it was priced. */
export const orderItemSchema = z.object({
  menuItemId: idSchema,
  name: z.string(),
  quantity: z.int(),
  priceMinor: z.int(),
});

export const offerSchema = z.object({
  id: idSchema,
  orderId: idSchema,
  attempt: z.int(),
  distanceToPickupM: z.int(),
  distanceM: z.int(),
  expiresAt: instantSchema,
  pickup: placeSchema,
  dropoff: placeSchema,
}).openapi("Offer");

export const ticketSchema = z.object({
  ticket: z.string(),
  expiresAt: instantSchema,
  webSocketUrl: z.string(),
  eventStreamUrl: z.string().optional(),
}).openapi("Ticket");

/** A page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() });
}

/** A whole list. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item) });
}

export const reasonText = words(MAX_REASON);
export const reasonSchema = z.strictObject({ reason: reasonText.optional() });
export const idParam = z.object({ id: idSchema });
export const limitQuery = z.coerce.number().int().min(1).max(MAX_PAGE).default(20);
