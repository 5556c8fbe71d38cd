import { isHeld } from "shared/orders/insert_order.ts";
import type { PricedOrder } from "./place_order.ts";
import type { OrderView } from "./stores/order_store.ts";

/**
 * An order as it would be read right after it was placed: its answer is made from this, so that it
 * need not be read. Pure.
 */
export function newOrderView(order: PricedOrder, placedAt: Date): OrderView {
  const { pickup, dropoff, price, schedule } = order;
  return {
    id: order.id,
    region: order.region,
    shard: order.shard,
    kind: order.kind,
    mode: order.mode,
    status: "placed",
    version: 1,
    customerId: order.customerId,
    merchantId: order.merchantId,
    externalId: order.externalId,
    items: order.items,
    note: order.note,
    pickupLat: pickup.lat,
    pickupLon: pickup.lon,
    pickupAddress: pickup.address ?? null,
    pickupNote: order.pickupNote,
    pickupContact: order.pickupContact,
    dropoffLat: dropoff.lat,
    dropoffLon: dropoff.lon,
    dropoffAddress: dropoff.address ?? null,
    dropoffNote: order.dropoffNote,
    dropoffContact: order.dropoffContact,
    size: order.size,
    weightG: order.weightG,
    requiredVehicles: order.requiredVehicles,
    requiredSkills: order.requiredSkills,
    windowStart: schedule?.startsAt ?? null,
    windowEnd: schedule?.endsAt ?? null,
    releaseAt: schedule?.releaseAt ?? null,
    hold: isHeld({ order, placedAt }) ? "scheduled" : null,
    distanceM: order.distanceM,
    itemsMinor: price.items,
    deliveryMinor: price.delivery,
    tipMinor: price.tip,
    priceParts: price.parts.filter(({ kind }) => kind !== "tip"),
    quoteId: order.quoteId,
    cashMinor: order.cashMinor,
    cashCollectedMinor: null,
    currency: order.currency,
    cancellation: null,
    attention: null,
    attentionAt: null,
    redispatches: 0,
    placedAt,
    estimatedDeliveryAt: order.estimatedDeliveryAt,
    stateTimes: { placed: placedAt.toISOString() },
    trackingTokenHash: order.trackingTokenHash,
    courierId: null,
    courierName: null,
    courierVehicle: null,
  };
}
