import type { EventInput } from "shared/events/catalogue.ts";
import { insertEvents } from "shared/outbox/append.ts";
import type { Tx } from "shared/sql/connect.ts";
import type { Deed } from "./actor.ts";

/** The order whose row the caller's transaction has locked, after its version was raised. */
export interface ChangedOrder {
  readonly id: string;
  readonly version: number;
  readonly region: string;
  readonly shard: number;
}

/**
 * Appends the events of one version of an order to the outbox and to the order's history, with who
 * did it. The outbox forgets after two days; the history stays as long as the order.
 */
export function appendOrderEvents(
  tx: Tx,
  order: ChangedOrder,
  events: readonly EventInput[],
  deed: Deed,
): void {
  if (events.length === 0) return;
  const { id, version, region, shard } = order;
  // One statement: the history need not look up what was just written.
  tx.defer(tx`
    with appended as (
      ${insertEvents(tx, { id, version, region, shard }, events)}
      returning aggregate_version, event_index, event_id, type, occurred_at, data
    )
    insert into order_history (order_id, order_version, event_index, event_id, type, occurred_at,
      actor_role, actor_id, reason, data)
    select ${id}, aggregate_version, event_index, event_id, type, occurred_at,
      ${deed.role}, ${deed.accountId ?? null}, ${deed.reason ?? null}, data::jsonb
    from appended`);
}
