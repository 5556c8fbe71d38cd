import type { EventInput } from "shared/events/catalogue.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { insertChange } from "shared/outbox/append.ts";
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
  const ids = events.map(() => uuidv7());
  // One statement: the history has the time that the outbox was given.
  tx.defer(tx`
    with appended as (${insertChange(tx, order, events, ids)} returning occurred_at)
    insert into order_history (order_id, order_version, event_index, event_id, type, occurred_at,
      actor_role, actor_id, reason, data)
    select ${order.id}, ${order.version}, event_index - 1, event_id, type,
      (select occurred_at from appended), ${deed.role}, ${deed.accountId ?? null},
      ${deed.reason ?? null}, data
    from unnest(${ids}::uuid[], ${events.map(({ type }) => type)}::text[],
      ${events.map(({ data }) => JSON.stringify(data))}::jsonb[])
      with ordinality as event (event_id, type, data, event_index)`);
}
