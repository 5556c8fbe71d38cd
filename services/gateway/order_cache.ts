/**
 * Orders as they are read most: from the cache, newest first of what this gateway knows.
 *
 * Contract
 * - An entry carries the order's version. The gateway's own changes store the new row before they
 *   answer; changes by others are announced from the event streams (`followOrders`). Without both,
 *   an active order is at most 5 min old.
 * - Nothing is decided from an entry: transitions read and lock the row. Who may see an order is
 *   checked on every request; a courier's right depends on what changes, so it reads past the cache.
 */
import type { Cache, CacheKind, CacheResult } from "shared/cache/cache.ts";
import { isTerminal } from "shared/orders/lifecycle.ts";
import { SCHEMA_VERSION } from "shared/sql/schema_version.ts";
import type { Sql } from "shared/sql/connect.ts";
import { findOrder, type OrderView } from "./stores/order_store.ts";

/** Longest life of an active order that nobody announced as changed. */
export const ACTIVE_TTL_MS = 5 * 60_000;
const HISTORY_TTL_MS = 60 * 60_000;

/** The name changes with the schema, so that no release reads rows of another shape. */
const ORDERS: CacheKind = { name: `order-${SCHEMA_VERSION}`, maxCharacters: 64 * 1024 };

export class OrderCache {
  readonly #cache: Cache;
  readonly #sql: Sql;

  constructor(cache: Cache, sql: Sql) {
    this.#cache = cache;
    this.#sql = sql;
  }

  /** The order as it is or was a moment ago. */
  async read(id: string): Promise<{ row: OrderView | undefined; result: CacheResult }> {
    const { value, result } = await this.#cache.read(ORDERS, id, async () => {
      const row = await findOrder(this.#sql, id);
      return row === undefined ? undefined : entryOf(row);
    });
    return { row: value, result };
  }

  /** Stores a row that was just read, as after a change: others then see no older one. */
  async store(row: OrderView): Promise<void> {
    await this.#cache.store(ORDERS, row.id, entryOf(row));
  }

  /** Says that the order has at least this version; false where Redis was not told. */
  async announce(id: string, version: number): Promise<boolean> {
    return await this.#cache.announce(ORDERS, id, version);
  }
}

function entryOf(row: OrderView) {
  const ttlMs = isTerminal(row.status) ? HISTORY_TTL_MS : ACTIVE_TTL_MS;
  return { value: row, version: row.version, ttlMs };
}
