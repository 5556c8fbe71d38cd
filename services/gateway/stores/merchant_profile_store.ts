/** What the owner of a merchant writes. */
import type { Point } from "shared/geo/point.ts";
import type { Hours } from "shared/hours/hours_schema.ts";
import type { Queryable, Sql } from "shared/sql/connect.ts";
import type { Fleet } from "./merchant_store.ts";

export const MAX_MERCHANTS_PER_ACCOUNT = 200;

export interface MerchantValues {
  readonly name: string;
  readonly category: string;
  readonly description: string;
  readonly address: string;
  readonly location: Point;
  readonly preparationMinutes: number;
  /** Null is the region's. */
  readonly timeZone: string | null;
  readonly hours: Hours | null;
  readonly takesOrders: boolean;
  readonly fleet: Fleet;
}

/** Adds a merchant; false when the account has as many as it may. */
export async function insertMerchant(
  sql: Sql,
  owner: { readonly id: string; readonly accountId: string; readonly region: string },
  values: MerchantValues,
): Promise<boolean> {
  return await sql.begin(async (tx) => {
    // Locked, so that two at once cannot pass the bound.
    await tx`select 1 from accounts where id = ${owner.accountId} for no key update`;
    const [count] = await tx<{ merchants: number }[]>`
      select count(*)::int as merchants from merchants
      where account_id = ${owner.accountId} and archived_at is null`;
    if ((count?.merchants ?? 0) >= MAX_MERCHANTS_PER_ACCOUNT) return false;
    await tx`
      insert into merchants (id, account_id, region, name, category, description, address, lat,
        lon, preparation_minutes, time_zone, hours, open, fleet)
      values (${owner.id}, ${owner.accountId}, ${owner.region}, ${values.name}, ${values.category},
        ${values.description}, ${values.address}, ${values.location.lat}, ${values.location.lon},
        ${values.preparationMinutes}, ${values.timeZone}, ${jsonOrNull(tx, values.hours)},
        ${values.takesOrders}, ${values.fleet})`;
    return true;
  });
}

type Changes = { readonly [Name in keyof MerchantValues]?: MerchantValues[Name] | undefined };

/** Changes what is given; what is undefined stays. */
export async function updateMerchant(sql: Queryable, id: string, changes: Changes): Promise<void> {
  const { location, timeZone, hours } = changes;
  await sql`
    update merchants set
      name = coalesce(${changes.name ?? null}, name),
      category = coalesce(${changes.category ?? null}, category),
      description = coalesce(${changes.description ?? null}, description),
      address = coalesce(${changes.address ?? null}, address),
      lat = coalesce(${location?.lat ?? null}::float8, lat),
      lon = coalesce(${location?.lon ?? null}::float8, lon),
      preparation_minutes =
        coalesce(${changes.preparationMinutes ?? null}::smallint, preparation_minutes),
      open = coalesce(${changes.takesOrders ?? null}::boolean, open),
      fleet = coalesce(${changes.fleet ?? null}, fleet),
      time_zone = case when ${timeZone === undefined} then time_zone else ${timeZone ?? null} end,
      hours = case when ${hours === undefined} then hours
        else ${jsonOrNull(sql, hours ?? null)}::jsonb end,
      updated_at = clock_timestamp()
    where id = ${id} and archived_at is null`;
}

/** Takes no orders before `untilMs`; null takes them again. */
export async function pauseMerchant(
  sql: Queryable,
  id: string,
  untilMs: number | null,
): Promise<void> {
  await sql`
    update merchants set paused_until = ${untilMs === null ? null : new Date(untilMs)},
      updated_at = clock_timestamp()
    where id = ${id} and archived_at is null`;
}

/** Takes a merchant out of lists and orders for good; its orders keep it. */
export async function archiveMerchant(sql: Queryable, id: string): Promise<void> {
  await sql`
    update merchants set archived_at = clock_timestamp(), updated_at = clock_timestamp()
    where id = ${id} and archived_at is null`;
}

/** Whether an account exists and has the role of a merchant. */
export async function isMerchantAccount(sql: Queryable, accountId: string): Promise<boolean> {
  const rows = await sql`select 1 from accounts where id = ${accountId} and role = 'merchant'`;
  return rows.length > 0;
}

/** Puts a courier into a merchant's fleet, or out of any; false when there is no such courier. */
export async function setCourierFleet(
  sql: Queryable,
  courierId: string,
  merchantId: string | null,
): Promise<boolean> {
  const rows = await sql`
    update couriers set fleet = ${merchantId} where id = ${courierId} returning 1`;
  return rows.length > 0;
}

function jsonOrNull(sql: Queryable, hours: Hours | null) {
  return hours === null ? null : sql.json(hours);
}
