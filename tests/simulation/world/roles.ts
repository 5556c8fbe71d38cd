/**
 * What the simulated processes do: the product's own loops, put together as its services put them
 * together, on stores and clocks of the simulation.
 */
import { Wake } from "shared/clock/wake.ts";
import { pause } from "shared/clock/timeout.ts";
import { type Lease, requireFence, whileLeased } from "shared/lease/lease.ts";
import { silentLog } from "shared/log/log.ts";
import { makeOffer } from "shared/orders/offers.ts";
import { runRelay } from "shared/outbox/relay.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { Envelope } from "shared/events/catalogue.ts";
import {
  consumeEvents,
  type EventGroup,
  processBatchOnce,
  processOnce,
} from "shared/streams/event_consumer.ts";
import { EVENT_GROUPS } from "shared/streams/groups.ts";
import { trimStream } from "shared/streams/trim.ts";
import { fireTimers } from "../../../services/keeper/fire_timers.ts";
import type { KeeperMetrics } from "../../../services/keeper/metrics.ts";
import { TIMER_HANDLERS, type TimerHandlers } from "../../../services/keeper/timer_handlers.ts";
import { watchRedis } from "../../../services/keeper/watch_redis.ts";
import { REGION } from "../../harness/fixtures.ts";
import type { Life } from "./life.ts";
import { recordEffect } from "./own_tables.ts";

export const KEYS = redisKeys("sim:");
export const PARTITION = partitionOf(REGION, 0);
/** Short, so that a simulation trims what the product would keep for ten minutes. */
const KEEP_EVENTS_MS = 500;
const TRIM_MS = 1_000;
/** Of one event: an event that nobody can handle, for one group. */
const POISONED_VERSION = 3;

/** What a process is given when it starts. */
export interface Surroundings {
  readonly life: Life;
  readonly sql: Sql;
  readonly redis: Redis;
  readonly metrics: KeeperMetrics;
  readonly temper: Temper;
  openRedis(): Redis;
  /** Whether nobody does anything any more: then no offers are made either. */
  isQuiet(): boolean;
  /** Wakes the relays, as a notification after a commit does. May be lost. */
  notifyOutbox(): void;
  onWake(wake: Wake): () => void;
}

/** How unkind a seed is to consumers. */
export interface Temper {
  /** Chance that a handler fails once. */
  readonly flakiness: number;
  readonly hasPoison: boolean;
  /** A broken product, to see whether that is noticed. */
  readonly acknowledgesEarly: boolean;
}

type TimerHandler = TimerHandlers[keyof TimerHandlers];
type Role = (surroundings: Surroundings) => Promise<void>;

/** Relay, trimming, timers and the watch over Redis. */
export const keeper: Role = async (around) => {
  const { life, sql, redis, metrics } = around;
  const timerWake = new Wake(life.clock);
  const base = {
    sql,
    metrics,
    log: silentLog,
    clock: life.clock,
    signal: life.signal,
    owner: life.owner,
    notifyOutbox: around.notifyOutbox,
  };
  const forget = around.onWake(timerWake);
  await Promise.all([
    whileLeased({ ...base, name: `keeper:${PARTITION}` }, async (lease, held) => {
      // As in services/keeper/keep_partition.ts: one that ends, ends the other.
      const own = new AbortController();
      const signal = AbortSignal.any([held, own.signal]);
      const end = () => own.abort();
      await Promise.all([
        relay(around, lease, signal).finally(end),
        trim(around, signal).finally(end),
      ]);
    }),
    fireTimers({ ...base, wake: timerWake, handlers: recordingHandlers }).finally(forget),
    watchRedis({ ...base, redis, keys: KEYS }),
  ]);
};

async function relay(around: Surroundings, lease: Lease, signal: AbortSignal): Promise<void> {
  const { life, sql, redis } = around;
  const wake = new Wake(life.clock);
  const forget = around.onWake(wake);
  await runRelay({
    sql,
    redis,
    keys: KEYS,
    region: REGION,
    shard: 0,
    lease,
    wake,
    log: silentLog,
    clock: life.clock,
    signal,
  }).finally(forget);
}

async function trim({ life, redis }: Surroundings, signal: AbortSignal): Promise<void> {
  const stream = KEYS.events(PARTITION);
  while (!signal.aborted) {
    await pause(TRIM_MS, signal, life.clock);
    if (signal.aborted) return;
    try {
      const rule = { stream, groups: EVENT_GROUPS, keepMs: KEEP_EVENTS_MS };
      await trimStream(redis, rule, life.clock.nowMs());
    } catch {
      // As in keeper: it is tried again.
    }
  }
}

/** The product's handlers, and a row for each time that one ran to its commit. */
const recordingHandlers: TimerHandlers = recording(TIMER_HANDLERS);

function recording<Kind extends string>(
  handlers: Readonly<Record<Kind, TimerHandler>>,
): Record<Kind, TimerHandler> {
  const recorded: Record<Kind, TimerHandler> = { ...handlers };
  for (const kind in handlers) {
    if (!Object.hasOwn(handlers, kind)) continue;
    recorded[kind] = async (tx, timer) => {
      await handlers[kind](tx, timer);
      await tx`
        insert into sim_fired (kind, key, version)
        values (${timer.kind}, ${timer.key}, ${timer.version})`;
    };
  }
  return recorded;
}

/** One consumer per group, and a matcher. */
export const worker: Role = async (around) => {
  await Promise.all([
    ...EVENT_GROUPS.map((group) => consumer(around, group)),
    matcher(around),
  ]);
};

async function consumer(around: Surroundings, group: EventGroup): Promise<void> {
  const { life, sql, redis, temper } = around;
  const stumble = (event: Envelope) => {
    if (temper.hasPoison && group === "tracker" && versionOf(event) === POISONED_VERSION) {
      throw new Error("the handler cannot take this event");
    }
    if (life.random() < temper.flakiness) throw new Error("the handler failed");
  };
  const handle = async (event: Envelope, lease: Lease) => {
    const handling = processOnce(sql, group, event.id, async (tx) => {
      await requireFence(tx, lease);
      stumble(event);
      await recordEffect(tx, group, event);
    });
    if (temper.acknowledgesEarly) handling.catch(() => {});
    else await handling;
  };
  const handleBatch = async (events: readonly Envelope[], lease: Lease) => {
    await processBatchOnce(sql, group, events, async (tx, fresh) => {
      await requireFence(tx, lease);
      for (const event of fresh) {
        stumble(event);
        await recordEffect(tx, group, event);
      }
    });
  };
  await consumeEvents({
    group,
    partition: PARTITION,
    keys: KEYS,
    sql,
    redis,
    openBlocking: around.openRedis,
    owner: life.owner,
    log: silentLog,
    signal: life.signal,
    clock: life.clock,
    handle,
    // So few that reads are full, and one goes ahead of what is being handled.
    readCount: 3,
    ...(group === "ingest" ? { handleBatch } : {}),
  });
}

function versionOf({ data }: Envelope): number | undefined {
  return "orderVersion" in data ? data.orderVersion : undefined;
}

const TICK_MS = 300;
/** Between the proof of a fence and the write: a long statement, a long thought. */
const MAX_SLOW_MS = 800;

/** Asks couriers for orders, and writes under its fence. Who is asked does not matter here. */
export async function matcher({ life, sql, notifyOutbox, isQuiet }: Surroundings): Promise<void> {
  const base = { sql, log: silentLog, owner: life.owner, signal: life.signal, clock: life.clock };
  await whileLeased({ ...base, name: `matcher:${PARTITION}` }, async (lease, held) => {
    while (!held.aborted) {
      await sql.begin(async (tx) => {
        await requireFence(tx, lease);
        // What a slow owner does between the proof and the write.
        if (life.random() < 0.3) await pause(life.random() * MAX_SLOW_MS, undefined, life.clock);
        await tx`insert into sim_fenced (name, fence) values (${lease.name}, ${lease.fence})`;
      });
      if (!isQuiet()) await askOne(sql, lease, life.random);
      notifyOutbox();
      await pause(TICK_MS * (0.5 + life.random()), held, life.clock);
    }
  });
}

async function askOne(sql: Sql, lease: Lease, random: () => number): Promise<void> {
  const orders = await sql<{ id: string }[]>`
    select id from orders
    where status in ('placed', 'confirmed', 'preparing', 'ready_for_pickup') order by id`;
  const couriers = await sql<{ id: string; version: number }[]>`
    select id, version from couriers where status = 'available' order by id`;
  const order = orders[Math.floor(random() * orders.length)];
  const courier = couriers[Math.floor(random() * couriers.length)];
  if (order === undefined || courier === undefined) return;
  await makeOffer(sql, lease, {
    orderId: order.id,
    courierId: courier.id,
    courierVersion: courier.version,
    distanceToPickupM: 100,
    offerTtlMs: 500 + Math.floor(random() * 2_000),
    policy: "nearest",
    policyVersion: 1,
    explanation: {},
  });
}
