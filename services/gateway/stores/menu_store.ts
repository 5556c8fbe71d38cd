import type { OptionGroup } from "shared/pricing/menu_options.ts";
import type { PricedMenuItem } from "shared/pricing/price_basket.ts";
import type { Queryable, Sql } from "shared/sql/connect.ts";

export interface MenuItem extends PricedMenuItem {
  readonly description: string;
  readonly categoryId: string | null;
  readonly sortOrder: number;
}

export interface MenuCategory {
  readonly id: string;
  readonly name: string;
  readonly sortOrder: number;
}

export const MAX_MENU_ITEMS = 1_000;
export const MAX_MENU_CATEGORIES = 100;
/** Descriptions and options of a whole menu: it is read in one piece. */
export const MAX_MENU_BYTES = 1_000_000;

/** A merchant's menu, as it is shown: by category, then by its own order, then by name. */
export async function listMenu(sql: Queryable, merchantId: string): Promise<MenuItem[]> {
  return await sql<MenuItem[]>`
    select i.id, i.name, i.description, i.category_id, i.sort_order, i.price_minor, i.available,
      i.option_groups
    from menu_items i left join menu_categories c on c.id = i.category_id
    where i.merchant_id = ${merchantId}
    order by c.sort_order nulls last, c.name, c.id, i.sort_order, i.name, i.id
    limit ${MAX_MENU_ITEMS}`;
}

/** An item with the menu it is on. */
export interface OrderedItem extends PricedMenuItem {
  readonly merchantId: string;
}

/** Reads those of these items that exist: what baskets need of them. */
export function orderedItems(sql: Queryable, ids: readonly string[]) {
  return sql<OrderedItem[]>`
    select id, merchant_id, name, price_minor, available, option_groups
    from menu_items where id = any(${[...ids]}::uuid[])`;
}

async function findMenuItem(
  sql: Queryable,
  merchantId: string,
  id: string,
): Promise<MenuItem | undefined> {
  const rows = await sql<MenuItem[]>`
    select id, name, description, category_id, sort_order, price_minor, available, option_groups
    from menu_items where merchant_id = ${merchantId} and id = ${id}`;
  return rows[0];
}

export async function listMenuCategories(
  sql: Queryable,
  merchantId: string,
): Promise<MenuCategory[]> {
  return await sql<MenuCategory[]>`
    select id, name, sort_order from menu_categories
    where merchant_id = ${merchantId} order by sort_order, name, id`;
}

export interface MenuItemValues {
  readonly name: string;
  readonly description: string;
  readonly categoryId: string | null;
  readonly sortOrder: number;
  readonly priceMinor: number;
  readonly available: boolean;
  readonly optionGroups: readonly OptionGroup[];
}

/** Why an entry was not written. */
export type MenuRefusal = "full" | "unknown_category" | "not_found";

/** Adds an item; the merchant's row is locked, so that two at once cannot pass the bound. */
export async function insertMenuItem(
  sql: Sql,
  merchantId: string,
  item: MenuItemValues & { readonly id: string },
): Promise<MenuRefusal | undefined> {
  return await sql.begin(async (tx) => {
    await tx`select 1 from merchants where id = ${merchantId} for no key update`;
    if (!await hasRoom(tx, merchantId, item)) return "full";
    if (!await hasCategory(tx, merchantId, item.categoryId)) return "unknown_category";
    await tx`
      insert into menu_items (id, merchant_id, name, description, category_id, sort_order,
        price_minor, available, option_groups)
      values (${item.id}, ${merchantId}, ${item.name}, ${item.description}, ${item.categoryId},
        ${item.sortOrder}, ${item.priceMinor}, ${item.available}, ${tx.json(item.optionGroups)})`;
    return undefined;
  });
}

/** Changes what is given and answers the item as it now is. */
export async function updateMenuItem(
  sql: Sql,
  { merchantId, itemId }: { readonly merchantId: string; readonly itemId: string },
  changes: { readonly [Name in keyof MenuItemValues]?: MenuItemValues[Name] | undefined },
): Promise<MenuItem | MenuRefusal> {
  return await sql.begin(async (tx) => {
    await tx`select 1 from merchants where id = ${merchantId} for no key update`;
    const item = await findMenuItem(tx, merchantId, itemId);
    if (item === undefined) return "not_found";
    const given = Object.fromEntries(
      Object.entries(changes).filter(([, value]) => value !== undefined),
    );
    const next: MenuItem = { ...item, ...given };
    if (!await hasRoom(tx, merchantId, next)) return "full";
    if (!await hasCategory(tx, merchantId, next.categoryId)) return "unknown_category";
    await tx`
      update menu_items set name = ${next.name}, description = ${next.description},
        category_id = ${next.categoryId}, sort_order = ${next.sortOrder},
        price_minor = ${next.priceMinor}, available = ${next.available},
        option_groups = ${tx.json(next.optionGroups)}
      where id = ${itemId}`;
    return next;
  });
}

/** Whether there was one to remove. Orders keep their own copy of its name and price. */
export async function deleteMenuItem(
  sql: Queryable,
  merchantId: string,
  itemId: string,
): Promise<boolean> {
  const rows = await sql`
    delete from menu_items where id = ${itemId} and merchant_id = ${merchantId} returning 1`;
  return rows.length > 0;
}

/** Adds a category, within the bound. */
export async function insertMenuCategory(
  sql: Sql,
  merchantId: string,
  { id, name, sortOrder }: MenuCategory,
): Promise<MenuRefusal | undefined> {
  return await sql.begin(async (tx) => {
    await tx`select 1 from merchants where id = ${merchantId} for no key update`;
    const known = await listMenuCategories(tx, merchantId);
    if (known.length >= MAX_MENU_CATEGORIES) return "full";
    await tx`
      insert into menu_categories (id, merchant_id, name, sort_order)
      values (${id}, ${merchantId}, ${name}, ${sortOrder})`;
    return undefined;
  });
}

/** Changes what is given; undefined when there is no such category. */
export async function updateMenuCategory(
  sql: Queryable,
  { merchantId, categoryId }: { readonly merchantId: string; readonly categoryId: string },
  changes: { readonly name?: string | undefined; readonly sortOrder?: number | undefined },
): Promise<MenuCategory | undefined> {
  const [row] = await sql<MenuCategory[]>`
    update menu_categories set name = coalesce(${changes.name ?? null}, name),
      sort_order = coalesce(${changes.sortOrder ?? null}::integer, sort_order)
    where id = ${categoryId} and merchant_id = ${merchantId} returning id, name, sort_order`;
  return row;
}

/** Whether there was one to remove; its items stay, without a category. */
export async function deleteMenuCategory(
  sql: Queryable,
  merchantId: string,
  categoryId: string,
): Promise<boolean> {
  const rows = await sql`
    delete from menu_categories where id = ${categoryId} and merchant_id = ${merchantId}
    returning 1`;
  return rows.length > 0;
}

/** Whether the menu stays within its bounds with this item, new or as it will be. */
async function hasRoom(
  sql: Queryable,
  merchantId: string,
  item: MenuItemValues & { readonly id: string },
): Promise<boolean> {
  const [others] = await sql<{ items: number; bytes: number }[]>`
    select count(*)::int as items,
      coalesce(sum(octet_length(description) + octet_length(option_groups::text)), 0)::float8
        as bytes
    from menu_items where merchant_id = ${merchantId} and id <> ${item.id}`;
  if (others === undefined || others.items >= MAX_MENU_ITEMS) return false;
  const text = item.description + JSON.stringify(item.optionGroups);
  return others.bytes + new TextEncoder().encode(text).length <= MAX_MENU_BYTES;
}

async function hasCategory(
  sql: Queryable,
  merchantId: string,
  categoryId: string | null,
): Promise<boolean> {
  if (categoryId === null) return true;
  const rows = await sql`
    select 1 from menu_categories where id = ${categoryId} and merchant_id = ${merchantId}
    for key share`;
  return rows.length > 0;
}
