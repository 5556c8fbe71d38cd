/** The shapes of the public API: they validate requests and describe answers (OpenAPI). */
import { z } from "@hono/zod-openapi";
import { MAX_INDEXABLE_LAT } from "shared/geo/point.ts";

export { MAX_MONEY_MINOR } from "shared/pricing/menu_options.ts";

export const MAX_NAME = 100;
export const MAX_ADDRESS = 200;
const MAX_REASON = 200;
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

/**
 * A named shape or null, in answers. Not `nullable()`: the generator would then make the named shape
 * itself nullable, wherever else it stands.
 */
export function orNull<Schema extends z.ZodType>(schema: Schema) {
  return z.union([schema, z.null()]);
}

export const positionTicketSchema = z.object({
  ticket: z.string(),
  expiresAt: instantSchema,
}).openapi("PositionTicket");

/** A page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() });
}

/** A whole list. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item) });
}

export const reasonText = words(MAX_REASON);
export const reasonSchema = z.strictObject({ reason: reasonText.optional() }).openapi("Reason");
export const idParam = z.object({ id: idSchema });
export const limitQuery = z.coerce.number().int().min(1).max(MAX_PAGE).default(20);
