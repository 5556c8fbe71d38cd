/** Puts a city's people and merchants into an empty database. */
import { PasswordHasher } from "shared/auth/password_hasher.ts";
import type { City, CityMerchant } from "shared/city/city.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { shardOf } from "shared/redis/keys.ts";
import { DEFAULT_REGION_POLICY } from "shared/regions/region.ts";
import type { Queryable, Sql, Tx } from "shared/sql/connect.ts";

const SHARDS = 1;

const FIRST_NAMES = ["Alva", "Bo", "Cleo", "Dag", "Elsa", "Finn", "Greta", "Hugo", "Ines", "Jon"];
const LAST_NAMES = ["Berg", "Dahl", "Ek", "Falk", "Holm", "Lind", "Nyman", "Sand"];

/** Where the demo's people sign in. */
export function demoEmail(role: "courier" | "merchant" | "customer", n: number, regionId: string) {
  return `${role}-${n}@${regionId}.demo`;
}

export const ADMIN_EMAIL = "admin@hexmile.demo";

/**
 * Seeds the city once; a database that has the region already is left as it is.
 *
 * @param password of every account. Hashed once for all of them: they share it anyway.
 * @returns whether anything was written.
 */
export async function seedCity(sql: Sql, city: City, password: string): Promise<boolean> {
  const { region } = city;
  const existing = await sql`select 1 from regions where id = ${region.id}`;
  if (existing.length > 0) return false;
  const hasher = new PasswordHasher();
  const passwordHash = await hasher.hash(password).finally(() => hasher.close());
  await sql.begin(async (tx) => {
    await insertRegion(tx, region);
    const account = (role: string, name: string, email: string) =>
      insertAccount(tx, { role, name, email, passwordHash });
    await account("admin", "Demo Admin", ADMIN_EMAIL);
    for (const [index, merchant] of city.merchants.entries()) {
      const email = demoEmail("merchant", index + 1, region.id);
      const accountId = await account("merchant", merchant.name, email);
      await insertMerchant(tx, accountId, region.id, merchant);
    }
    for (const [index, vehicle] of city.fleet.vehicles.entries()) {
      const email = demoEmail("courier", index + 1, region.id);
      const id = await account("courier", personName(index), email);
      await tx`
        insert into couriers (id, region, shard, vehicle)
        values (${id}, ${region.id}, ${shardOf(id, SHARDS)}, ${vehicle})`;
    }
    for (let index = 0; index < city.customers.count; index++) {
      const email = demoEmail("customer", index + 1, region.id);
      await account("customer", personName(index + 3), email);
    }
  });
  return true;
}

/** Adds a region with the policy every region starts with. */
export async function insertRegion(sql: Queryable, region: City["region"]): Promise<void> {
  await sql`
    insert into regions (id, name, shards, time_zone, currency, area, policy)
    values (${region.id}, ${region.name}, ${SHARDS}, ${region.timeZone}, ${region.currency},
      ${sql.json(region.servedArea.map(({ lat, lon }) => [lat, lon]))},
      ${sql.json(DEFAULT_REGION_POLICY)})`;
}

function personName(index: number): string {
  const first = FIRST_NAMES[index % FIRST_NAMES.length] ?? "";
  const last = LAST_NAMES[Math.floor(index / FIRST_NAMES.length) % LAST_NAMES.length] ?? "";
  return `${first} ${last}`;
}

async function insertAccount(
  tx: Tx,
  account: { role: string; name: string; email: string; passwordHash: string },
): Promise<string> {
  const [row] = await tx<{ id: string }[]>`
    insert into accounts (id, role, name, email, password_hash)
    values (${uuidv7()}, ${account.role}, ${account.name}, ${account.email},
      ${account.passwordHash})
    on conflict (email) do update set email = excluded.email
    returning id`;
  if (row === undefined) throw new Error("insert into accounts returned nothing");
  return row.id;
}

async function insertMerchant(
  tx: Tx,
  accountId: string,
  regionId: string,
  merchant: CityMerchant,
): Promise<void> {
  const id = uuidv7();
  const { location, menu } = merchant;
  await tx`
    insert into merchants (id, account_id, region, name, category, address, lat, lon,
      preparation_minutes)
    values (${id}, ${accountId}, ${regionId}, ${merchant.name}, ${merchant.category},
      ${merchant.address}, ${location.lat}, ${location.lon}, ${merchant.preparationMinutes})`;
  for (const item of menu) {
    await tx`
      insert into menu_items (id, merchant_id, name, price_minor)
      values (${uuidv7()}, ${id}, ${item.name}, ${item.priceMinor})`;
  }
}
