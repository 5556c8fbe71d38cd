import type { Tx } from "shared/sql/connect.ts";
import type { EventInput } from "shared/events/catalogue.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { currentTrace } from "shared/trace/trace.ts";
import { eventLine, MAX_EVENTS_PER_CHANGE } from "./change_events.ts";

/** The aggregate whose row the caller's transaction has locked, after its version was raised. */
export interface Aggregate {
  readonly id: string;
  readonly version: number;
  readonly region: string;
  readonly shard: number;
}

/**
 * Appends the events of one version of an aggregate inside the caller's transaction: they become
 * visible exactly when the change does. The unique rule on (key, version) makes a second writer of
 * the same version fail instead of publishing a contradiction. They are sent with the next statement
 * or the commit, and carry the trace of the work.
 *
 * @throws RangeError for more than `MAX_EVENTS_PER_CHANGE` events.
 */
export function appendEvents(
  tx: Tx,
  aggregate: Aggregate,
  events: readonly EventInput[],
): void {
  if (events.length > 0) tx.defer(insertChange(tx, aggregate, events));
}

/**
 * The statement that appends events, for a larger one that also keeps them elsewhere.
 *
 * @param ids of the events, one for each.
 */
export function insertChange(
  tx: Tx,
  { id, version, region, shard }: Aggregate,
  events: readonly EventInput[],
  ids: readonly string[] = events.map(() => uuidv7()),
) {
  if (events.length > MAX_EVENTS_PER_CHANGE) {
    throw new RangeError(
      `Cannot append: events of a change must be at most ${MAX_EVENTS_PER_CHANGE}: ` +
        `they are ${events.length}`,
    );
  }
  const lines = events.map((event, index) => eventLine(event, ids[index]));
  return tx`
    insert into outbox (region, shard, key, aggregate_version, trace, events)
    values (${region}, ${shard}, ${id}, ${version}, ${currentTrace()}, ${lines.join("\n")})`;
}
