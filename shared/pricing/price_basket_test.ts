import assert from "node:assert/strict";
import fc from "fast-check";
import { optionGroupsSchema, wantedOptionsSchema } from "./menu_options.ts";
import { priceBasket, type PricedMenuItem, type WantedItem } from "./price_basket.ts";

const SEED = 20261121;

const optionGroups = optionGroupsSchema.parse([
  {
    id: "size",
    name: "Size",
    minChoices: 1,
    options: [
      { id: "small", name: "Small", priceDeltaMinor: -1_000 },
      { id: "large", name: "Large", priceDeltaMinor: 2_000 },
      { id: "huge", name: "Huge", priceDeltaMinor: 4_000, available: false },
    ],
  },
  {
    id: "extras",
    name: "Extras",
    maxChoices: 3,
    options: [
      { id: "cheese", name: "Cheese", priceDeltaMinor: 500, maxQuantity: 2 },
      { id: "chili", name: "Chili" },
      { id: "olives", name: "Olives", priceDeltaMinor: 300 },
      { id: "capers", name: "Capers", priceDeltaMinor: 300 },
    ],
  },
]);
const pizza: PricedMenuItem = {
  id: "pizza",
  name: "Pizza",
  priceMinor: 9_500,
  available: true,
  optionGroups,
};
const soup: PricedMenuItem = {
  id: "soup",
  name: "Soup",
  priceMinor: 7_000,
  available: true,
  optionGroups: [],
};
const soldOut: PricedMenuItem = { ...soup, id: "stew", name: "Stew", available: false };
const MENU = [pizza, soup, soldOut];

function wantedLine(
  menuItemId: string,
  quantity: number,
  ...options: (string | [string, number])[]
) {
  return {
    menuItemId,
    quantity,
    options: options.map((option) =>
      typeof option === "string"
        ? { optionId: option, quantity: 1 }
        : { optionId: option[0], quantity: option[1] }
    ),
  };
}

Deno.test("priceBasket() adds the options to the unit price and keeps them in menu order", () => {
  const priced = priceBasket([wantedLine("pizza", 2, "olives", ["cheese", 2], "large")], MENU);
  assert.deepEqual(priced, {
    ok: true,
    totalMinor: 2 * (9_500 + 2_000 + 2 * 500 + 300),
    items: [{
      menuItemId: "pizza",
      name: "Pizza",
      quantity: 2,
      priceMinor: 12_800,
      options: [
        { optionId: "large", name: "Large", quantity: 1, priceDeltaMinor: 2_000 },
        { optionId: "cheese", name: "Cheese", quantity: 2, priceDeltaMinor: 500 },
        { optionId: "olives", name: "Olives", quantity: 1, priceDeltaMinor: 300 },
      ],
    }],
  });
});

Deno.test("priceBasket() leaves options out of lines that have none", () => {
  assert.deepEqual(priceBasket([{ menuItemId: "soup", quantity: 3 }], MENU), {
    ok: true,
    totalMinor: 21_000,
    items: [{ menuItemId: "soup", name: "Soup", quantity: 3, priceMinor: 7_000 }],
  });
});

Deno.test("priceBasket() never goes below zero for one item", () => {
  const cheap = { ...pizza, priceMinor: 300 };
  const priced = priceBasket([wantedLine("pizza", 5, "small")], [cheap]);
  assert.equal(priced.ok && priced.totalMinor, 0);
});

Deno.test("priceBasket() refuses what is not on the menu, sold out, or outside a group's bounds", () => {
  const refusals: [WantedItem, string, RegExp][] = [
    [wantedLine("pie", 1), "menu_item.not_found", /^items\.0\.menuItemId .* it is pie$/],
    [wantedLine("stew", 1), "menu_item.unavailable", /Stew is sold out$/],
    [
      wantedLine("pizza", 1),
      "menu_item.options_invalid",
      /must choose 1 to 1 of Size: it chooses 0$/,
    ],
    [wantedLine("pizza", 1, "small", "large"), "menu_item.options_invalid", /it chooses 2$/],
    [
      wantedLine("pizza", 1, "huge"),
      "menu_item.unavailable",
      /items\.0\.options\.0\.optionId .*Huge/,
    ],
    [
      wantedLine("pizza", 1, "small", ["cheese", 3]),
      "menu_item.options_invalid",
      /^items\.0\.options\.1\.quantity must be <= 2 of Cheese: it is 3$/,
    ],
    [
      wantedLine("pizza", 1, "small", ["cheese", 2], "olives", "capers"),
      "menu_item.options_invalid",
      /must choose 0 to 3 of Extras: it chooses 4$/,
    ],
    [
      wantedLine("soup", 1, "large"),
      "menu_item.options_invalid",
      /must be an option of Soup: it is large/,
    ],
  ];
  for (const [wanted, code, detail] of refusals) {
    const refused = priceBasket([wanted], MENU);
    assert.ok(!refused.ok, JSON.stringify(wanted));
    assert.equal(refused.code, code);
    assert.match(refused.detail ?? "", detail);
  }
});

Deno.test("priceBasket() refuses a basket dearer than money may be", () => {
  const dear = { ...soup, priceMinor: 100_000_000 };
  assert.equal(priceBasket([wantedLine("soup", 1)], [dear]).ok, true);
  const refused = priceBasket([wantedLine("soup", 2)], [dear]);
  assert.equal(!refused.ok && refused.code, "request.invalid");
});

Deno.test("priceBasket() costs what its lines cost, whole and in bounds (property)", () => {
  console.log(`seed ${SEED}`);
  const option = fc.tuple(
    fc.constantFrom("small", "large", "cheese", "chili", "olives", "capers", "no such option"),
    fc.integer({ min: 1, max: 3 }),
  );
  const sized = fc.array(fc.constant<[string, number]>(["small", 1]), { maxLength: 1 });
  const line = fc.tuple(
    fc.constantFrom("pizza", "pizza", "pizza", "soup"),
    fc.integer({ min: 1, max: 99 }),
    fc.uniqueArray(option, { maxLength: 2, selector: ([id]) => id }),
    sized,
  ).map(([id, quantity, options, size]) => {
    const rest = options.filter(([name]) => name !== "small");
    return [id, quantity, id === "pizza" ? [...rest, ...size] : rest] as const;
  });
  const lines = fc.array(line, { minLength: 1, maxLength: 3 });
  let accepted = 0;
  fc.assert(
    fc.property(lines, (wanted) => {
      const priced = priceBasket(
        wanted.map(([id, n, options]) => wantedLine(id, n, ...options)),
        MENU,
      );
      if (!priced.ok) return;
      accepted++;
      assert.ok(Number.isSafeInteger(priced.totalMinor) && priced.totalMinor >= 0);
      let sum = 0;
      for (const [index, [id, quantity, options]] of wanted.entries()) {
        const prices: Record<string, number> = {
          pizza: 9_500,
          soup: 7_000,
          small: -1_000,
          large: 2_000,
          cheese: 500,
          chili: 0,
          olives: 300,
          capers: 300,
        };
        const unit = (prices[id] ?? NaN) +
          options.reduce((total, [name, count]) => total + (prices[name] ?? NaN) * count, 0);
        assert.equal(priced.items[index]?.priceMinor, unit);
        const isSized = options.filter(([name]) => name === "small" || name === "large");
        assert.equal(isSized.reduce((count, [, n]) => count + n, 0), id === "pizza" ? 1 : 0);
        sum += unit * quantity;
      }
      assert.equal(priced.totalMinor, sum);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
  assert.ok(accepted > 100, `only ${accepted} baskets were accepted`);
});

Deno.test("optionGroupsSchema refuses bounds that cannot be met, repeated ids, and bad money", () => {
  const group = { id: "g", name: "Group", options: [{ id: "o", name: "Option" }] };
  assert.equal(optionGroupsSchema.safeParse([group]).success, true);
  const bad: unknown[] = [
    { ...group, minChoices: 2, maxChoices: 1 },
    { ...group, minChoices: 2, maxChoices: 2 },
    { ...group, options: [] },
    { ...group, id: "a b" },
    { ...group, name: " " },
    { ...group, name: "a\0b" },
    { ...group, surprise: true },
    { ...group, options: [{ id: "o", name: "O" }, { id: "o", name: "P" }] },
    { ...group, options: [{ id: "o", name: "O", priceDeltaMinor: 1.5 }] },
    { ...group, options: [{ id: "o", name: "O", priceDeltaMinor: 1e308 }] },
    { ...group, options: [{ id: "o", name: "O", priceDeltaMinor: NaN }] },
    { ...group, options: Array.from({ length: 51 }, (_, n) => ({ id: `o${n}`, name: "O" })) },
  ];
  for (const entry of bad) {
    assert.equal(optionGroupsSchema.safeParse([entry]).success, false, JSON.stringify(entry));
  }
  assert.equal(optionGroupsSchema.safeParse([group, group]).success, false);
  const many = Array.from({ length: 21 }, (_, n) => ({ ...group, id: `g${n}` }));
  assert.equal(optionGroupsSchema.safeParse(many).success, false);
});

Deno.test("wantedOptionsSchema refuses an option that is named twice", () => {
  assert.equal(wantedOptionsSchema.safeParse([{ optionId: "a" }]).success, true);
  assert.equal(
    wantedOptionsSchema.safeParse([{ optionId: "a" }, { optionId: "a" }]).success,
    false,
  );
});
