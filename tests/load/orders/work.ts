/** What both sides of the bench are asked: orders of many customers at some merchants. */
import { hashToken, hexOf } from "shared/auth/token.ts";
import type { Sql } from "shared/sql/connect.ts";
import { insertMerchant, insertRegion } from "../../harness/fixtures.ts";

/** Each customer stays below the limit of ten orders an hour, which is on. */
export const ORDERS_PER_CUSTOMER = 9;
const MERCHANTS = 20;
const EXTRA_ITEMS = 29;

export interface Menu {
  readonly merchantId: string;
  readonly items: readonly { readonly id: string; readonly priceMinor: number }[];
}

/** Settings of the generator. */
export interface GeneratorSettings {
  readonly port: number;
  readonly menus: readonly Menu[];
  /** Customers whose turn it is: nobody orders in two runs. */
  readonly firstCustomer: number;
  readonly customers: number;
  readonly run: string;
  readonly ratePerS: number;
  readonly seconds: number;
  readonly warmUpS: number;
  readonly maxOutstanding: number;
}

/** The session token of a customer. */
export function tokenOf(customer: number): string {
  return `bench-customer-${String(customer).padStart(8, "0")}`;
}

/** A region without streets (distances are straight lines on both sides), merchants, customers. */
export async function seed(sql: Sql, customers: number): Promise<Menu[]> {
  await insertRegion(sql);
  const merchantIds: string[] = [];
  for (let n = 0; n < MERCHANTS; n++) merchantIds.push((await insertMerchant(sql)).merchantId);
  await sql`
    insert into menu_items (id, merchant_id, name, price_minor)
    select gen_random_uuid(), id, 'Dish ' || n, 5000 + 100 * n
    from unnest(${merchantIds}::uuid[]) as id, generate_series(1, ${EXTRA_ITEMS}) as n`;
  await insertCustomers(sql, customers);
  await sql`analyze`;
  const items = await sql<{ merchantId: string; id: string; priceMinor: number }[]>`
    select merchant_id, id, price_minor from menu_items order by merchant_id, id`;
  return [...Map.groupBy(items, ({ merchantId }) => merchantId)]
    .map(([merchantId, rows]) => ({ merchantId, items: rows }));
}

async function insertCustomers(sql: Sql, customers: number): Promise<void> {
  await sql`
    with made as (
      insert into accounts (id, role, name, email, password_hash)
      select gen_random_uuid(), 'customer', 'Bench ' || n, 'bench-' || n || '@example.com', 'none'
      from generate_series(0, ${customers - 1}) as n
      returning id, email
    )
    insert into sessions (token_hash, account_id, expires_at)
    select sha256(convert_to('bench-customer-' ||
        lpad(substring(email from 'bench-([0-9]+)@'), 8, '0'), 'UTF8')),
      id, clock_timestamp() + interval '1 day'
    from made`;
  const [row] = await sql<{ hash: string }[]>`
    select encode(token_hash, 'hex') as hash from sessions where
      token_hash = sha256(convert_to(${tokenOf(0)}, 'UTF8'))`;
  if (row?.hash !== hexOf(await hashToken(tokenOf(0)))) throw new Error("tokens do not match");
}

/** The nth order: two dishes of some merchant to a door two kilometres away. */
export function orderOf(menus: readonly Menu[], run: string, n: number) {
  const menu = menus[n % menus.length];
  if (menu === undefined) throw new Error("there must be a merchant");
  const chosen = [menu.items[n % menu.items.length], menu.items[(n * 7 + 1) % menu.items.length]];
  const items = chosen.flatMap((item, index) =>
    item === undefined ? [] : [{ menuItemId: item.id, quantity: 1 + index }]
  );
  const itemsMinor = chosen.reduce(
    (sum, item, index) => sum + (item?.priceMinor ?? 0) * (1 + index),
    0,
  );
  const body = {
    kind: "marketplace",
    merchantId: menu.merchantId,
    items,
    dropoff: { lat: 57.7 + (n % 100) / 5_000, lon: 11.9 + (n % 77) / 5_000, address: "Main St 7" },
    tipMinor: 500,
    note: run,
  };
  return { body: JSON.stringify(body), itemsMinor };
}
