/** What the phones were promised, held against what the stores have. */
import { newestKeptMs } from "shared/availability/courier_state.ts";
import type { Redis } from "shared/redis/connect.ts";
import { partitionOf, type RedisKeys } from "shared/redis/keys.ts";
import { POSITION_GROUPS } from "shared/streams/groups.ts";
import type { Sql } from "shared/sql/connect.ts";
import { REGION, type Sender } from "../ingest/settings.ts";
import { countMissing, countSet, SlotBits } from "./ledger.ts";
import { LEDGER_FILES } from "./settings.ts";

const PARTITION = partitionOf(REGION, 0);
const READ_AT_ONCE = 1_000;
/** Postgres keeps microseconds, read as milliseconds. */
const ROUNDING_MS = 1;

/** Newest acknowledged recordedAt by phone, as the phones wrote it; 0 for none. */
export async function readNewest(folder: string): Promise<Float64Array> {
  return new Float64Array((await Deno.readFile(`${folder}/${LEDGER_FILES.newest}`)).buffer);
}

/** How many fixes were acknowledged, and how many of those no reader of the stream was given. */
export async function compareStream(
  folder: string,
): Promise<{ readonly acknowledged: number; readonly missing: number }> {
  const acknowledged = await Deno.readFile(`${folder}/${LEDGER_FILES.acknowledged}`);
  const streamed = await Deno.readFile(`${folder}/${LEDGER_FILES.streamed}`);
  return { acknowledged: countSet(acknowledged), missing: countMissing(acknowledged, streamed) };
}

/** Which fixes stood on the stream, as its reader wrote it. */
export async function readStreamed(
  folder: string,
  { phones, slots }: { readonly phones: number; readonly slots: number },
): Promise<SlotBits> {
  return new SlotBits(phones, slots, await Deno.readFile(`${folder}/${LEDGER_FILES.streamed}`));
}

/** Phones of which Redis has nothing as new as what they were told is stored. */
export async function behindInRedis(
  redis: Redis,
  keys: RedisKeys,
  { senders, newest }: { readonly senders: readonly Sender[]; readonly newest: Float64Array },
): Promise<number[]> {
  const behind: number[] = [];
  for (let start = 0; start < senders.length; start += READ_AT_ONCE) {
    const some = senders.slice(start, start + READ_AT_ONCE);
    const ids = some.map(({ id }) => id);
    const states = await redis.hmgetBuffer(keys.couriers(PARTITION), ...ids);
    for (const [index, state] of states.entries()) {
      const phone = start + index;
      const found = state === null ? 0 : newestKeptMs(state);
      if (found < (newest[phone] ?? 0)) behind.push(phone);
    }
  }
  return behind;
}

/**
 * Entries of the positions stream that each consumer group has not finished. A group finishes an
 * entry after what it does with it is written, so at 0 the history has had every fix that stood on
 * the stream.
 */
export async function unfinishedEntries(
  redis: Redis,
  keys: RedisKeys,
): Promise<Record<string, number>> {
  const stream = keys.positions(PARTITION);
  const told = await redis.xinfo("GROUPS", stream) as unknown[][];
  const unfinished: Record<string, number> = {};
  for (const group of POSITION_GROUPS) {
    const fields = told.find((flat) => flat[flat.indexOf("name") + 1] === group);
    if (fields === undefined) throw new Error(`the group ${group} must exist`);
    const field = (name: string) => fields[fields.indexOf(name) + 1];
    const unread = await redis.xrange(stream, `(${String(field("last-delivered-id"))}`, "+");
    unfinished[group] = unread.length + Number(field("pending"));
  }
  return unfinished;
}

/** Phones of which Postgres has nothing as new. */
export async function behindInPostgres(
  sql: Sql,
  { senders, newest }: { readonly senders: readonly Sender[]; readonly newest: Float64Array },
): Promise<number[]> {
  const rows = await sql<{ courierId: string; recordedAt: Date }[]>`
    select courier_id, recorded_at from courier_last_positions`;
  const foundMs = new Map(rows.map((row) => [row.courierId, row.recordedAt.getTime()]));
  return senders.flatMap(({ id }, phone) =>
    (foundMs.get(id) ?? 0) < (newest[phone] ?? 0) - ROUNDING_MS ? [phone] : []
  );
}
