/** The shapes of orders in the public API. */
import { z } from "@hono/zod-openapi";
import { CANCEL_CODES } from "shared/orders/cancellation.ts";
import { ORDER_KINDS, ORDER_STATES } from "shared/orders/lifecycle.ts";
import { ORDER_MODES } from "shared/orders/rows.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";
import { basketLineSchema, priceSchema, wantedItemsSchema } from "./basket_schemas.ts";
import {
  idSchema,
  instantSchema,
  MAX_MONEY_MINOR,
  MAX_NAME,
  orNull,
  placeSchema,
  reasonText,
  words,
} from "./schemas.ts";

const MAX_NOTE = 500;
const MAX_EXTERNAL_ID = 100;
export const MAX_SKILLS = 20;
const MAX_SIDE_CM = 500;
const MAX_WEIGHT_G = 1_000_000;
/** Orders of one batch. */
export const MAX_BATCH = 100;

/** ITU-T E.164: a plus, a country code that does not begin with 0, at most 15 digits. */
const phone = z.string().regex(/^\+[1-9]\d{6,14}$/, { message: "must be E.164, as +46701234567" });

export const moneySchema = z.int().min(0).max(MAX_MONEY_MINOR);

export const contactSchema = z.strictObject({
  name: words(MAX_NAME).trim().min(1),
  phone: phone.optional(),
}).openapi("Contact");

/** A skill as dispatch compares it. */
export const skillSchema = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, {
  message: "must be 1 to 40 of a-z, 0-9 and _, beginning with a letter",
});
export const skillsSchema = z.array(skillSchema).max(MAX_SKILLS).transform((skills) =>
  [...new Set(skills)].sort()
);

const sizeSchema = z.strictObject({
  lengthCm: z.int().min(1).max(MAX_SIDE_CM),
  widthCm: z.int().min(1).max(MAX_SIDE_CM),
  heightCm: z.int().min(1).max(MAX_SIDE_CM),
}).openapi("Size");

export const windowSchema = z.strictObject({
  startsAt: instantSchema,
  endsAt: instantSchema,
}).openapi("TimeWindow");

const externalId = words(MAX_EXTERNAL_ID).min(1);

/** What no quote knows of an order. */
const wishes = {
  externalId: externalId.optional(),
  dropoffNote: words(MAX_NOTE).optional(),
  dropoffContact: contactSchema.optional(),
  cashOnDeliveryMinor: moneySchema.optional(),
  note: words(MAX_NOTE).optional(),
};

/** What both kinds of orders take. */
const delivery = {
  ...wishes,
  /** A quote of the same things: then its price is the order's. */
  quoteId: idSchema.optional(),
  dropoff: placeSchema,
  window: windowSchema.optional(),
  tipMinor: moneySchema.optional(),
};

/** What no quote knows of a parcel. */
const parcelWishes = {
  pickupNote: words(MAX_NOTE).optional(),
  pickupContact: contactSchema.optional(),
  size: sizeSchema.optional(),
  weightG: z.int().min(1).max(MAX_WEIGHT_G).optional(),
  requiredVehicles: z.array(z.enum(VEHICLES)).max(VEHICLES.length).optional(),
  requiredSkills: skillsSchema.optional(),
};

const marketplaceOrder = z.strictObject({
  kind: z.literal("marketplace"),
  merchantId: idSchema,
  items: wantedItemsSchema,
  ...delivery,
});

const parcelOrder = z.strictObject({
  kind: z.literal("parcel"),
  pickup: placeSchema,
  ...parcelWishes,
  ...delivery,
});

/** An order with all that it needs. */
export const wholeOrderSchema = z.discriminatedUnion("kind", [marketplaceOrder, parcelOrder]);
export type WholeOrder = z.infer<typeof wholeOrderSchema>;

export const placeOrderSchema = z.discriminatedUnion("kind", [
  marketplaceOrder,
  parcelOrder,
  // What the quote knows is not said again: the quote decides of which kind the order is.
  z.strictObject({ kind: z.literal("quoted"), quoteId: idSchema, ...parcelWishes, ...wishes }),
]).openapi("PlaceOrder");
export type PlaceOrder = z.infer<typeof placeOrderSchema>;
/** An order that a quote describes. */
export type QuotedOrder = Extract<PlaceOrder, { kind: "quoted" }>;

const stopSchema = z.object({
  lat: z.number(),
  lon: z.number(),
  address: z.string().optional(),
  note: z.string().optional(),
  contact: contactSchema.optional(),
}).openapi("Stop");

const cancellationSchema = z.object({
  by: z.string(),
  code: z.enum(CANCEL_CODES),
  reason: z.string().nullable(),
  feeMinor: z.int(),
  parts: z.array(z.object({ code: z.string(), amountMinor: z.int() })),
}).openapi("Cancellation");

export const orderSchema = z.object({
  id: idSchema,
  externalId: z.string().nullable(),
  kind: z.enum(ORDER_KINDS),
  mode: z.enum(ORDER_MODES),
  status: z.enum(ORDER_STATES),
  version: z.int(),
  regionId: z.string(),
  merchantId: idSchema.nullable(),
  items: z.array(basketLineSchema),
  note: z.string().nullable(),
  pickup: stopSchema,
  dropoff: stopSchema,
  parcel: z.object({
    size: orNull(sizeSchema),
    weightG: z.int().nullable(),
    requiredVehicles: z.array(z.string()),
    requiredSkills: z.array(z.string()),
  }).nullable(),
  window: orNull(windowSchema),
  /** From when on a courier is looked for; null means from the beginning. */
  releaseAt: instantSchema.nullable(),
  /** Why no courier is looked for although the state would allow it. */
  hold: z.enum(["scheduled", "dispatcher"]).nullable(),
  distanceM: z.int(),
  priceMinor: z.object({
    items: z.int(),
    delivery: z.int(),
    tip: z.int(),
    total: z.int(),
  }),
  price: priceSchema,
  quoteId: idSchema.nullable(),
  currency: z.string(),
  cashOnDelivery: z.object({ amountMinor: z.int(), collectedMinor: z.int().nullable() }).nullable(),
  cancellation: orNull(cancellationSchema),
  placedAt: instantSchema,
  estimatedDeliveryAt: instantSchema,
  stateTimes: z.record(z.string(), instantSchema),
  courier: z.object({ id: idSchema, name: z.string(), vehicle: z.string() }).nullable(),
  tracking: z.object({
    url: z.string(),
    /** Only in the answer that created the order. */
    token: z.string().optional(),
  }),
  /** For dispatchers. */
  dispatch: z.object({
    attention: z.string().nullable(),
    attentionAt: instantSchema.nullable(),
    redispatches: z.int(),
  }).optional(),
}).openapi("Order");
export type OrderJson = z.infer<typeof orderSchema>;

export const orderEventSchema = z.object({
  id: idSchema,
  type: z.string(),
  occurredAt: instantSchema,
  actor: z.object({ role: z.string(), id: idSchema.optional() }),
  reason: z.string().optional(),
  data: z.unknown(),
}).openapi("OrderEvent");

export const cancelSchema = z.strictObject({
  code: z.enum(CANCEL_CODES).optional(),
  reason: reasonText.optional(),
}).openapi("CancelOrder");

export const tipSchema = z.strictObject({
  /** The whole tip, not what is added. */
  tipMinor: moneySchema,
}).openapi("RaiseTip");

export const ratingSchema = z.strictObject({
  stars: z.int().min(1).max(5),
  comment: words(MAX_NOTE).optional(),
}).openapi("Rating");

export const reorderSchema = z.strictObject({
  externalId: externalId.optional(),
  window: windowSchema.optional(),
  tipMinor: moneySchema.optional(),
  note: words(MAX_NOTE).optional(),
}).openapi("Reorder");

export const batchSchema = z.strictObject({
  orders: z.array(placeOrderSchema).min(1).max(MAX_BATCH),
}).superRefine(({ orders }, context) => {
  // Orders of a batch are placed side by side, so neither of two could be the first.
  const seen = new Set<string>();
  for (const [index, { externalId }] of orders.entries()) {
    if (externalId === undefined) continue;
    if (seen.has(externalId)) {
      const path = ["orders", index, "externalId"];
      context.addIssue({ code: "custom", path, message: "must be in the batch only once" });
    }
    seen.add(externalId);
  }
}).openapi("PlaceOrders");

export const batchResultSchema = z.object({
  items: z.array(z.object({
    index: z.int(),
    status: z.int(),
    replayed: z.boolean(),
    order: orderSchema.optional(),
    problem: z.object({ code: z.string(), title: z.string(), status: z.int() }).loose().optional(),
  })),
}).openapi("PlacedOrders");

export const ordersQuery = {
  status: z.enum(ORDER_STATES).optional(),
  merchantId: idSchema.optional(),
  regionId: z.string().min(1).max(41).optional(),
  externalId: externalId.optional(),
  /** Placed at or after, and before, these instants. */
  from: instantSchema.optional(),
  to: instantSchema.optional(),
};
