import type { BasketLine } from "shared/pricing/price_basket.ts";
import type { PricePart } from "shared/pricing/price_part.ts";
import type { Queryable, Tx } from "shared/sql/connect.ts";

/** How long a price holds. */
export const QUOTE_TTL_MS = 15 * 60_000;

/** What was asked, in the one form in which two requests can be compared. */
export type QuotedRequest = Readonly<Record<string, unknown>>;

export interface NewQuote {
  readonly id: string;
  readonly accountId: string;
  readonly region: string;
  readonly request: QuotedRequest;
  readonly items: readonly BasketLine[];
  /** All parts, the tip too. */
  readonly parts: readonly PricePart[];
  readonly totalMinor: number;
  readonly currency: string;
  readonly distanceM: number;
  readonly drivingS: number;
}

export interface Quote extends Omit<NewQuote, "totalMinor"> {
  readonly createdAt: Date;
  readonly validUntil: Date;
  readonly isExpired: boolean;
  readonly orderId: string | null;
}

/** Writes a quote; its time runs on the database's clock, like its use. */
export async function insertQuote(
  sql: Queryable,
  quote: NewQuote,
): Promise<{ readonly createdAt: Date; readonly validUntil: Date }> {
  const [row] = await sql<{ createdAt: Date; validUntil: Date }[]>`
    with now as (select clock_timestamp() as at)
    insert into quotes (id, account_id, region, request, items, price_parts, total_minor, currency,
      distance_m, driving_s, created_at, valid_until)
    select ${quote.id}, ${quote.accountId}, ${quote.region}, ${sql.json(quote.request)},
      ${sql.json(quote.items)}, ${sql.json(quote.parts)}, ${quote.totalMinor}, ${quote.currency},
      ${quote.distanceM}, ${quote.drivingS}, now.at,
      now.at + ${QUOTE_TTL_MS} * interval '1 millisecond'
    from now returning created_at, valid_until`;
  if (row === undefined) throw new Error("insert into quotes returned nothing");
  return row;
}

/** A quote of this account. */
export async function findQuote(
  sql: Queryable,
  id: string,
  accountId: string,
): Promise<Quote | undefined> {
  const [row] = await sql<(Omit<Quote, "parts"> & { priceParts: readonly PricePart[] })[]>`
    select id, account_id, region, request, items, price_parts, currency, distance_m, driving_s,
      created_at, valid_until, valid_until <= clock_timestamp() as is_expired, order_id
    from quotes where id = ${id} and account_id = ${accountId}`;
  if (row === undefined) return undefined;
  const { priceParts, ...quote } = row;
  return { ...quote, parts: priceParts };
}

/**
 * Binds a quote to the one order it may have, in the order's transaction: of two orders at once the
 * second waits for the first one's row and then finds it used.
 *
 * @returns false when it is used, expired, or not this account's.
 */
export async function useQuote(
  tx: Tx,
  use: { readonly id: string; readonly accountId: string; readonly orderId: string },
): Promise<boolean> {
  const rows = await tx`
    update quotes set order_id = ${use.orderId}, used_at = clock_timestamp()
    where id = ${use.id} and account_id = ${use.accountId} and order_id is null
      and valid_until > clock_timestamp() returning 1`;
  return rows.length > 0;
}
