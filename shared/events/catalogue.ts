/**
 * Every event, once: its name, its version and the shape of its data. Past facts only. A version
 * grows when a field is added; nothing is removed or renamed (consumers of an older version go on
 * reading). Events carry ids and versions, not copies: a consumer that needs more reads Postgres.
 */
import { z } from "zod";

const id = z.uuid();
const version = z.int().min(1);
const instant = z.iso.datetime();
const orderStatus = z.string();

const order = { orderId: id, orderVersion: version };
const offer = { ...order, offerId: id, courierId: id };
const assignment = { ...order, assignmentId: id, courierId: id };

function event<Data extends z.ZodRawShape>(eventVersion: number, about: string, data: Data) {
  return { version: eventVersion, about, data: z.object(data) };
}

export const EVENTS = {
  "order.placed": event(2, "A customer placed an order; it is committed", {
    ...order,
    kind: z.enum(["marketplace", "parcel"]),
    customerId: id,
    merchantId: id.nullable(),
    mode: z.enum(["live", "test"]).optional(),
    releaseAt: instant.optional(),
  }),
  "order.released": event(1, "An order that was held back may be dispatched now", {
    ...order,
    held: z.enum(["scheduled", "dispatcher"]),
  }),
  "order.confirmed": event(1, "The merchant took the order", order),
  "order.status_changed": event(1, "An order moved from one state to another", {
    ...order,
    from: orderStatus,
    to: orderStatus,
    actor: z.string(),
  }),
  "order.cancelled": event(2, "An order was cancelled", {
    ...order,
    reason: z.string().nullable(),
    code: z.string().optional(),
    feeMinor: z.int().min(0).optional(),
    currency: z.string().optional(),
  }),
  "order.attention_raised": event(1, "A dispatcher should look at the order", {
    ...order,
    reason: z.string(),
  }),
  "order.attention_cleared": event(1, "What a dispatcher should have looked at is settled", {
    ...order,
    reason: z.string(),
  }),
  "order.courier_arrived": event(1, "The courier is at a stop of the order", {
    ...order,
    courierId: id,
    stop: z.enum(["pickup", "dropoff"]),
  }),
  "order.tip_changed": event(1, "The customer raised the tip", {
    ...order,
    tipMinor: z.int().min(0),
    currency: z.string(),
  }),
  "order.rated": event(1, "The customer rated who brought or prepared the order", {
    ...order,
    subject: z.enum(["courier", "merchant"]),
    subjectId: id,
    stars: z.int().min(1).max(5),
  }),
  "delivery.completed": event(2, "The courier delivered the order", {
    ...order,
    courierId: id,
    cashCollectedMinor: z.int().min(0).optional(),
  }),
  "offer.made": event(1, "One courier was asked to take an order", {
    ...offer,
    attempt: z.int().min(1),
    expiresAt: instant,
    distanceToPickupM: z.int().min(0),
  }),
  "offer.accepted": event(1, "The courier took the order", offer),
  "offer.rejected": event(1, "The courier declined", { ...offer, reason: z.string().nullable() }),
  "offer.expired": event(1, "Nobody answered in time", offer),
  "offer.withdrawn": event(1, "The offer no longer stands", { ...offer, reason: z.string() }),
  "assignment.created": event(1, "A courier carries the order", { ...assignment, offerId: id }),
  "assignment.ended": event(1, "The courier no longer carries the order", {
    ...assignment,
    reason: z.string(),
  }),
  "courier.availability_changed": event(1, "A courier's availability or load changed", {
    courierId: id,
    courierVersion: version,
    status: z.enum(["available", "busy", "paused", "offline"]),
    activeAssignments: z.int().min(0),
    reason: z.string(),
  }),
} as const;

export type EventType = keyof typeof EVENTS;
export type EventData<Type extends EventType> = z.infer<(typeof EVENTS)[Type]["data"]>;

/** A typed event before it has an id and a place in the outbox. */
export type EventInput = {
  [Type in EventType]: { readonly type: Type; readonly data: EventData<Type> };
}[EventType];

/** The envelope on the stream. */
export type Envelope = {
  [Type in EventType]: {
    readonly id: string;
    readonly type: Type;
    readonly version: number;
    readonly region: string;
    /** Order is promised per key only. */
    readonly key: string;
    readonly occurredAt: string;
    /** W3C traceparent of what caused it. */
    readonly trace: string | null;
    readonly data: EventData<Type>;
  };
}[EventType];
