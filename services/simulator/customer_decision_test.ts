import assert from "node:assert/strict";
import { chooseItems, chooseMerchant, newOrder } from "./customer_decision.ts";
import { createRandom } from "./random.ts";

const PLACE = { lat: 57.7, lon: 11.95 };

function merchant(id: string, open: boolean) {
  return { id, open, location: PLACE, preparationMinutes: 10 };
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
  const menu = ["a", "b", "c", "d", "e"].map((id) => ({ id, available: id !== "e" }));
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
  assert.equal(chooseItems([{ id: "a", available: false }], random), undefined);
  assert.equal(chooseItems([{ id: "a", available: true }], random)?.length, 1);
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
