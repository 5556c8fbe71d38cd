import { alertSchema, reassignSchema } from "../dispatcher_schemas.ts";
import {
  batchResultSchema,
  batchSchema,
  cancelSchema,
  orderEventSchema,
  type OrderJson,
  orderSchema,
  placeOrderSchema,
  ratingSchema,
  reorderSchema,
  tipSchema,
} from "../order_schemas.ts";
import { stepSchema } from "../order_steps.ts";
import { parcelPositionSchema, positionSchema } from "../position_schemas.ts";
import { positionTicketSchema, reasonSchema, ticketSchema } from "../schemas.ts";
import { type Example, example, examples, ID, SECRET } from "./example.ts";

const DROPOFF = { lat: 57.7006, lon: 11.9682, address: "Vasagatan 12" };
const PICKUP = { lat: 57.6941, lon: 11.9527, address: "Linnégatan 8" };

/** Two bowls on their way to the kitchen. */
export const ORDER: OrderJson = {
  id: ID.order,
  externalId: "shop-1042",
  kind: "marketplace",
  mode: "live",
  status: "confirmed",
  version: 2,
  regionId: "gothenburg",
  merchantId: ID.merchant,
  items: [{ menuItemId: ID.menuItem, name: "Noodle bowl", quantity: 2, priceMinor: 12900 }],
  note: null,
  pickup: PICKUP,
  dropoff: { ...DROPOFF, note: "Ring twice", contact: { name: "Ann Lind", phone: "+46701234567" } },
  parcel: null,
  window: null,
  releaseAt: null,
  hold: null,
  distanceM: 1840,
  priceMinor: { items: 25800, delivery: 4900, tip: 1000, total: 31700 },
  price: {
    parts: [
      { kind: "items", label: "Items", amountMinor: 25800 },
      { kind: "delivery_base", label: "Delivery", amountMinor: 2990 },
      { kind: "distance", label: "Distance, 1.84 km", amountMinor: 1910 },
      { kind: "tip", label: "Tip", amountMinor: 1000 },
    ],
    totalMinor: 31700,
    currency: "SEK",
  },
  quoteId: null,
  currency: "SEK",
  cashOnDelivery: null,
  cancellation: null,
  placedAt: "2026-03-02T12:00:00.000Z",
  estimatedDeliveryAt: "2026-03-02T12:35:00.000Z",
  stateTimes: { placed: "2026-03-02T12:00:00.000Z", confirmed: "2026-03-02T12:01:10.000Z" },
  courier: { id: ID.courier, name: "Bo Ek", vehicle: "bicycle" },
  tracking: { url: `https://hexmile.example/t/${ID.order}` },
};

const PLACE_MARKETPLACE = {
  kind: "marketplace" as const,
  externalId: "shop-1042",
  merchantId: ID.merchant,
  items: [{ menuItemId: ID.menuItem, quantity: 2 }],
  dropoff: DROPOFF,
  dropoffNote: "Ring twice",
  dropoffContact: { name: "Ann Lind", phone: "+46701234567" },
  tipMinor: 1000,
};

const PLACE_PARCEL = {
  kind: "parcel" as const,
  externalId: "shop-1043",
  pickup: PICKUP,
  pickupContact: { name: "Shop" },
  dropoff: DROPOFF,
  size: { lengthCm: 40, widthCm: 30, heightCm: 20 },
  weightG: 2500,
  requiredVehicles: ["bicycle" as const, "car" as const],
  cashOnDeliveryMinor: 19900,
};

const PLACE_QUOTED = {
  kind: "quoted" as const,
  quoteId: ID.quote,
  externalId: "shop-1044",
  dropoffContact: { name: "Ann Lind", phone: "+46701234567" },
};

export const ORDER_EXAMPLES: Readonly<Record<string, Example>> = {
  Order: example(orderSchema, ORDER),
  PlaceOrder: examples(placeOrderSchema, {
    marketplace: PLACE_MARKETPLACE,
    parcel: PLACE_PARCEL,
    quoted: PLACE_QUOTED,
  }),
  PlaceOrders: example(batchSchema, { orders: [PLACE_PARCEL, PLACE_MARKETPLACE] }),
  PlacedOrders: example(batchResultSchema, {
    items: [
      { index: 0, status: 201, replayed: false, order: ORDER },
      {
        index: 1,
        status: 404,
        replayed: false,
        problem: {
          type: "/problems/merchant.not_found",
          title: "Merchant not found",
          status: 404,
          code: "merchant.not_found",
        },
      },
    ],
  }),
  Reorder: example(reorderSchema, { externalId: "shop-1044", tipMinor: 500 }),
  OrderEvent: example(orderEventSchema, {
    id: ID.event,
    type: "order.confirmed",
    occurredAt: "2026-03-02T12:01:10.000Z",
    actor: { role: "merchant", id: ID.account },
    data: {},
  }),
  CancelOrder: example(cancelSchema, { code: "changed_mind", reason: "Ordered too much" }),
  RaiseTip: example(tipSchema, { tipMinor: 2000 }),
  Rating: example(ratingSchema, { stars: 5, comment: "Quick and friendly" }),
  OrderStep: example(stepSchema, { reason: "Handed over at the counter" }),
  Reason: example(reasonSchema, { reason: "Too far" }),
  Ticket: example(ticketSchema, {
    ticket: SECRET,
    expiresAt: "2026-03-02T12:00:30.000Z",
    webSocketUrl: `wss://tracker.hexmile.example/api/v1/orders/${ID.order}/track?ticket=${SECRET}`,
    eventStreamUrl:
      `https://tracker.hexmile.example/api/v1/orders/${ID.order}/track?ticket=${SECRET}`,
  }),
  PositionTicket: example(positionTicketSchema, {
    ticket: SECRET,
    expiresAt: "2026-03-02T12:00:30.000Z",
  }),
  OrderPosition: example(positionSchema, {
    position: {
      lat: 57.6969,
      lon: 11.9591,
      accuracyM: 6,
      headingDeg: 48,
      speedMps: 5.2,
      recordedAt: "2026-03-02T12:20:05.000Z",
    },
    parcel: null,
  }),
  ParcelPosition: example(parcelPositionSchema, {
    lat: 57.6969,
    lon: 11.9591,
    accuracyM: 12,
    recordedAt: "2026-03-02T12:20:03.000Z",
  }),
  Alert: example(alertSchema, {
    id: ID.event,
    orderId: ID.order,
    regionId: "gothenburg",
    state: "raised",
    reason: "no_courier",
    occurredAt: "2026-03-02T12:10:00.000Z",
  }),
  Reassign: example(reassignSchema, {
    courierId: ID.otherCourier,
    courierVersion: 7,
    reason: "The first courier has a flat tyre",
  }),
};
