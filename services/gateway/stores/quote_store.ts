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

/** Reads those of these quotes that exist; whose they are stands in them. */
export function quotesOf(sql: Queryable, ids: readonly string[]) {
  return sql<Quote[]>`
    select id, account_id, region, request, items, price_parts as parts, currency, distance_m,
      driving_s, created_at, valid_until, valid_until <= clock_timestamp() as is_expired, order_id
    from quotes where id = any(${[...ids]}::uuid[])`;
}

/** What decides whether a quote may still be used. */
export type QuoteState = Pick<
  Quote,
  "id" | "accountId" | "validUntil" | "isExpired" | "orderId"
>;

/**
 * Locks quotes until the transaction ends: of two orders at once the second waits for the first
 * one's and then finds it used. In the order of ids, so that two that lock several cannot block
 * each other.
 */
export async function lockQuotes(tx: Tx, ids: readonly string[]): Promise<QuoteState[]> {
  if (ids.length === 0) return [];
  return await tx<QuoteState[]>`
    select id, account_id, valid_until, valid_until <= clock_timestamp() as is_expired, order_id
    from quotes where id = any(${[...ids]}::uuid[]) order by id for update`;
}

/** Binds locked quotes to the one order that each may have, in the transaction of the orders. */
export function useQuotes(
  tx: Tx,
  uses: readonly { readonly quoteId: string; readonly orderId: string }[],
): void {
  if (uses.length === 0) return;
  tx.defer(tx`
    update quotes set order_id = use.order_id, used_at = clock_timestamp()
    from unnest(${uses.map(({ quoteId }) => quoteId)}::uuid[],
      ${uses.map(({ orderId }) => orderId)}::uuid[]) as use (quote_id, order_id)
    where id = use.quote_id and quotes.order_id is null`);
}
