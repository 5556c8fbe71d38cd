/** People, merchants and orders for tests, written as the product writes them. */
import { uuidv7 } from "shared/ids/uuid.ts";
import { appendOrderEvents } from "shared/orders/order_events.ts";
import { startDeadlines } from "shared/orders/deadlines.ts";
import type { OrderKind, OrderState } from "shared/orders/lifecycle.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import { DEFAULT_REGION_POLICY } from "shared/regions/region.ts";
import type { Sql } from "shared/sql/connect.ts";

export const REGION = "testville";
/** A square of about 22 x 12 km around the places of the tests. */
const AREA = [[57.6, 11.8], [57.8, 11.8], [57.8, 12.0], [57.6, 12.0]];

export async function insertRegion(sql: Sql, id: string = REGION): Promise<void> {
  await sql`
    insert into regions (id, name, time_zone, currency, area, policy)
    values (${id}, 'Testville', 'Europe/Stockholm', 'SEK', ${sql.json(AREA)},
      ${sql.json(DEFAULT_REGION_POLICY)})`;
}

export async function insertAccount(
  sql: Sql,
  role: string,
  id: string = uuidv7(),
): Promise<string> {
  await sql`
    insert into accounts (id, role, name, email, password_hash)
    values (${id}, ${role}, ${`Test ${role}`}, ${`${id}@test.example`}, 'none')`;
  return id;
}

export async function insertCourier(
  sql: Sql,
  options: { id?: string; status?: CourierStatus; capacity?: number } = {},
): Promise<string> {
  const id = await insertAccount(sql, "courier", options.id);
  await sql`
    insert into couriers (id, region, shard, vehicle, status, capacity, version)
    values (${id}, ${REGION}, 0, 'bicycle', ${options.status ?? "available"},
      ${options.capacity ?? 1}, 1)`;
  return id;
}

export interface TestMerchant {
  readonly accountId: string;
  readonly merchantId: string;
  readonly menuItemId: string;
}

export async function insertMerchant(sql: Sql): Promise<TestMerchant> {
  const accountId = await insertAccount(sql, "merchant");
  const merchantId = uuidv7();
  const menuItemId = uuidv7();
  await sql`
    insert into merchants (id, account_id, region, name, category, address, lat, lon,
      preparation_minutes)
    values (${merchantId}, ${accountId}, ${REGION}, 'Test Kitchen', 'soup', 'Main Street 1', 57.7,
      11.9, 5)`;
  await sql`
    insert into menu_items (id, merchant_id, name, price_minor)
    values (${menuItemId}, ${merchantId}, 'Soup', 9500)`;
  return { accountId, merchantId, menuItemId };
}

/** An order at any state, as if it had walked there; its first event is in the outbox. */
export async function insertOrder(
  sql: Sql,
  options: {
    id?: string;
    customerId: string;
    merchantId?: string;
    status?: OrderState;
    kind?: OrderKind;
  },
): Promise<string> {
  const id = options.id ?? uuidv7();
  const kind = options.kind ?? (options.merchantId === undefined ? "parcel" : "marketplace");
  await sql.begin(async (tx) => {
    await tx`
      insert into orders (id, region, shard, kind, status, version, customer_id, merchant_id, items,
        pickup_lat, pickup_lon, dropoff_lat, dropoff_lon, distance_m, preparation_minutes,
        items_minor, delivery_minor, tip_minor, currency, estimated_delivery_at,
        tracking_token_hash, state_times)
      values (${id}, ${REGION}, 0, ${kind}, ${options.status ?? "placed"}, 1,
        ${options.customerId}, ${options.merchantId ?? null}, '[]', 57.7, 11.9, 57.71, 11.91, 1300,
        5, 0, 364, 0, 'SEK', clock_timestamp() + interval '30 minutes', '\\x00', '{}')`;
    startDeadlines(tx, { id, kind, status: options.status ?? "placed" }, 1);
    appendOrderEvents(tx, { id, version: 1, region: REGION, shard: 0 }, [{
      type: "order.placed",
      data: {
        orderId: id,
        orderVersion: 1,
        kind,
        customerId: options.customerId,
        merchantId: options.merchantId ?? null,
      },
    }], { role: "customer", accountId: options.customerId });
  });
  return id;
}
