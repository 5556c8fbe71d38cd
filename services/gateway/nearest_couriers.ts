/**
 * Where the gateway looks for couriers near a place: in memory while it follows the partition, in
 * Redis until then, in Postgres without Redis (ADR 0020).
 *
 * Contract: a partition is followed from the first question about it until nobody has asked for
 * five minutes, so that a gateway that is never asked pays nothing. Each source answers exactly by
 * what it knows, or leaves the question to the next one. `close` ends all that follows.
 */
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import { CourierFollower } from "shared/nearest/courier_follower.ts";
import { CourierProfiles } from "shared/nearest/courier_profiles.ts";
import { nearestByPostgres } from "shared/nearest/last_places.ts";
import { LiveCouriers } from "shared/nearest/live_couriers.ts";
import {
  byDistance,
  type NearestCourier,
  type NearestQuery,
} from "shared/nearest/nearest_couriers.ts";
import { findCandidates, rankCandidates } from "shared/nearest/redis_nearest.ts";
import { type Redis, startRedis } from "shared/redis/connect.ts";
import { type Partition, partitionOf, type RedisKeys } from "shared/redis/keys.ts";
import { Patience } from "shared/redis/patience.ts";
import type { Region } from "shared/regions/region.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { GatewayMetrics } from "./metrics.ts";

/** Partitions followed at once; questions about others are answered by Redis. */
const MAX_GRIDS = 64;
const IDLE_MS = 5 * 60_000;
const LOOK_MS = 30_000;
const REDIS_TIMEOUT_MS = 250;

export const SOURCES = ["grid", "redis", "postgres"] as const;
export type NearestSource = typeof SOURCES[number];

export interface NearestAnswer {
  readonly source: NearestSource;
  readonly couriers: readonly NearestCourier[];
}

export interface NearestOptions {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  /** Opens a connection that blocking reads hold. */
  openBlocking(): Redis;
}

interface Grid {
  readonly live: LiveCouriers;
  readonly follower: CourierFollower;
  readonly ended: Promise<void>;
  usedAtMs: number;
}

interface Place {
  readonly region: string;
  readonly shard: number;
  readonly partition: Partition;
}

export class NearestCouriers {
  readonly #options: NearestOptions;
  readonly #grids = new Map<Partition, Grid>();
  readonly #patience = new Patience({ timeoutMs: REDIS_TIMEOUT_MS });
  readonly #closing = new AbortController();

  constructor(options: NearestOptions) {
    this.#options = options;
  }

  /** The nearest couriers of a region, and who says so. */
  async find(region: Pick<Region, "id" | "shards">, query: NearestQuery): Promise<NearestAnswer> {
    const answer = await this.#ask(region, query);
    this.#options.metrics.nearestAnswers.inc({ source: answer.source });
    return answer;
  }

  /** Ends following; resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#grids.values()].map(({ ended }) => ended));
  }

  async #ask(
    { id, shards }: Pick<Region, "id" | "shards">,
    query: NearestQuery,
  ): Promise<NearestAnswer> {
    const places = Array.from({ length: shards }, (_, shard) => ({
      region: id,
      shard,
      partition: partitionOf(id, shard),
    }));
    const nowMs = performance.now();
    const grids = places.map((place) => this.#gridOf(place, nowMs));
    if (grids.every((grid) => grid?.follower.isLive(nowMs))) {
      const all = grids.flatMap((grid) => grid?.live.nearest(query, nowMs) ?? []);
      return { source: "grid", couriers: all.sort(byDistance).slice(0, query.limit) };
    }
    const { sql, redis, keys } = this.#options;
    const partitions = places.map(({ partition }) => partition);
    const candidates = await this.#patience.ask(() =>
      findCandidates(redis, keys, partitions, query)
    );
    if (candidates !== undefined) {
      const { couriers, isWhole } = await rankCandidates(sql, candidates, query);
      if (isWhole) return { source: "redis", couriers };
    }
    return { source: "postgres", couriers: await nearestByPostgres(sql, id, query) };
  }

  #gridOf(place: Place, nowMs: number): Grid | undefined {
    const known = this.#grids.get(place.partition);
    if (known !== undefined) known.usedAtMs = nowMs;
    if (known !== undefined || this.#closing.signal.aborted) return known;
    if (this.#grids.size >= MAX_GRIDS) return undefined;
    const grid = this.#startGrid(place, nowMs);
    this.#grids.set(place.partition, grid);
    return grid;
  }

  #startGrid({ partition, ...place }: Place, nowMs: number): Grid {
    const { sql, keys, log, openBlocking } = this.#options;
    const idle = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, idle.signal]);
    const live = new LiveCouriers();
    const redis = openBlocking();
    const profiles = new CourierProfiles({ ...place, sql, live, log });
    const follower = new CourierFollower(live, { keys, partition, redis, log, signal, profiles });
    const run = async () => {
      await startRedis(redis);
      await Promise.all([follower.follow(), this.#endWhenIdle(partition, idle, signal)]);
    };
    const ended = run()
      .catch((error) => log.error("following couriers ended", { partition, error }))
      .finally(() => {
        redis.disconnect();
        this.#grids.delete(partition);
      });
    return { live, follower, ended, usedAtMs: nowMs };
  }

  async #endWhenIdle(
    partition: Partition,
    idle: AbortController,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      await pause(LOOK_MS, signal);
      const usedAtMs = this.#grids.get(partition)?.usedAtMs ?? -Infinity;
      if (performance.now() - usedAtMs > IDLE_MS) idle.abort();
    }
  }
}
