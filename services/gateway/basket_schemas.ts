/** A basket as it is ordered and as it is shown. */
import { z } from "@hono/zod-openapi";
import { wantedOptionsSchema } from "shared/pricing/menu_options.ts";
import { pricePartSchema } from "shared/pricing/price_part.ts";

const MAX_ITEMS = 50;
const MAX_QUANTITY = 99;

export const wantedItemsSchema = z.array(z.strictObject({
  menuItemId: z.uuid(),
  quantity: z.int().min(1).max(MAX_QUANTITY),
  /** Where the menu item has groups of options. */
  options: wantedOptionsSchema.optional(),
})).min(1).max(MAX_ITEMS);

/** A line as it was priced: `priceMinor` is of one, with its options. */
export const basketLineSchema = z.object({
  menuItemId: z.uuid(),
  name: z.string(),
  quantity: z.int(),
  priceMinor: z.int(),
  options: z.array(z.object({
    optionId: z.string(),
    name: z.string(),
    quantity: z.int(),
    priceDeltaMinor: z.int(),
  })).optional(),
});

/** A price as the sum of its parts. A client shows parts of kinds it does not know by their label. */
export const priceSchema = z.object({
  parts: z.array(pricePartSchema),
  totalMinor: z.int(),
  currency: z.string(),
}).openapi("Price");
