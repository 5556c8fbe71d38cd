/**
 * Parked events: what an operator sees of them, and dropping them. Replaying is in `replay.ts`.
 * Rows are inserted by the consumer runtime alone (`consumer.ts`).
 */
import type { Queryable, Sql } from "shared/sql/connect.ts";
import { compareIds } from "./trim.ts";

/**
 * A field that replaying adds to an entry: the id of the entry that was parked first. An event that
 * is parked again keeps its place by it, however often that happens.
 */
export const ORIGIN_FIELD = "origin";

/** Keys with parked events that one look lists at most; the rest is seen when those are gone. */
export const MAX_LISTED_KEYS = 500;

/** An event set aside, with why. */
export interface ParkedEvent {
  readonly id: string;
  /** The consumer group that could not handle it. */
  readonly consumer: string;
  readonly stream: string;
  /** The entry that was parked. */
  readonly entryId: string;
  /** The entry that was parked first, when this one was a replay of it; else `entryId`. */
  readonly originId: string;
  readonly key: string;
  /** The fields of the entry. Empty when it had been trimmed before it was read. */
  readonly fields: Readonly<Record<string, string>>;
  readonly cause: string;
  readonly attempts: number;
  readonly parkedAt: Date;
}

/** The events that hold one another back: one consumer's of one stream and key. */
export interface ParkedKey {
  readonly consumer: string;
  readonly stream: string;
  readonly key: string;
}

/** Parked events of one key, counted. */
export interface ParkedCount extends ParkedKey {
  readonly count: number;
  /** The parked id to show first: what the others wait behind. */
  readonly firstId: string;
  readonly oldestAt: Date;
}

/** Which parked events are meant; all conditions that are given must hold. */
export interface ParkedSelection {
  readonly ids?: readonly string[];
  readonly key?: string;
  readonly consumer?: string;
}

interface ParkedRow {
  readonly id: string;
  readonly consumer: string;
  readonly stream: string;
  readonly entryId: string;
  readonly key: string;
  readonly event: string;
  readonly cause: string;
  readonly attempts: number;
  readonly parkedAt: Date;
}

/** Parked events by consumer, stream and key, the oldest first; at most `MAX_LISTED_KEYS`. */
export async function countParked(
  sql: Queryable,
  selection: ParkedSelection = {},
): Promise<ParkedCount[]> {
  return [
    ...await sql<ParkedCount[]>`
      select consumer, stream, key, count(*)::int as count, min(id)::text as first_id,
        min(parked_at) as oldest_at
      from parked_events where ${matches(sql, selection)}
      group by consumer, stream, key order by min(id) limit ${MAX_LISTED_KEYS}`,
  ];
}

/** One parked event; undefined when it was replayed, dropped or never there. */
export async function findParked(sql: Queryable, id: string): Promise<ParkedEvent | undefined> {
  const rows = await sql<ParkedRow[]>`
    select id::text, consumer, stream, entry_id, key, event, cause, attempts, parked_at
    from parked_events where id = ${id}::bigint`;
  return rows.map(readRow)[0];
}

/**
 * All parked events of a key, in the order in which they happened: by the entry that was parked
 * first, which is the order of their ids unless a replay was overtaken (see `replay.ts`).
 *
 * @param alsoEntryIds entries that belong to the key under another name: junk is a key of its own.
 */
export async function readParkedOfKey(
  sql: Queryable,
  { consumer, stream, key }: ParkedKey,
  options: { readonly alsoEntryIds?: readonly string[]; readonly lock?: boolean } = {},
): Promise<ParkedEvent[]> {
  const rows = await sql<ParkedRow[]>`
    select id::text, consumer, stream, entry_id, key, event, cause, attempts, parked_at
    from parked_events
    where consumer = ${consumer} and stream = ${stream}
      and (key = ${key} or entry_id = any(${options.alsoEntryIds ?? []}))
    order by id ${options.lock === true ? sql`for update` : sql``}`;
  return rows.map(readRow).sort((a, b) =>
    compareIds(a.originId, b.originId) || compareIds(a.entryId, b.entryId)
  );
}

/**
 * Removes parked events for good; all of them or, when one is not there, none.
 *
 * @returns the ids that are not there; empty when all were dropped.
 */
export async function dropParked(sql: Sql, ids: readonly string[]): Promise<string[]> {
  return await sql.begin(async (tx) => {
    const rows = await tx<{ id: string }[]>`
      select id::text from parked_events where id = any(${ids}::bigint[]) order by id for update`;
    const present = new Set(rows.map((row) => row.id));
    const missing = ids.filter((id) => !present.has(id));
    if (missing.length === 0) await removeParked(tx, ids);
    return missing;
  });
}

/** Removes rows, inside a transaction that has locked them. */
export async function removeParked(tx: Queryable, ids: readonly string[]): Promise<void> {
  await tx`delete from parked_events where id = any(${ids}::bigint[])`;
}

function matches(sql: Queryable, { ids, key, consumer }: ParkedSelection) {
  return sql`
    (${ids ?? null}::bigint[] is null or id = any(${ids ?? null}::bigint[]))
    and (${key ?? null}::text is null or key = ${key ?? null})
    and (${consumer ?? null}::text is null or consumer = ${consumer ?? null})`;
}

function readRow({ event, ...row }: ParkedRow): ParkedEvent {
  // Written by the consumer runtime from the fields of an entry, which are all text.
  const fields = JSON.parse(event) as Record<string, string>;
  return { ...row, fields, originId: fields[ORIGIN_FIELD] ?? row.entryId };
}
