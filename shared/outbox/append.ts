import type { Tx } from "shared/sql/connect.ts";
import { type EventInput, EVENTS } from "shared/events/catalogue.ts";
import { uuidv7 } from "shared/ids/uuid.ts";

/** The aggregate whose row the caller's transaction has locked, after its version was raised. */
export interface Aggregate {
  readonly kind: "order" | "courier";
  readonly id: string;
  readonly version: number;
  readonly region: string;
  readonly shard: number;
}

/**
 * Appends events of one aggregate inside the caller's transaction: they become visible exactly
 * when the change does. The unique rule on (aggregate, version, index) makes a second writer of
 * the same version fail instead of publishing a contradiction.
 */
export async function appendEvents(
  tx: Tx,
  aggregate: Aggregate,
  events: readonly EventInput[],
  trace: string | null = null,
): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map((event, index) => ({
    event_id: uuidv7(),
    type: event.type,
    version: EVENTS[event.type].version,
    region: aggregate.region,
    shard: aggregate.shard,
    key: aggregate.id,
    aggregate: `${aggregate.kind}:${aggregate.id}`,
    aggregate_version: aggregate.version,
    event_index: index,
    trace,
    data: tx.json(event.data),
  }));
  await tx`insert into outbox ${tx(rows)}`;
}
