/**
 * The generation of what Redis holds. Postgres says which it is; Redis carries a copy. They differ
 * when Redis has lost its data, and everything in it is rebuilt then under the next number.
 */
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "./connect.ts";
import type { RedisKeys } from "./keys.ts";
import type { Queryable, Sql } from "shared/sql/connect.ts";

/** The generation that Redis should hold. */
export async function readGeneration(sql: Queryable): Promise<number> {
  const [row] = await sql<{ generation: number }[]>`select generation from redis_generation`;
  if (row === undefined) throw new Error("redis_generation has no row");
  return row.generation;
}

/**
 * Raises the generation. Waits for relays that are just marking rows (they hold the row shared), so
 * that every mark of the old generation is visible to whoever asks after this.
 */
export async function raiseGeneration(sql: Sql): Promise<number> {
  const [row] = await sql<{ generation: number }[]>`
    update redis_generation set generation = generation + 1 returning generation`;
  if (row === undefined) throw new Error("redis_generation has no row");
  return row.generation;
}

/** The generation that Redis says it holds; undefined after a loss, NaN while it is rebuilt. */
export async function redisGeneration(redis: Redis, keys: RedisKeys): Promise<number | undefined> {
  const text = await redis.get(keys.generation());
  return text === null ? undefined : Number(text);
}

/** The generation as it was last read; trackers compare every log with it. */
export interface FollowedGeneration {
  current(): number;
  /** Reads it again each second until the signal aborts. */
  follow(signal: AbortSignal): Promise<void>;
}

const FOLLOW_MS = 1_000;

/** Reads the generation once, and then as long as it is followed. */
export async function followGeneration(sql: Sql, log: Log): Promise<FollowedGeneration> {
  let generation = await readGeneration(sql);
  return {
    current: () => generation,
    follow: async (signal) => {
      while (!signal.aborted) {
        await pause(FOLLOW_MS, signal);
        try {
          if (!signal.aborted) generation = await readGeneration(sql);
        } catch (error) {
          log.debug("generation not read", { error });
        }
      }
    },
  };
}
