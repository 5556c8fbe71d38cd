import assert from "node:assert/strict";
import { chooseItems, chooseMerchant, chooseOptions, newOrder } from "./customer_decision.ts";
import type { MenuItem } from "./api_shapes.ts";
import { createRandom } from "./random.ts";

const PLACE = { lat: 57.7, lon: 11.95 };

function merchant(id: string, open: boolean) {
  return { id, open, location: PLACE, preparationMinutes: 10 };
}

function item(id: string, available = true, optionGroups: MenuItem["optionGroups"] = []) {
  return { id, available, optionGroups };
}

function option(id: string, available = true, maxQuantity = 1) {
  return { id, available, maxQuantity };
}

Deno.test("chooseMerchant() takes any that is open, and none when all are closed", () => {
  const random = createRandom(1, "merchants");
  const merchants = [merchant("a", true), merchant("b", false), merchant("c", true)];
  const chosen = new Set(Array.from({ length: 100 }, () => chooseMerchant(merchants, random)?.id));
  assert.deepEqual([...chosen].sort(), ["a", "c"]);
  assert.equal(chooseMerchant([merchant("b", false)], random), undefined);
});

Deno.test("chooseItems() takes one to three different items that are to be had", () => {
  const random = createRandom(2, "items");
  const menu = ["a", "b", "c", "d", "e"].map((id) => item(id, id !== "e"));
  const sizes = new Set<number>();
  const seen = new Set<string>();
  for (let i = 0; i < 300; i++) {
    const items = chooseItems(menu, random) ?? [];
    sizes.add(items.length);
    assert.equal(new Set(items.map((item) => item.menuItemId)).size, items.length);
    for (const { menuItemId, quantity } of items) {
      seen.add(menuItemId);
      assert.ok(quantity === 1 || quantity === 2);
    }
  }
  assert.deepEqual([...sizes].sort(), [1, 2, 3]);
  assert.deepEqual([...seen].sort(), ["a", "b", "c", "d"]);
});

Deno.test("chooseItems() has no answer for an empty or sold-out menu, and takes what little there is", () => {
  const random = createRandom(3, "items");
  assert.equal(chooseItems([], random), undefined);
  assert.equal(chooseItems([item("a", false)], random), undefined);
  assert.equal(chooseItems([item("a")], random)?.length, 1);
});

Deno.test("newOrder() sends exactly what the API takes", () => {
  const items = [{ menuItemId: "a", quantity: 1 }];
  assert.deepEqual(newOrder(merchant("m", true), items, PLACE), {
    kind: "marketplace",
    merchantId: "m",
    items,
    dropoff: PLACE,
  });
});

Deno.test("chooseOptions() takes what must be chosen, of what is to be had, and no more", () => {
  const random = createRandom(4, "options");
  const options = [option("s"), option("m"), option("l", false), option("cheese", true, 3)];
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    for (const minChoices of [0, 1, 2, 5]) {
      const chosen = chooseOptions({ minChoices, options }, random);
      assert.equal(chosen.reduce((sum, { quantity }) => sum + quantity, 0), minChoices);
      assert.equal(new Set(chosen.map(({ optionId }) => optionId)).size, chosen.length);
      for (const { optionId, quantity } of chosen) {
        seen.add(optionId);
        assert.ok(quantity <= (optionId === "cheese" ? 3 : 1));
      }
    }
  }
  assert.deepEqual([...seen].sort(), ["cheese", "m", "s"]);
});

Deno.test("chooseItems() sends the options that must be chosen, and passes over what cannot be ordered", () => {
  const random = createRandom(5, "options");
  const size = { minChoices: 1, options: [option("s")] };
  const soldOut = { minChoices: 1, options: [option("s", false)] };
  const chosen = chooseItems([item("a", true, [size]), item("b", true, [soldOut])], random);
  assert.deepEqual(chosen?.map(({ menuItemId, options }) => [menuItemId, options]), [
    ["a", [{ optionId: "s", quantity: 1 }]],
  ]);
});
