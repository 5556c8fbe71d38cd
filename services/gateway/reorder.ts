import { VEHICLES } from "shared/streets/vehicle.ts";
import type { z } from "@hono/zod-openapi";
import type { reorderSchema, WholeOrder } from "./order_schemas.ts";
import type { OrderView } from "./stores/order_store.ts";

/**
 * The request that asks for an order again. Prices, opening and the way are checked anew; time
 * window, tip and external id belong to one order only and must be said again. Pure.
 */
export function reorderOf(row: OrderView, changes: z.infer<typeof reorderSchema>): WholeOrder {
  const note = changes.note ?? row.note;
  const common = {
    dropoff: place(row.dropoffLat, row.dropoffLon, row.dropoffAddress),
    ...optional("dropoffNote", row.dropoffNote),
    ...optional("dropoffContact", row.dropoffContact),
    ...optional("note", note),
    ...optional("externalId", changes.externalId ?? null),
    ...optional("window", changes.window ?? null),
    ...optional("tipMinor", changes.tipMinor ?? null),
    ...(row.cashMinor === 0 ? {} : { cashOnDeliveryMinor: row.cashMinor }),
  };
  if (row.kind === "marketplace" && row.merchantId !== null) {
    const items = row.items.map(({ menuItemId, quantity, options = [] }) => ({
      menuItemId,
      quantity,
      options: options.map((option) => ({ optionId: option.optionId, quantity: option.quantity })),
    }));
    return { kind: "marketplace", merchantId: row.merchantId, items, ...common };
  }
  return {
    kind: "parcel",
    pickup: place(row.pickupLat, row.pickupLon, row.pickupAddress),
    ...optional("pickupNote", row.pickupNote),
    ...optional("pickupContact", row.pickupContact),
    ...optional("size", row.size),
    ...optional("weightG", row.weightG),
    requiredVehicles: VEHICLES.filter((vehicle) => row.requiredVehicles.includes(vehicle)),
    requiredSkills: [...row.requiredSkills],
    ...common,
  };
}

function place(lat: number, lon: number, address: string | null) {
  return { lat, lon, ...optional("address", address) };
}

function optional<Name extends string, Value>(
  name: Name,
  value: Value | null,
): { [Key in Name]?: Value } {
  return value === null ? {} : { [name]: value } as { [Key in Name]?: Value };
}
