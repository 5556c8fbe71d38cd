import { type Refusal, refuse } from "shared/orders/refusal.ts";
import {
  MAX_MONEY_MINOR,
  type MenuOption,
  type OptionGroup,
  type WantedOption,
} from "./menu_options.ts";

/** What was asked for, before it is known to exist. */
export interface WantedItem {
  readonly menuItemId: string;
  readonly quantity: number;
  readonly options?: readonly WantedOption[] | undefined;
}

/** What a price needs to know of a menu item. */
export interface PricedMenuItem {
  readonly id: string;
  readonly name: string;
  readonly priceMinor: number;
  readonly available: boolean;
  readonly optionGroups: readonly OptionGroup[];
}

/** An option as it was chosen and priced; kept on the order. */
export interface ChosenOption {
  readonly optionId: string;
  readonly name: string;
  readonly quantity: number;
  readonly priceDeltaMinor: number;
}

/** A line of an order. */
export interface BasketLine {
  readonly menuItemId: string;
  readonly name: string;
  readonly quantity: number;
  /** Of one, with its options. */
  readonly priceMinor: number;
  /** Absent where nothing was chosen. */
  readonly options?: readonly ChosenOption[];
}

export type PricedBasket =
  | { readonly ok: true; readonly items: readonly BasketLine[]; readonly totalMinor: number }
  | Refusal;

/**
 * Prices a basket from the merchant's own menu: an item of another merchant does not exist here,
 * whatever its id. Prices are the menu's at this moment and are kept on the order.
 */
export function priceBasket(
  wanted: readonly WantedItem[],
  menu: readonly PricedMenuItem[],
): PricedBasket {
  const byId = new Map(menu.map((item) => [item.id, item]));
  const items: BasketLine[] = [];
  for (const [index, line] of wanted.entries()) {
    const priced = priceLine(line, byId.get(line.menuItemId), `items.${index}`);
    if (!priced.ok) return priced;
    items.push(priced.line);
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

function priceLine(
  { menuItemId, quantity, options = [] }: WantedItem,
  item: PricedMenuItem | undefined,
  field: string,
): { readonly ok: true; readonly line: BasketLine } | Refusal {
  if (item === undefined) {
    return refuse(
      "menu_item.not_found",
      `${field}.menuItemId must be on the merchant's menu: it is ${menuItemId}`,
    );
  }
  if (!item.available) {
    return refuse(
      "menu_item.unavailable",
      `${field}.menuItemId must be available: ${item.name} is sold out`,
    );
  }
  const chosen = chooseOptions(options, item, `${field}.options`);
  if (!chosen.ok) return chosen;
  const deltaMinor = chosen.options.reduce(
    (sum, option) => sum + option.priceDeltaMinor * option.quantity,
    0,
  );
  const line = {
    menuItemId,
    quantity,
    name: item.name,
    // "Without" may be cheaper, but nobody is paid for eating.
    priceMinor: Math.max(0, item.priceMinor + deltaMinor),
  };
  return {
    ok: true,
    line: chosen.options.length === 0 ? line : { ...line, options: chosen.options },
  };
}

type Chosen = { readonly ok: true; readonly options: readonly ChosenOption[] } | Refusal;

/** Checks the options of a line against the bounds of every group, and puts them into menu order. */
function chooseOptions(
  wanted: readonly WantedOption[],
  item: PricedMenuItem,
  field: string,
): Chosen {
  const left = new Map(wanted.map((option, index) => [option.optionId, { ...option, index }]));
  const options: ChosenOption[] = [];
  for (const group of item.optionGroups) {
    let count = 0;
    for (const option of group.options) {
      const asked = left.get(option.id);
      if (asked === undefined) continue;
      left.delete(option.id);
      const problem = optionProblem(option, asked.quantity, `${field}.${asked.index}`);
      if (problem !== undefined) return problem;
      count += asked.quantity;
      options.push({
        optionId: option.id,
        name: option.name,
        quantity: asked.quantity,
        priceDeltaMinor: option.priceDeltaMinor,
      });
    }
    if (count < group.minChoices || count > group.maxChoices) {
      return refuse(
        "menu_item.options_invalid",
        `${field} must choose ${group.minChoices} to ${group.maxChoices} of ${group.name}: ` +
          `it chooses ${count}`,
        { groupId: group.id, minChoices: group.minChoices, maxChoices: group.maxChoices },
      );
    }
  }
  for (const { optionId, index } of left.values()) {
    return refuse(
      "menu_item.options_invalid",
      `${field}.${index}.optionId must be an option of ${item.name}: it is ${optionId}`,
    );
  }
  return { ok: true, options };
}

function optionProblem(option: MenuOption, quantity: number, field: string): Refusal | undefined {
  if (!option.available) {
    return refuse(
      "menu_item.unavailable",
      `${field}.optionId must be available: ${option.name} is sold out`,
    );
  }
  if (quantity > option.maxQuantity) {
    return refuse(
      "menu_item.options_invalid",
      `${field}.quantity must be <= ${option.maxQuantity} of ${option.name}: it is ${quantity}`,
    );
  }
  return undefined;
}
