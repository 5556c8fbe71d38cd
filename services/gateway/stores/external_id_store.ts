import type { OrderMode } from "shared/orders/rows.ts";
import type { Queryable, Tx } from "shared/sql/connect.ts";

/** A client's own id of an order; unique per account and mode. */
export interface ExternalId {
  readonly accountId: string;
  readonly mode: OrderMode;
  readonly externalId: string;
}

export interface KnownOrder extends ExternalId {
  readonly orderId: string;
  readonly requestHash: Uint8Array;
}

/** One spelling of an id, for maps and locks. */
export function spelled({ accountId, mode, externalId }: ExternalId): string {
  return `${accountId}:${mode}:${externalId}`;
}

/** Reads which orders stand under these ids of their accounts; undefined where there is no id. */
export function knownOrders(sql: Queryable, ids: readonly ExternalId[]) {
  if (ids.length === 0) return undefined;
  return sql<KnownOrder[]>`
    select known.account_id, known.mode, known.external_id, known.order_id, known.request_hash
    from unnest(${ids.map(({ accountId }) => accountId)}::uuid[],
        ${ids.map(({ mode }) => mode)}::text[],
        ${ids.map(({ externalId }) => externalId)}::text[]) as asked (account_id, mode, external_id)
      join order_external_ids known using (account_id, mode, external_id)`;
}

/** Names new orders, in their transaction. */
export function insertExternalIds(tx: Tx, orders: readonly KnownOrder[]): void {
  if (orders.length === 0) return;
  tx.defer(tx`
    insert into order_external_ids (account_id, mode, external_id, order_id, request_hash)
    select * from unnest(${orders.map(({ accountId }) => accountId)}::uuid[],
      ${orders.map(({ mode }) => mode)}::text[],
      ${orders.map(({ externalId }) => externalId)}::text[],
      ${orders.map(({ orderId }) => orderId)}::uuid[],
      ${orders.map(({ requestHash }) => requestHash)}::bytea[])`);
}
