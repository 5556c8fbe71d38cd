import { type Clock, SYSTEM_CLOCK } from "shared/clock/clock.ts";
import type { Envelope } from "shared/events/catalogue.ts";
import { EventFormatError, parseEnvelope } from "shared/events/envelope.ts";
import { whileLeased } from "shared/lease/lease.ts";
import type { Lease } from "shared/lease/lease.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import { isSqlState, type Sql, SQLSTATE, type Tx } from "shared/sql/connect.ts";
import { inTrace } from "shared/trace/trace.ts";
import { consume, type StreamEntry } from "./consumer.ts";

/** The consumer groups of the event streams (DESIGN §11). */
export type EventGroup = "matcher" | "ingest" | "tracker" | "notifier" | "analytics";

export interface EventConsumerOptions {
  readonly group: EventGroup;
  readonly partition: Partition;
  readonly keys: RedisKeys;
  readonly sql: Sql;
  readonly redis: Redis;
  /** Opens a connection that this consumer's blocking reads may hold. */
  openBlocking(): Redis;
  /** Unique per process start. */
  readonly owner: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Runs each time the partition is taken, before anything is read: loads state. */
  readonly onTaken?: (lease: Lease, signal: AbortSignal) => Promise<void>;
  handle(event: Envelope, lease: Lease): Promise<void>;
  /** Handles many at once, all or nothing (see `ConsumerOptions.handleBatch`). */
  readonly handleBatch?: (events: readonly Envelope[], lease: Lease) => Promise<void>;
  /** Entries of one read; as `ConsumerOptions` has it unless said otherwise. */
  readonly readCount?: number;
}

/** Owns one partition's events for a group, whenever no other process does. */
export async function consumeEvents(options: EventConsumerOptions): Promise<void> {
  const { group, partition, keys, sql, redis, log, clock = SYSTEM_CLOCK } = options;
  const name = `consumer:${group}:events:${partition}`;
  const { handleBatch } = options;
  await whileLeased({ ...options, name }, async (lease, held) => {
    await options.onTaken?.(lease, held);
    const blockingRedis = options.openBlocking();
    try {
      await blockingRedis.connect();
      await consume<Envelope>({
        group,
        stream: keys.events(partition),
        blockingRedis,
        redis,
        sql,
        log,
        signal: held,
        clock,
        ...(options.readCount === undefined ? {} : { readCount: options.readCount }),
        parse: parseEventEntry,
        keyOf: (event) => event.key,
        handle: (event) => inTrace(event.trace, () => options.handle(event, lease)),
        ...(handleBatch &&
          { handleBatch: (events: readonly Envelope[]) => handleBatch(events, lease) }),
      });
    } finally {
      blockingRedis.disconnect();
    }
  });
}

/** Reads the event of a stream entry. @throws EventFormatError for junk. */
export function parseEventEntry(entry: StreamEntry): Envelope | undefined {
  const { event } = entry.fields;
  if (event === undefined) throw new EventFormatError("entry has no event field");
  return parseEnvelope(event);
}

/**
 * Runs an effect once per event: the event id is recorded in the effect's own transaction, so a
 * repeat rolls back to nothing. Where effects of one key must keep their order even against an
 * owner that was stopped and continued, the effect begins with `requireFence(tx, lease)`.
 *
 * @returns whether the effect ran now.
 */
export async function processOnce(
  sql: Sql,
  consumer: string,
  eventId: string,
  effect: (tx: Tx) => Promise<void>,
): Promise<boolean> {
  return await sql.begin(async (tx) => {
    const inserted = await tx`
      insert into processed_events (consumer, event_id) values (${consumer}, ${eventId})
      on conflict do nothing returning 1`;
    if (inserted.length === 0) return false;
    await effect(tx);
    return true;
  });
}

/**
 * `processOnce` for many events in one transaction: one commit and one flush to disk for all. The
 * effect gets those that had not been processed, in the given order; when it throws, none has been.
 * It may be run twice, and only what it does last in its transaction counts: where an event had been
 * processed, Postgres says so together with the effect's first statement.
 *
 * @returns how many were processed now.
 */
export async function processBatchOnce<Event extends { readonly id: string }>(
  sql: Sql,
  consumer: string,
  events: readonly Event[],
  effect: (tx: Tx, fresh: readonly Event[]) => Promise<void>,
): Promise<number> {
  // A stream may repeat an event, in one read too.
  const byId = new Map(events.map((event) => [event.id, event]));
  try {
    return await processNew(sql, consumer, [...byId.values()], effect);
  } catch (error) {
    if (!(error instanceof RepeatedError)) throw error;
    return await processFresh(sql, consumer, byId, effect);
  }
}

/** Some of the events had been processed before. */
class RepeatedError extends Error {
  override readonly name = "RepeatedError";
}

/** Looking for conflicts while inserting costs Postgres twice as much, and repeats are rare. */
async function processNew<Event extends { readonly id: string }>(
  sql: Sql,
  consumer: string,
  events: readonly Event[],
  effect: (tx: Tx, fresh: readonly Event[]) => Promise<void>,
): Promise<number> {
  try {
    return await sql.begin(async (tx) => {
      // With the effect's first statement, which saves a round trip.
      tx.defer(tx`
        insert into processed_events (consumer, event_id)
        select ${consumer}, unnest(${events.map(({ id }) => id)}::uuid[])`);
      await effect(tx, events);
      return events.length;
    });
  } catch (cause) {
    // It may be the effect's own: then that comes up again where repeats are looked for.
    throw isSqlState(cause, SQLSTATE.uniqueViolation)
      ? new RepeatedError("an event was processed before", { cause })
      : cause;
  }
}

async function processFresh<Event extends { readonly id: string }>(
  sql: Sql,
  consumer: string,
  byId: ReadonlyMap<string, Event>,
  effect: (tx: Tx, fresh: readonly Event[]) => Promise<void>,
): Promise<number> {
  return await sql.begin(async (tx) => {
    const inserted = await tx<{ eventId: string }[]>`
      insert into processed_events (consumer, event_id)
      select ${consumer}, unnest(${[...byId.keys()]}::uuid[])
      on conflict do nothing returning event_id`;
    const freshIds = new Set(inserted.map(({ eventId }) => eventId));
    const fresh = [...byId.values()].filter(({ id }) => freshIds.has(id));
    if (fresh.length > 0) await effect(tx, fresh);
    return fresh.length;
  });
}
