/**
 * Dispatch of one partition by its owner: keep the state, decide, write, repeat.
 *
 * Contract: the owner loads the state after it has the lease and before it consumes. Every offer
 * carries the lease's fence, so a matcher that was stopped and continued writes nothing. A decision
 * that meets a changed world is refused by the database and decided anew from what is true.
 */
import { Wake } from "shared/clock/wake.ts";
import { FencedError, type Lease, whileLeased } from "shared/lease/lease.ts";
import type { Log } from "shared/log/log.ts";
import { CourierFollower } from "shared/nearest/courier_follower.ts";
import { takeLastPlaces } from "shared/nearest/last_places.ts";
import { LiveCouriers } from "shared/nearest/live_couriers.ts";
import { makeOffer } from "shared/orders/offers.ts";
import { type Redis, startRedis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import type { PartitionWork } from "shared/regions/partitions.ts";
import type { Regions } from "shared/regions/region.ts";
import type { Sql } from "shared/sql/connect.ts";
import { consume } from "shared/streams/consumer.ts";
import { parseEventEntry } from "shared/streams/event_consumer.ts";
import { DispatchState } from "./dispatch_state.ts";
import { type Match, matchNearest } from "./match_nearest.ts";
import type { MatcherMetrics } from "./metrics.ts";

const GROUP = "matcher";
/** Writes in flight at once; each is one transaction on a pool of four. */
const MAX_PARALLEL_OFFERS = 4;
/** Everything is read anew this often: an event that was lost costs no order more than this. */
const RELOAD_MS = 5_000;
/** How often open orders and places are read from Postgres while Redis is away (DESIGN §11). */
const AWAY_TICK_MS = 1_000;

export interface DispatchOptions {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly regions: Regions;
  readonly metrics: MatcherMetrics;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly owner: string;
  readonly tickMs: number;
  openBlocking(): Redis;
  notifyOutbox(): void;
}

/** Dispatches a partition whenever this process owns it, until the signal aborts. */
export async function dispatchPartition(
  options: DispatchOptions,
  work: PartitionWork,
): Promise<void> {
  const name = `consumer:${GROUP}:${work.partition}`;
  await whileLeased({ ...options, name }, async (lease, held) => {
    await dispatchOwned(options, work, lease, held);
  });
}

async function dispatchOwned(
  options: DispatchOptions,
  { region, shard, partition }: PartitionWork,
  lease: Lease,
  held: AbortSignal,
): Promise<void> {
  const { sql, redis, keys, log } = options;
  const state = new DispatchState(region.id, shard);
  await state.load(sql);
  const live = new LiveCouriers();
  const wake = new Wake();
  // Lost to a successor means that everything here must end, not only the writer who noticed.
  const own = new AbortController();
  const signal = AbortSignal.any([held, own.signal]);
  const eventsRedis = options.openBlocking();
  const positionsRedis = options.openBlocking();
  try {
    await Promise.all([startRedis(eventsRedis), startRedis(positionsRedis)]);
    const follower = new CourierFollower(live, {
      keys,
      partition,
      redis: positionsRedis,
      log,
      signal,
    });
    await follower.load().catch((error) =>
      log.warn("redis is away: places of couriers are read from postgres", { error })
    );
    await Promise.all([
      follower.follow(),
      consume({
        group: GROUP,
        stream: keys.events(partition),
        blockingRedis: eventsRedis,
        redis,
        sql,
        log,
        signal,
        parse: parseEventEntry,
        keyOf: (event) => event.key,
        handle: (event) => {
          if (state.note(event)) wake.notify();
          return Promise.resolve();
        },
      }),
      runTicks(options, { regionId: region.id, shard, state, live, follower, wake, lease, signal }),
    ]);
  } finally {
    own.abort();
    eventsRedis.disconnect();
    positionsRedis.disconnect();
  }
}

interface Ticking {
  readonly regionId: string;
  readonly shard: number;
  readonly state: DispatchState;
  readonly live: LiveCouriers;
  readonly follower: CourierFollower;
  readonly wake: Wake;
  readonly lease: Lease;
  readonly signal: AbortSignal;
}

async function runTicks(options: DispatchOptions, ticking: Ticking): Promise<void> {
  const { state, live, follower, regionId, shard } = ticking;
  let reloadAtMs = performance.now() + RELOAD_MS;
  let isAway = false;
  while (!ticking.signal.aborted) {
    try {
      const nowMs = performance.now();
      const wasAway = isAway;
      isAway = !follower.isLive(nowMs);
      options.metrics.degraded.set({ region: regionId, shard: String(shard) }, isAway ? 1 : 0);
      if (isAway) await takeLastPlaces(options.sql, { region: regionId, shard }, live);
      // No event tells of a new order then, and those of an outage may come late.
      if (isAway || wasAway || nowMs >= reloadAtMs) {
        await state.load(options.sql);
        reloadAtMs = nowMs + RELOAD_MS;
      }
      await tick(options, ticking);
    } catch (error) {
      if (error instanceof FencedError) throw error;
      options.log.warn("tick failed; the next one tries again", { error });
    }
    await ticking.wake.wait(isAway ? AWAY_TICK_MS : options.tickMs, ticking.signal);
  }
}

/** One decision over everything that is open, and its writes. */
async function tick(options: DispatchOptions, ticking: Ticking): Promise<void> {
  const { state, live, regionId } = ticking;
  await state.refresh(options.sql);
  const region = await options.regions.find(regionId);
  if (region === undefined) return;
  const orders = state.orders();
  const couriers = state.couriers(live);
  options.metrics.openOrders.set(orders.length);
  options.metrics.idleCouriers.set(couriers.length);
  if (orders.length === 0 || couriers.length === 0) return;
  const startedAtMs = performance.now();
  const matches = matchNearest({
    orders,
    couriers,
    policy: region.policy.dispatch,
    nowMs: startedAtMs,
  });
  options.metrics.tickDuration.observe((performance.now() - startedAtMs) / 1000);
  for (let start = 0; start < matches.length; start += MAX_PARALLEL_OFFERS) {
    const some = matches.slice(start, start + MAX_PARALLEL_OFFERS);
    await Promise.all(some.map((match) =>
      offer(options, ticking, match, {
        offerTtlMs: region.policy.dispatch.offerTtlMs,
        policyVersion: region.policyVersion,
      })
    ));
  }
  if (matches.length > 0) options.notifyOutbox();
}

async function offer(
  options: DispatchOptions,
  { state, lease }: Ticking,
  match: Match,
  policy: { offerTtlMs: number; policyVersion: number },
): Promise<void> {
  const { orderId, courierId, courierVersion, explanation } = match;
  // Whatever comes of it, both have to be read again.
  state.distrust(orderId, courierId);
  const made = await makeOffer(options.sql, lease, {
    orderId,
    courierId,
    courierVersion,
    distanceToPickupM: Math.round(match.distanceM),
    policy: explanation.policy,
    explanation: { ...explanation },
    ...policy,
  });
  if (made.ok) {
    options.metrics.offers.inc({ result: "made" });
    options.log.info("offer made", { orderId, courierId, offerId: made.offerId });
  } else {
    options.metrics.conflicts.inc({ conflict: made.conflict });
    options.log.debug("offer refused by the database", { orderId, conflict: made.conflict });
  }
}
