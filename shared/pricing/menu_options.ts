/** What can be chosen with a menu item: groups of options with prices and bounds. */
import { z } from "zod";

export const MAX_MONEY_MINOR = 100_000_000;
const MAX_GROUPS = 20;
const MAX_OPTIONS = 50;
/** How often one option may be taken, as three times extra cheese. */
const MAX_OPTION_QUANTITY = 20;
const MAX_CHOICES = 50;
const MAX_NAME = 100;

/** Ids are the shop's own, so that its orders and its menu system name the same thing. */
const optionId = z.string().regex(
  /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/,
  "must be 1 to 64 letters, digits, _ . : or -",
);

function words(max: number) {
  return z.string().trim().min(1).max(max).refine(
    (text) => !text.includes("\0") && text.isWellFormed(),
    { message: "must be well-formed Unicode without the character NUL" },
  );
}

const optionSchema = z.strictObject({
  id: optionId,
  name: words(MAX_NAME),
  /** Added to the item's price; negative for "without". The unit price never falls below zero. */
  priceDeltaMinor: z.int().min(-MAX_MONEY_MINOR).max(MAX_MONEY_MINOR).default(0),
  available: z.boolean().default(true),
  maxQuantity: z.int().min(1).max(MAX_OPTION_QUANTITY).default(1),
});

const groupSchema = z.strictObject({
  id: optionId,
  name: words(MAX_NAME),
  /** How many must and may be chosen of the group, each with its quantity. */
  minChoices: z.int().min(0).max(MAX_CHOICES).default(0),
  maxChoices: z.int().min(1).max(MAX_CHOICES).default(1),
  options: z.array(optionSchema).min(1).max(MAX_OPTIONS),
}).superRefine((group, context) => {
  if (group.minChoices > group.maxChoices) {
    context.addIssue({
      code: "custom",
      path: ["minChoices"],
      message: `must be <= maxChoices, which is ${group.maxChoices}`,
    });
  }
  const most = group.options.reduce((sum, { maxQuantity }) => sum + maxQuantity, 0);
  if (group.minChoices > most) {
    context.addIssue({
      code: "custom",
      path: ["minChoices"],
      message: `must be <= ${most}, which is all that the options allow`,
    });
  }
});

/** In the order in which they are shown. Ids are unique within the item. */
export const optionGroupsSchema = z.array(groupSchema).max(MAX_GROUPS).superRefine(
  (groups, context) => {
    const seen = new Set<string>();
    for (const [index, group] of groups.entries()) {
      for (const [part, { id }] of [group, ...group.options].entries()) {
        const key = `${part === 0 ? "group" : "option"} ${id}`;
        if (seen.has(key)) {
          const path = part === 0 ? [index, "id"] : [index, "options", part - 1, "id"];
          context.addIssue({ code: "custom", path, message: "must be unique within the item" });
        }
        seen.add(key);
      }
    }
  },
);

export type OptionGroup = z.infer<typeof groupSchema>;
export type MenuOption = z.infer<typeof optionSchema>;

/** The options of one line of an order. */
export const wantedOptionsSchema = z.array(z.strictObject({
  optionId,
  quantity: z.int().min(1).max(MAX_OPTION_QUANTITY).default(1),
})).max(MAX_GROUPS * 5).refine(
  (options) => new Set(options.map((option) => option.optionId)).size === options.length,
  "must name each option once: use quantity",
);
export type WantedOption = z.infer<typeof wantedOptionsSchema>[number];
