import { placeJson } from "shared/orders/offer_view.ts";
import type { OrderJson } from "./schemas.ts";
import type { OrderView } from "./stores/order_store.ts";

/** An order as the API answers it; `withTrackingLink` adds the secret where it was created. */
export function orderJson(row: OrderView, publicUrl: string): OrderJson {
  const { courierId, courierName, courierVehicle } = row;
  return {
    id: row.id,
    kind: row.kind,
    status: row.status,
    version: row.version,
    regionId: row.region,
    merchantId: row.merchantId,
    items: [...row.items],
    note: row.note,
    pickup: placeJson(row.pickupLat, row.pickupLon, row.pickupAddress),
    dropoff: placeJson(row.dropoffLat, row.dropoffLon, row.dropoffAddress),
    distanceM: row.distanceM,
    priceMinor: {
      items: row.itemsMinor,
      delivery: row.deliveryMinor,
      tip: row.tipMinor,
      total: row.itemsMinor + row.deliveryMinor + row.tipMinor,
    },
    currency: row.currency,
    placedAt: row.placedAt.toISOString(),
    estimatedDeliveryAt: row.estimatedDeliveryAt.toISOString(),
    stateTimes: { ...row.stateTimes },
    courier: courierId === null || courierName === null || courierVehicle === null
      ? null
      : { id: courierId, name: courierName, vehicle: courierVehicle },
    tracking: { url: `${publicUrl}/t/${row.id}` },
  };
}
