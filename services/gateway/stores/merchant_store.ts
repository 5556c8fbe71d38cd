import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import type { Queryable } from "shared/sql/connect.ts";

export interface Merchant {
  readonly id: string;
  readonly region: string;
  readonly name: string;
  readonly category: string;
  readonly address: string;
  readonly location: Point;
  readonly preparationMinutes: number;
  readonly open: boolean;
}

export interface MenuItem {
  readonly id: string;
  readonly name: string;
  readonly priceMinor: number;
  readonly available: boolean;
}

interface MerchantRow extends Omit<Merchant, "location"> {
  readonly lat: number;
  readonly lon: number;
}

/** Merchants looked at for one list; a region with more needs the search of a later version. */
const MAX_LISTED = 1_000;

function merchantOf({ lat, lon, ...row }: MerchantRow): Merchant {
  return { ...row, location: { lat, lon } };
}

export async function findMerchant(sql: Queryable, id: string): Promise<Merchant | undefined> {
  const rows = await sql<MerchantRow[]>`
    select id, region, name, category, address, lat, lon, preparation_minutes, open
    from merchants where id = ${id}`;
  return rows[0] === undefined ? undefined : merchantOf(rows[0]);
}

export interface NearbyQuery {
  readonly near?: Point;
  readonly radiusM: number;
  readonly limit: number;
}

/** Merchants by distance where a place is given, by name otherwise. */
export async function listMerchants(
  sql: Queryable,
  query: NearbyQuery,
): Promise<(Merchant & { distanceM?: number })[]> {
  const rows = await sql<MerchantRow[]>`
    select id, region, name, category, address, lat, lon, preparation_minutes, open
    from merchants order by name, id limit ${MAX_LISTED}`;
  const { near } = query;
  if (near === undefined) return rows.slice(0, query.limit).map(merchantOf);
  return rows.map(merchantOf)
    .map((merchant) => ({ ...merchant, distanceM: distanceM(near, merchant.location) }))
    .filter((merchant) => merchant.distanceM <= query.radiusM)
    .sort((a, b) => a.distanceM - b.distanceM)
    .slice(0, query.limit)
    .map((merchant) => ({ ...merchant, distanceM: Math.round(merchant.distanceM) }));
}

export async function listMenu(sql: Queryable, merchantId: string): Promise<MenuItem[]> {
  return await sql<MenuItem[]>`
    select id, name, price_minor, available from menu_items
    where merchant_id = ${merchantId} order by name, id`;
}

/** The merchants an account answers for. */
export async function merchantIdsOf(sql: Queryable, accountId: string): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from merchants where account_id = ${accountId}`;
  return rows.map((row) => row.id);
}
