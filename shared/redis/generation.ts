/**
 * The generation of what Redis holds. Postgres says which it is; Redis carries a copy. They differ
 * when Redis has lost its data, and everything in it is rebuilt then under the next number.
 */
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
