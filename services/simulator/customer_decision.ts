/** What a simulated customer orders: pure choices. */
import type { Point } from "shared/geo/point.ts";
import type { MenuItem, Merchant, NewOrder, OptionGroup } from "./api_shapes.ts";
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
  const available = menu.filter((item) => item.available && item.optionGroups.every(canChoose));
  const count = Math.min(available.length, wholeNumber(random, 1, MAX_ITEMS));
  if (count === 0) return undefined;
  // The first entries of a shuffle (R. Durstenfeld, CACM Algorithm 235, 1964).
  for (let i = 0; i < count; i++) {
    const j = wholeNumber(random, i, available.length - 1);
    const [chosen, other] = [available[j], available[i]];
    if (chosen !== undefined && other !== undefined) [available[i], available[j]] = [chosen, other];
  }
  return available.slice(0, count).map(({ id, optionGroups }) => {
    const quantity = wholeNumber(random, 1, MAX_QUANTITY);
    const options = optionGroups.flatMap((group) => chooseOptions(group, random));
    return { menuItemId: id, quantity, ...(options.length === 0 ? {} : { options }) };
  });
}

type Options = { optionId: string; quantity: number }[];

/** Whether what must be chosen of the group is to be had. */
function canChoose({ minChoices, options }: OptionGroup): boolean {
  const most = options.reduce((sum, one) => sum + (one.available ? one.maxQuantity : 0), 0);
  return most >= minChoices;
}

/** As few of a group as must be: who wants nothing special takes no more. */
export function chooseOptions({ minChoices, options }: OptionGroup, random: Random): Options {
  const left = options.filter(({ available }) => available);
  const chosen: Options = [];
  let missing = minChoices;
  while (missing > 0 && left.length > 0) {
    const [one] = left.splice(wholeNumber(random, 0, left.length - 1), 1);
    if (one === undefined) break;
    const quantity = Math.min(missing, one.maxQuantity);
    chosen.push({ optionId: one.id, quantity });
    missing -= quantity;
  }
  return chosen;
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
