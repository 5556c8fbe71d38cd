/**
 * Where a group stands, kept in Postgres: from there events are published again when Redis is lost.
 */
import type { Clock } from "shared/clock/clock.ts";
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Sql } from "shared/sql/connect.ts";
import { compareIds } from "./trim.ts";

const STORE_MS = 1_000;

export interface CheckpointOptions {
  readonly group: string;
  readonly stream: string;
  readonly redis: Redis;
  readonly sql: Sql;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** Stores the oldest entry the group has not finished, each second, until the signal aborts. */
export async function keepCheckpoint(options: CheckpointOptions): Promise<void> {
  const { group, stream, sql, log, signal, clock } = options;
  let stored = "0-0";
  while (!signal.aborted) {
    await pause(STORE_MS, signal, clock);
    if (signal.aborted) return;
    try {
      const reached = await findCheckpoint(options);
      if (reached === undefined || compareIds(reached, stored) <= 0) continue;
      await sql`
        insert into consumer_checkpoints (consumer, stream, entry_id)
        values (${group}, ${stream}, ${reached})
        on conflict (consumer, stream) do update
          set entry_id = excluded.entry_id, updated_at = clock_timestamp()`;
      stored = reached;
    } catch (error) {
      // An older checkpoint only means that more is published again.
      log.debug("checkpoint not stored", { group, stream, error });
    }
  }
}

/** The oldest pending entry, or the last one delivered; undefined while nothing was delivered. */
export async function findCheckpoint(
  { redis, stream, group }: Pick<CheckpointOptions, "redis" | "stream" | "group">,
): Promise<string | undefined> {
  const [pending, lowest] = await redis.xpending(stream, group) as [number, string | null];
  if (pending > 0 && lowest !== null) return lowest;
  return await findLastDelivered({ redis, stream, group });
}

/** The last entry that was handed out to the group; undefined while none was. */
export async function findLastDelivered(
  { redis, stream, group }: Pick<CheckpointOptions, "redis" | "stream" | "group">,
): Promise<string | undefined> {
  const groups = await redis.xinfo("GROUPS", stream) as unknown[][];
  const own = groups.find((flat) => flat[flat.indexOf("name") + 1] === group);
  const delivered = own === undefined
    ? undefined
    : String(own[own.indexOf("last-delivered-id") + 1]);
  return delivered === "0-0" ? undefined : delivered;
}
