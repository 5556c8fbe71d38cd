import type { Tx } from "shared/sql/connect.ts";
import { type EventInput, EVENTS } from "shared/events/catalogue.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { currentTrace } from "shared/trace/trace.ts";

/** The aggregate whose row the caller's transaction has locked, after its version was raised. */
export interface Aggregate {
  readonly id: string;
  readonly version: number;
  readonly region: string;
  readonly shard: number;
}

/**
 * Appends events of one aggregate inside the caller's transaction: they become visible exactly
 * when the change does. The unique rule on (key, version, index) makes a second writer of
 * the same version fail instead of publishing a contradiction. They are sent with the next statement
 * or the commit, and carry the trace of the work.
 */
export function appendEvents(
  tx: Tx,
  aggregate: Aggregate,
  events: readonly EventInput[],
): void {
  if (events.length > 0) tx.defer(insertEvents(tx, aggregate, events));
}

/** The statement that appends events, for a larger one that also keeps them elsewhere. */
export function insertEvents(tx: Tx, aggregate: Aggregate, events: readonly EventInput[]) {
  const { id, version, region, shard } = aggregate;
  // Arrays keep the text the same for any number of events, so that it is prepared once: a row of
  // parameters for each event costs Postgres more than storing the event does.
  return tx`
    insert into outbox (event_id, type, version, region, shard, key, aggregate_version,
      event_index, trace, data)
    select event_id, type, event_version, ${region}, ${shard}, ${id}, ${version},
      event_index - 1, ${currentTrace()}, data
    from unnest(${events.map(() => uuidv7())}::uuid[], ${events.map(({ type }) => type)}::text[],
      ${events.map(({ type }) => EVENTS[type].version)}::smallint[],
      ${events.map(({ data }) => JSON.stringify(data))}::json[])
      with ordinality as event (event_id, type, event_version, data, event_index)
    order by event_index`;
}
