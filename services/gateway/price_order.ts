import type { RegionPolicy } from "shared/regions/region.ts";
import { type Refusal, refuse } from "shared/orders/refusal.ts";
import { MAX_MONEY_MINOR } from "./schemas.ts";
import type { MenuItem } from "./stores/merchant_store.ts";
import type { OrderItem } from "./stores/order_store.ts";

/** What was asked for, before it is known to exist. */
export interface WantedItem {
  readonly menuItemId: string;
  readonly quantity: number;
}

export type PricedItems =
  | { readonly ok: true; readonly items: readonly OrderItem[]; readonly totalMinor: number }
  | Refusal;

/**
 * Prices a basket from the merchant's own menu: an item of another merchant does not exist here,
 * whatever its id. Prices are the menu's at this moment and are kept on the order.
 */
export function priceItems(wanted: readonly WantedItem[], menu: readonly MenuItem[]): PricedItems {
  const byId = new Map(menu.map((item) => [item.id, item]));
  const items: OrderItem[] = [];
  for (const [index, { menuItemId, quantity }] of wanted.entries()) {
    const item = byId.get(menuItemId);
    const field = `items.${index}.menuItemId`;
    if (item === undefined) {
      return refuse(
        "menu_item.not_found",
        `${field} must be on the merchant's menu: it is ${menuItemId}`,
      );
    }
    if (!item.available) {
      return refuse(
        "menu_item.unavailable",
        `${field} must be available: ${item.name} is sold out`,
      );
    }
    items.push({ menuItemId, quantity, name: item.name, priceMinor: item.priceMinor });
  }
  const totalMinor = items.reduce((sum, item) => sum + item.priceMinor * item.quantity, 0);
  if (totalMinor > MAX_MONEY_MINOR) {
    return refuse(
      "request.invalid",
      `items must cost <= ${MAX_MONEY_MINOR} in minor units: they cost ${totalMinor}`,
    );
  }
  return { ok: true, items, totalMinor };
}

/** The delivery fee: a base and a price per kilometre of the way, rounded to the minor unit. */
export function deliveryFeeMinor(distanceM: number, pricing: RegionPolicy["pricing"]): number {
  return Math.round(pricing.baseMinor + pricing.perKmMinor * distanceM / 1000);
}
