/** Menus: what owners write, how it is shown, and how options are ordered and priced. */
import assert from "node:assert/strict";
import type { Answer } from "../harness/gateway_app.ts";
import { assertRefused, type Expected, INVALID, invalid } from "../harness/gateway_refusals.ts";
import {
  ask,
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  place,
  soupOrder,
} from "../harness/gateway_world.ts";
import { everything } from "../harness/order_facts.ts";
import { openTestStores } from "../harness/stores.ts";

const SIZES = {
  id: "size",
  name: "Size",
  minChoices: 1,
  options: [{ id: "small", name: "Small" }, { id: "large", name: "Large", priceDeltaMinor: 2_000 }],
};
const EXTRAS = {
  id: "extras",
  name: "Extras",
  maxChoices: 2,
  options: [{ id: "cheese", name: "Cheese", priceDeltaMinor: 500, maxQuantity: 2 }],
};

let world: GatewayWorld;
let menuPath: string;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
  menuPath = `/api/v1/merchants/${world.merchant.merchantId}/menu`;
});
Deno.test.afterAll(() => closeGatewayWorld(world));

async function add(kind: "items" | "categories", body: unknown): Promise<string> {
  const answer = await ask(world, world.merchant, "POST", `${menuPath}/${kind}`, body);
  assert.equal(answer.status, 201);
  return String(answer.json?.["id"]);
}

async function refuses(
  method: string,
  path: string,
  body: unknown,
  expected: Expected,
): Promise<Answer> {
  const before = await everything(world.stores.sql);
  const { token } = world.merchant;
  const answer = await world.gateway.call(method, `${menuPath}/${path}`, { token, body });
  assertRefused(answer, expected, `${method} ${path} ${JSON.stringify(body)?.slice(0, 200)}`);
  assert.deepEqual(await everything(world.stores.sql), before);
  return answer;
}

async function shown(): Promise<{ items: { id: string; name: string }[]; categories: unknown[] }> {
  return JSON.parse((await world.gateway.call("GET", menuPath)).text);
}

Deno.test("an item is added with its options, changed in part, and removed", async () => {
  const answer = await ask(world, world.merchant, "POST", `${menuPath}/items`, {
    name: "Pizza",
    priceMinor: 9_500,
    optionGroups: [SIZES, EXTRAS],
  });
  const { id, ...item } = JSON.parse(answer.text);
  const full = (option: object) => ({
    priceDeltaMinor: 0,
    available: true,
    maxQuantity: 1,
    ...option,
  });
  const optionGroups = [SIZES, EXTRAS].map((group) => ({
    minChoices: 0,
    maxChoices: 1,
    ...group,
    options: group.options.map(full),
  }));
  assert.deepEqual(item, {
    name: "Pizza",
    description: "",
    categoryId: null,
    sortOrder: 0,
    priceMinor: 9_500,
    currency: "SEK",
    available: true,
    optionGroups,
  });
  const path = `${menuPath}/items/${id}`;
  const changed = await ask(world, world.merchant, "PATCH", path, { available: false });
  assert.deepEqual(JSON.parse(changed.text), { ...item, id, available: false });
  assert.deepEqual((await shown()).items.find((entry) => entry.id === id), {
    ...item,
    id,
    available: false,
  });
  const simple = await ask(world, world.merchant, "PATCH", path, { optionGroups: [] });
  assert.deepEqual(simple.json?.["optionGroups"], []);
  assert.equal((await ask(world, world.merchant, "DELETE", path)).status, 204);
  await refuses("DELETE", `items/${id}`, undefined, { status: 404, code: "menu.entry_not_found" });
  await refuses("PATCH", `items/${id}`, { name: "Again" }, {
    status: 404,
    code: "menu.entry_not_found",
  });
});

Deno.test("the menu is shown by category, then by the items' own order, then by name", async () => {
  const drinks = await add("categories", { name: "Drinks", sortOrder: 2 });
  const mains = await add("categories", { name: "Mains", sortOrder: 1 });
  const item = (name: string, categoryId: string | null, sortOrder = 0) =>
    add("items", { name, priceMinor: 1_000, categoryId, sortOrder });
  await item("Water", drinks);
  await item("Stew", mains, 2);
  await item("Curry", mains, 2);
  await item("Dish of the day", mains, 1);
  const { items, categories } = await shown();
  const names = items.map(({ name }) => name);
  assert.deepEqual(names, ["Dish of the day", "Curry", "Stew", "Water", "Soup"]);
  assert.deepEqual(categories, [
    { id: mains, name: "Mains", sortOrder: 1 },
    { id: drinks, name: "Drinks", sortOrder: 2 },
  ]);
  await ask(world, world.merchant, "PATCH", `${menuPath}/categories/${drinks}`, { sortOrder: 0 });
  assert.equal((await shown()).items[0]?.name, "Water");
  await ask(world, world.merchant, "DELETE", `${menuPath}/categories/${drinks}`);
  assert.deepEqual((await shown()).items.map(({ name }) => name).slice(-2), ["Soup", "Water"]);
  await refuses("DELETE", `categories/${drinks}`, undefined, {
    status: 404,
    code: "menu.entry_not_found",
  });
});

Deno.test("items with bad fields are refused with field and bound, and nothing is written", async () => {
  const good = { name: "Pie", priceMinor: 1_000 };
  const id = await add("items", good);
  const groups = (...optionGroups: unknown[]) => ({ optionGroups });
  const cases: [Record<string, unknown>, Expected][] = [
    [{ priceMinor: -1 }, invalid("priceMinor must be >= 0")],
    [{ priceMinor: 100_000_001 }, invalid("priceMinor must be <= 100000000")],
    [{ priceMinor: 1e308 }, INVALID],
    [{ priceMinor: 9.5 }, INVALID],
    [{ priceMinor: "1000" }, INVALID],
    [{ name: "   " }, invalid("name must be >= 1 characters")],
    [{ sortOrder: 1e9 }, invalid("sortOrder must be <= 1000000")],
    [{ merchantId: crypto.randomUUID() }, invalid("merchantId is not a known field")],
    [{ categoryId: crypto.randomUUID() }, invalid("categoryId must be a category of this menu")],
    [groups({ ...SIZES, minChoices: 3 }), INVALID],
    [groups(SIZES, SIZES), INVALID],
    [
      groups({ ...SIZES, options: [{ id: "x", name: "X", priceDeltaMinor: -1e308 }] }),
      INVALID,
    ],
    [groups(...Array(21).fill(SIZES)), INVALID],
  ];
  for (const [change, expected] of cases) {
    await refuses("POST", "items", { ...good, ...change }, expected);
    await refuses("PATCH", `items/${id}`, change, expected);
  }
  const huge = { ...good, description: "x".repeat(70_000) };
  await refuses("POST", "items", huge, { status: 413, code: "request.too_large" });
});

Deno.test("a menu holds at most 1,000 items and 100 categories, also when many are added at once", async () => {
  const { sql } = world.stores;
  const { merchantId } = world.merchant;
  await sql`
    insert into menu_items (id, merchant_id, name, price_minor)
    select gen_random_uuid(), ${merchantId}, 'Item ' || n, 100
    from generate_series(1, 999 - (select count(*)::int from menu_items
      where merchant_id = ${merchantId})) n`;
  await sql`
    insert into menu_categories (id, merchant_id, name)
    select gen_random_uuid(), ${merchantId}, 'Category ' || n
    from generate_series(1, 99 - (select count(*)::int from menu_categories
      where merchant_id = ${merchantId})) n`;
  for (
    const [kind, body] of [["items", { name: "One", priceMinor: 1 }], ["categories", { name: "C" }]]
  ) {
    const post = () =>
      world.gateway.call("POST", `${menuPath}/${kind}`, { token: world.merchant.token, body });
    const answers = await Promise.all([post(), post(), post(), post()]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409]);
    await refuses("POST", String(kind), body, { status: 409, code: "catalogue.full" });
  }
  await sql`delete from menu_items where merchant_id = ${merchantId} and name like 'Item %'`;
});

Deno.test("a menu's descriptions and options have a bound together, because it is read in one piece", async () => {
  const { sql } = world.stores;
  const { merchantId } = world.merchant;
  const id = await add("items", { name: "Small", priceMinor: 100 });
  await sql`
    insert into menu_items (id, merchant_id, name, price_minor, description)
    select gen_random_uuid(), ${merchantId}, 'Heavy ' || n, 100, repeat('x', 100000)
    from generate_series(1, 10) n`;
  const full = { status: 409, code: "catalogue.full" };
  const description = "A line more";
  await refuses("POST", "items", { name: "One more", priceMinor: 1, description }, full);
  await refuses("PATCH", `items/${id}`, { description }, full);
  await sql`delete from menu_items where merchant_id = ${merchantId} and name like 'Heavy %'`;
  await ask(world, world.merchant, "PATCH", `${menuPath}/items/${id}`, { description });
});

Deno.test("an order with options keeps and prices them, whatever happens to the menu afterwards", async () => {
  const menuItemId = await add("items", {
    name: "Pizza",
    priceMinor: 9_500,
    optionGroups: [SIZES, EXTRAS],
  });
  const items = [{
    menuItemId,
    quantity: 2,
    options: [{ optionId: "cheese", quantity: 2 }, { optionId: "large" }],
  }];
  const answer = await place(world, soupOrder(world, { items }));
  assert.equal(answer.status, 201, answer.text);
  const again = `/api/v1/orders/${answer.json?.["id"]}/reorder`;
  const second = await ask(world, world.customer, "POST", again, {});
  assert.deepEqual(JSON.parse(second.text).items, JSON.parse(answer.text).items);
  await ask(world, world.merchant, "DELETE", `${menuPath}/items/${menuItemId}`);
  const path = `/api/v1/orders/${answer.json?.["id"]}`;
  const order = JSON.parse((await world.gateway.call("GET", path, world.customer)).text);
  assert.deepEqual(order.items, [{
    menuItemId,
    name: "Pizza",
    quantity: 2,
    priceMinor: 12_500,
    options: [
      { optionId: "large", name: "Large", quantity: 1, priceDeltaMinor: 2_000 },
      { optionId: "cheese", name: "Cheese", quantity: 2, priceDeltaMinor: 500 },
    ],
  }]);
  assert.equal(order.priceMinor.items, 25_000);
});

Deno.test("options outside their bounds are refused and nothing is written", async () => {
  const menuItemId = await add("items", {
    name: "Pizza",
    priceMinor: 9_500,
    optionGroups: [SIZES, EXTRAS],
  });
  const order = (options: unknown) =>
    soupOrder(world, { items: [{ menuItemId, quantity: 1, options }] });
  const bad = { status: 422, code: "menu_item.options_invalid" };
  const cases: [unknown, Expected][] = [
    [undefined, bad],
    [[], bad],
    [[{ optionId: "small" }, { optionId: "large" }], bad],
    [[{ optionId: "small" }, { optionId: "cheese", quantity: 3 }], bad],
    [[{ optionId: "small" }, { optionId: "anchovies" }], bad],
    [[{ optionId: "small" }, { optionId: "small" }], INVALID],
    [[{ optionId: "small", quantity: 0 }], invalid("items.0.options.0.quantity must be >= 1")],
    [[{ optionId: "small", quantity: 1e308 }], INVALID],
    [[{ optionId: "small", priceDeltaMinor: -9_500 }], INVALID],
    [Array(101).fill({ optionId: "small" }), INVALID],
    ["small", INVALID],
  ];
  for (const [options, expected] of cases) {
    const before = await everything(world.stores.sql);
    assertRefused(
      await place(world, order(options)),
      expected,
      JSON.stringify(options)?.slice(0, 90),
    );
    assert.deepEqual(await everything(world.stores.sql), before);
  }
});
