import type { OrderMode } from "shared/orders/rows.ts";
import type { Queryable, Tx } from "shared/sql/connect.ts";

/** A client's own id of an order; unique per account and mode. */
export interface ExternalId {
  readonly accountId: string;
  readonly mode: OrderMode;
  readonly externalId: string;
}

export interface KnownOrder {
  readonly orderId: string;
  readonly requestHash: Uint8Array;
}

/** The order an account has under its own id. */
export async function findExternalId(
  sql: Queryable,
  { accountId, mode, externalId }: ExternalId,
): Promise<KnownOrder | undefined> {
  const rows = await sql<KnownOrder[]>`
    select order_id, request_hash from order_external_ids
    where account_id = ${accountId} and mode = ${mode} and external_id = ${externalId}`;
  return rows[0];
}

/**
 * Takes the id for this transaction; false while another one has it. Nobody waits for a twin with
 * a pooled connection in hand.
 */
export async function lockExternalId(tx: Tx, id: ExternalId): Promise<boolean> {
  const name = `external:${id.accountId}:${id.mode}:${id.externalId}`;
  const [lock] = await tx<{ taken: boolean }[]>`
    select pg_try_advisory_xact_lock(hashtextextended(${name}, 0)) as taken`;
  return lock?.taken === true;
}

export async function insertExternalId(
  tx: Tx,
  id: ExternalId,
  { orderId, requestHash }: KnownOrder,
): Promise<void> {
  await tx`
    insert into order_external_ids (account_id, mode, external_id, order_id, request_hash)
    values (${id.accountId}, ${id.mode}, ${id.externalId}, ${orderId}, ${requestHash})`;
}
