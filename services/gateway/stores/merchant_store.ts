import type { Hours } from "shared/hours/hours_schema.ts";
import type { Point } from "shared/geo/point.ts";
import type { Queryable } from "shared/sql/connect.ts";

export const FLEETS = ["own", "shared"] as const;
/** Who carries a merchant's orders. */
export type Fleet = (typeof FLEETS)[number];

export interface Merchant {
  readonly id: string;
  readonly accountId: string;
  readonly region: string;
  readonly name: string;
  readonly category: string;
  readonly description: string;
  readonly address: string;
  readonly location: Point;
  readonly preparationMinutes: number;
  /** The merchant's own or the region's. */
  readonly timeZone: string;
  /** Null keeps no hours: always open. */
  readonly hours: Hours | null;
  /** The switch without an end; hours and pause come on top. */
  readonly takesOrders: boolean;
  /** Whether the account that answers for it is suspended: then it is closed, whatever it says. */
  readonly isSuspended: boolean;
  readonly pausedUntil: Date | null;
  readonly fleet: Fleet;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface MerchantRow extends Omit<Merchant, "location"> {
  readonly lat: number;
  readonly lon: number;
}

export function merchantOf<Row extends MerchantRow>({ lat, lon, ...row }: Row) {
  return { ...row, location: { lat, lon } };
}

/** The columns of a MerchantRow, of `merchants m` joined with `regions r`. */
export function merchantColumns(sql: Queryable) {
  return sql`m.id, m.account_id, m.region, m.name, m.category, m.description, m.address, m.lat,
    m.lon, m.preparation_minutes, coalesce(m.time_zone, r.time_zone) as time_zone, m.hours,
    m.open as takes_orders, m.paused_until, m.fleet, m.created_at, m.updated_at,
    exists (select 1 from accounts a where a.id = m.account_id and a.suspended_at is not null)
      as is_suspended`;
}

/** Reads those of these merchants that were not archived; `merchantOf` makes merchants of them. */
export function merchantRows(sql: Queryable, ids: readonly string[]) {
  return sql<MerchantRow[]>`
    select ${merchantColumns(sql)} from merchants m join regions r on r.id = m.region
    where m.id = any(${[...ids]}::uuid[]) and m.archived_at is null`;
}

/** A merchant that was not archived. */
export async function findMerchant(sql: Queryable, id: string): Promise<Merchant | undefined> {
  const [row] = await merchantRows(sql, [id]);
  return row === undefined ? undefined : merchantOf(row);
}

const MAX_OWN = 1_000;

/** The merchants an account answers for, as they are today. */
export async function listOwnMerchants(sql: Queryable, accountId: string): Promise<Merchant[]> {
  const rows = await sql<MerchantRow[]>`
    select ${merchantColumns(sql)} from merchants m join regions r on r.id = m.region
    where m.account_id = ${accountId} and m.archived_at is null
    order by m.name, m.id limit ${MAX_OWN}`;
  return rows.map(merchantOf);
}

/** The merchants an account answers for, archived ones too: their orders go on. */
export async function merchantIdsOf(sql: Queryable, accountId: string): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from merchants where account_id = ${accountId}`;
  return rows.map((row) => row.id);
}
