import type { Role } from "shared/auth/principal.ts";
import type { Contact, Place } from "shared/orders/insert_order.ts";
import { isTerminal } from "shared/orders/lifecycle.ts";
import { placeJson } from "shared/orders/offer_view.ts";
import { orderPrice } from "./order_price.ts";
import type { OrderJson } from "./order_schemas.ts";
import type { OrderView } from "./stores/order_store.ts";

/** Who reads. */
export interface OrderReader {
  readonly role: Role;
}

/**
 * An order as a party of it reads it. Contacts are not for couriers once the order has ended, and
 * what the dispatcher's queue holds is for dispatchers. `withTrackingLink` adds the secret where
 * the order was created.
 */
export function orderJson(row: OrderView, publicUrl: string, reader: OrderReader): OrderJson {
  const seesAll = reader.role === "dispatcher" || reader.role === "admin";
  return {
    id: row.id,
    externalId: row.externalId,
    kind: row.kind,
    mode: row.mode,
    status: row.status,
    version: row.version,
    regionId: row.region,
    merchantId: row.merchantId,
    items: row.items.map(({ options, ...line }) =>
      options === undefined ? line : { ...line, options: [...options] }
    ),
    note: row.note,
    ...stops(row, reader.role),
    ...parcel(row),
    ...schedule(row),
    distanceM: row.distanceM,
    ...money(row),
    placedAt: row.placedAt.toISOString(),
    estimatedDeliveryAt: row.estimatedDeliveryAt.toISOString(),
    stateTimes: { ...row.stateTimes },
    courier: courier(row),
    tracking: { url: `${publicUrl}/t/${row.id}` },
    ...(seesAll ? dispatch(row) : {}),
  };
}

function stops(row: OrderView, role: Role) {
  const mayCall = role !== "courier" || !isTerminal(row.status);
  return {
    pickup: stop(
      placeJson(row.pickupLat, row.pickupLon, row.pickupAddress),
      row.pickupNote,
      mayCall ? row.pickupContact : null,
    ),
    dropoff: stop(
      placeJson(row.dropoffLat, row.dropoffLon, row.dropoffAddress),
      row.dropoffNote,
      mayCall ? row.dropoffContact : null,
    ),
  };
}

function stop(place: Place, note: string | null, contact: Contact | null) {
  return {
    ...place,
    ...(note === null ? {} : { note }),
    ...(contact === null ? {} : { contact: { ...contact } }),
  };
}

function parcel(row: OrderView) {
  if (row.kind !== "parcel") return { parcel: null };
  const { size, weightG, requiredVehicles, requiredSkills } = row;
  return {
    parcel: {
      size: size === null ? null : { ...size },
      weightG,
      requiredVehicles: [...requiredVehicles],
      requiredSkills: [...requiredSkills],
    },
  };
}

function schedule({ windowStart, windowEnd, releaseAt, hold }: OrderView) {
  const isScheduled = windowStart !== null && windowEnd !== null && releaseAt !== null;
  return {
    window: isScheduled
      ? { startsAt: windowStart.toISOString(), endsAt: windowEnd.toISOString() }
      : null,
    releaseAt: isScheduled ? releaseAt.toISOString() : null,
    hold,
  };
}

function money(row: OrderView) {
  const { cancellation, cashMinor, cashCollectedMinor } = row;
  const price = orderPrice(row);
  return {
    priceMinor: {
      items: row.itemsMinor,
      delivery: row.deliveryMinor,
      tip: row.tipMinor,
      total: price.totalMinor,
    },
    price: { ...price, parts: [...price.parts] },
    quoteId: row.quoteId,
    currency: row.currency,
    cashOnDelivery: cashMinor === 0
      ? null
      : { amountMinor: cashMinor, collectedMinor: cashCollectedMinor },
    cancellation: cancellation === null
      ? null
      : { ...cancellation, parts: cancellation.parts.map((part) => ({ ...part })) },
  };
}

function courier({ courierId, courierName, courierVehicle }: OrderView) {
  return courierId === null || courierName === null || courierVehicle === null
    ? null
    : { id: courierId, name: courierName, vehicle: courierVehicle };
}

function dispatch(row: OrderView) {
  return {
    dispatch: {
      attention: row.attention,
      attentionAt: row.attentionAt?.toISOString() ?? null,
      redispatches: row.redispatches,
    },
  };
}
