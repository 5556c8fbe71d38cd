/**
 * What the placing of an order reads, gathered: what concurrent requests ask goes to Postgres in one
 * packet for all. Nothing is remembered, so a price is the menu's at the moment it is asked for.
 */
import { Gather, padded } from "shared/gather/gather.ts";
import type { Sql } from "shared/sql/connect.ts";
import { type AnsweredRequest, type RequestKey, spelledKey, storedAnswers } from "./idempotency.ts";
import {
  type ExternalId,
  type KnownOrder,
  knownOrders,
  spelled,
} from "./stores/external_id_store.ts";
import { type OrderedItem, orderedItems } from "./stores/menu_store.ts";
import { type Merchant, merchantOf, merchantRows } from "./stores/merchant_store.ts";
import { type Quote, quotesOf } from "./stores/quote_store.ts";

/** Questions of a packet: its rows stay few enough to be read in a few milliseconds. */
const MAX_GROUP = 100;
/** Two, so that Postgres need not wait for this process nor this process for Postgres. */
const MAX_CALLS = 2;

/** What one request asks, all at once. */
export interface OrderQuestion {
  /** What stands under a key of the last 24 h, whatever the request was. */
  readonly request?: RequestKey | undefined;
  /** The order that has this external id. */
  readonly external?: ExternalId | undefined;
  /** A merchant that was not archived. */
  readonly merchantId?: string | undefined;
  /** Only these items of the merchant's menu: what a basket needs. */
  readonly itemIds?: readonly string[] | undefined;
  readonly quoteId?: string | undefined;
}

/** What was found; what was not asked for is not there either. */
export interface OrderReadings {
  readonly stored: AnsweredRequest | undefined;
  readonly known: KnownOrder | undefined;
  readonly merchant: Merchant | undefined;
  readonly items: readonly OrderedItem[];
  /** Whoever's it is. */
  readonly quote: Quote | undefined;
}

/** The reads over one pool. */
export class OrderReads {
  readonly #questions: Gather<OrderQuestion, OrderReadings>;

  constructor(sql: Sql) {
    const bounds = { name: "reads of orders", maxGroup: MAX_GROUP, maxCalls: MAX_CALLS };
    this.#questions = new Gather(bounds, (questions) => readAll(sql, questions));
  }

  /** Answers all parts of a question by the same packet. */
  async read(question: OrderQuestion): Promise<OrderReadings> {
    return await this.#questions.ask(question);
  }
}

async function readAll(sql: Sql, questions: readonly OrderQuestion[]): Promise<OrderReadings[]> {
  const merchantIds = unique(questions.map(({ merchantId }) => merchantId));
  const itemIds = unique(questions.flatMap(({ itemIds = [] }) => itemIds));
  const quoteIds = unique(questions.map(({ quoteId }) => quoteId));
  const rows = await sql.together([
    storedAnswers(sql, questions.flatMap(({ request }) => request ?? [])),
    knownOrders(sql, questions.flatMap(({ external }) => external ?? [])),
    merchantIds.length === 0 ? undefined : merchantRows(sql, padded(merchantIds)),
    itemIds.length === 0 ? undefined : orderedItems(sql, padded(itemIds)),
    quoteIds.length === 0 ? undefined : quotesOf(sql, padded(quoteIds)),
  ]);
  const stored = byName(rows[0], spelledKey);
  const known = byName(rows[1], spelled);
  const merchants = byName(rows[2].map(merchantOf), ({ id }) => id);
  const items = byName(rows[3], ({ id }) => id);
  const quotes = byName(rows[4], ({ id }) => id);
  return questions.map(({ request, external, merchantId, itemIds = [], quoteId }) => ({
    stored: request && stored.get(spelledKey(request)),
    known: external && known.get(spelled(external)),
    merchant: merchantId === undefined ? undefined : merchants.get(merchantId),
    items: itemIds.flatMap((id) => items.get(id) ?? [])
      .filter((item) => item.merchantId === merchantId),
    quote: quoteId === undefined ? undefined : quotes.get(quoteId),
  }));
}

function unique(ids: readonly (string | undefined)[]): string[] {
  return [...new Set(ids)].filter((id) => id !== undefined);
}

function byName<Row>(rows: readonly Row[], nameOf: (row: Row) => string): Map<string, Row> {
  return new Map(rows.map((row) => [nameOf(row), row]));
}
