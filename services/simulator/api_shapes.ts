/**
 * What the public API answers, as far as a simulated person needs it. Unknown members are dropped:
 * the API may grow, and a client must not care.
 */
import { z } from "zod";
import type { PlaceOrder } from "shared/client/api_types.ts";
import { pointSchema } from "shared/geo/point_schema.ts";
import { ORDER_KINDS, ORDER_STATES } from "shared/orders/lifecycle.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";

const id = z.string().min(1);
const instant = z.string().transform((text, context) => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) context.addIssue({ code: "custom", message: "must be a time" });
  return ms;
});

export const signedInSchema = z.object({
  token: z.string().min(1),
  account: z.object({ id, role: z.string() }),
});

/** `stateTimes` is in Unix milliseconds by state. */
export const orderSchema = z.object({
  id,
  kind: z.enum(ORDER_KINDS),
  status: z.enum(ORDER_STATES),
  merchantId: id.nullish(),
  pickup: pointSchema,
  dropoff: pointSchema,
  stateTimes: z.record(z.string(), instant).default({}),
});
export type Order = z.infer<typeof orderSchema>;

export const offerSchema = z.object({ id, orderId: id, expiresAt: instant });
export type Offer = z.infer<typeof offerSchema>;

export const assignmentSchema = z.object({
  orderId: id,
  order: orderSchema.pick({ kind: true, status: true, pickup: true, dropoff: true })
    // A summary of an order may leave its kind out; only parcels differ.
    .extend({ kind: orderSchema.shape.kind.default("marketplace") }),
});
export type Assignment = z.infer<typeof assignmentSchema>;

export const courierSchema = z.object({
  id,
  vehicle: z.enum(VEHICLES),
  status: z.enum(["available", "busy", "paused", "offline"]),
});
export type Courier = z.infer<typeof courierSchema>;

export const merchantSchema = z.object({
  id,
  location: pointSchema,
  preparationMinutes: z.number().min(0),
  open: z.boolean(),
});
export type Merchant = z.infer<typeof merchantSchema>;

const optionGroupSchema = z.object({
  minChoices: z.int().min(0).default(0),
  options: z.array(z.object({
    id: z.string(),
    available: z.boolean().default(true),
    maxQuantity: z.int().min(1).default(1),
  })),
});
export type OptionGroup = z.infer<typeof optionGroupSchema>;

export const menuItemSchema = z.object({
  id,
  available: z.boolean(),
  optionGroups: z.array(optionGroupSchema),
});
export type MenuItem = z.infer<typeof menuItemSchema>;

export const ticketSchema = z.object({ ticket: z.string().min(1) });

export const fixAnswerSchema = z.object({ accepted: z.boolean() });

/** A list as the API wraps it. */
export function itemsOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item) });
}

const frameSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("offers"), offers: z.array(offerSchema) }),
  z.object({ type: z.literal("offer.made"), offer: offerSchema }),
  z.object({ type: z.literal("offer.closed"), offerId: id }),
  z.object({ type: z.literal("assignment.created"), orderId: id }),
  z.object({ type: z.literal("assignment.ended"), orderId: id }),
]);
/** One message of the courier channel. */
export type ChannelFrame = z.infer<typeof frameSchema>;

const anyFrame = z.looseObject({ type: z.string() });
const KNOWN_FRAMES = new Set<string>(
  frameSchema.options.map((option) => option.shape.type.value),
);

/**
 * Reads a frame of the courier channel. Undefined is a frame of a later API, to be passed over.
 *
 * @throws SyntaxError or z.ZodError when it is not a frame at all or lacks what its type promises.
 */
export function parseChannelFrame(text: string): ChannelFrame | undefined {
  const value = anyFrame.parse(JSON.parse(text));
  return KNOWN_FRAMES.has(value.type) ? frameSchema.parse(value) : undefined;
}

/** The part of a track snapshot that tells where a courier was last seen. */
export const trackSnapshotSchema = z.object({ position: pointSchema.nullish() });

/** One position as sent to ingest. */
export interface Fix {
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM: number;
  /** Absent before the courier has ever moved. */
  readonly headingDeg?: number;
  readonly speedMps: number;
  /** ISO 8601. */
  readonly recordedAt: string;
}

/** The order a simulated customer sends. */
export type NewOrder = Extract<PlaceOrder, { kind: "marketplace" }>;
