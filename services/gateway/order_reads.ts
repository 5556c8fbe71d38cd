/**
 * What the placing of an order reads, gathered: what concurrent requests ask is answered by one
 * statement for all. Nothing is remembered, so a price is the menu's at the moment it is asked for.
 */
import { Gather, type GatherBounds, padded } from "shared/gather/gather.ts";
import type { Sql } from "shared/sql/connect.ts";
import {
  type AnsweredRequest,
  findStoredAnswers,
  type RequestKey,
  spelledKey,
} from "./idempotency.ts";
import {
  type ExternalId,
  findExternalIds,
  type KnownOrder,
  spelled,
} from "./stores/external_id_store.ts";
import { findOrderedItems, type OrderedItem } from "./stores/menu_store.ts";
import { findMerchants, type Merchant } from "./stores/merchant_store.ts";
import { findQuotes, type Quote } from "./stores/quote_store.ts";

/** Rows of a statement stay few enough to be read in a few milliseconds. */
const MAX_GROUP = 100;
/** Two, so that Postgres need not wait for this process nor this process for Postgres. */
const MAX_CALLS = 2;

/** The reads over one pool. */
export class OrderReads {
  readonly #answers: Gather<RequestKey, AnsweredRequest | undefined>;
  readonly #known: Gather<ExternalId, KnownOrder | undefined>;
  readonly #merchants: Gather<string, Merchant | undefined>;
  readonly #items: Gather<readonly string[], readonly OrderedItem[]>;
  readonly #quotes: Gather<string, Quote | undefined>;

  constructor(sql: Sql) {
    this.#answers = new Gather(bounds("stored answers"), async (requests) => {
      const found = await findStoredAnswers(sql, requests);
      return requests.map((request) => found.get(spelledKey(request)));
    });
    this.#known = new Gather(bounds("external ids"), async (ids) => {
      const found = byName(await findExternalIds(sql, ids), spelled);
      return ids.map((id) => found.get(spelled(id)));
    });
    this.#merchants = new Gather(bounds("merchants"), async (ids) => {
      const found = byName(await findMerchants(sql, padded([...new Set(ids)])), ({ id }) => id);
      return ids.map((id) => found.get(id));
    });
    this.#items = new Gather(bounds("menu items"), async (baskets) => {
      const found = byName(
        await findOrderedItems(sql, padded([...new Set(baskets.flat())])),
        ({ id }) => id,
      );
      return baskets.map((ids) => ids.flatMap((id) => found.get(id) ?? []));
    });
    this.#quotes = new Gather(bounds("quotes"), async (ids) => {
      const found = byName(await findQuotes(sql, padded(ids)), ({ id }) => id);
      return ids.map((id) => found.get(id));
    });
  }

  /** What stands under a key of the last 24 h, whatever the request was. */
  async storedAnswer(request: RequestKey): Promise<AnsweredRequest | undefined> {
    return await this.#answers.ask(request);
  }

  /** The order that has this external id. */
  async knownOrder(id: ExternalId): Promise<KnownOrder | undefined> {
    return await this.#known.ask(id);
  }

  /** A merchant that was not archived. */
  async merchant(id: string): Promise<Merchant | undefined> {
    return await this.#merchants.ask(id);
  }

  /** Only these items of the merchant's menu: what a basket needs. */
  async menuItems(merchantId: string, ids: readonly string[]): Promise<OrderedItem[]> {
    return (await this.#items.ask(ids)).filter((item) => item.merchantId === merchantId);
  }

  /** A quote of this account. */
  async quote(id: string, accountId: string): Promise<Quote | undefined> {
    const quote = await this.#quotes.ask(id);
    return quote?.accountId === accountId ? quote : undefined;
  }
}

function bounds(name: string): GatherBounds {
  return { name, maxGroup: MAX_GROUP, maxCalls: MAX_CALLS };
}

function byName<Row>(rows: readonly Row[], nameOf: (row: Row) => string): Map<string, Row> {
  return new Map(rows.map((row) => [nameOf(row), row]));
}
