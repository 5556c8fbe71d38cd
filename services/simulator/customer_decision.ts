/** What a simulated customer orders: pure choices. */
import type { Point } from "shared/geo/point.ts";
import type { MenuItem, Merchant, NewOrder } from "./api_shapes.ts";
import { pick, type Random, wholeNumber } from "./random.ts";

/** How far from the merchant people order, as the crow flies. */
export const DROPOFF_DISTANCE = { minM: 600, maxM: 3_500 } as const;

const MAX_ITEMS = 3;
const MAX_QUANTITY = 2;

/** One of the merchants that are open. */
export function chooseMerchant(
  merchants: readonly Merchant[],
  random: Random,
): Merchant | undefined {
  return pick(random, merchants.filter(({ open }) => open));
}

/** One to three different items that are to be had; undefined when nothing is. */
export function chooseItems(
  menu: readonly MenuItem[],
  random: Random,
): NewOrder["items"] | undefined {
  const available = menu.filter((item) => item.available);
  const count = Math.min(available.length, wholeNumber(random, 1, MAX_ITEMS));
  if (count === 0) return undefined;
  // The first entries of a shuffle (R. Durstenfeld, CACM Algorithm 235, 1964).
  for (let i = 0; i < count; i++) {
    const j = wholeNumber(random, i, available.length - 1);
    const [chosen, other] = [available[j], available[i]];
    if (chosen !== undefined && other !== undefined) [available[i], available[j]] = [chosen, other];
  }
  return available.slice(0, count).map(({ id }) => ({
    menuItemId: id,
    quantity: wholeNumber(random, 1, MAX_QUANTITY),
  }));
}

/** The order as it is sent. */
export function newOrder(
  merchant: Merchant,
  items: NewOrder["items"],
  dropoff: Point,
): NewOrder {
  return {
    kind: "marketplace",
    merchantId: merchant.id,
    items,
    dropoff: { lat: dropoff.lat, lon: dropoff.lon },
  };
}
