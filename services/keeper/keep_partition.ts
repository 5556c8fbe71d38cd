import { Availability } from "shared/availability/availability.ts";
import { pause } from "shared/clock/timeout.ts";
import { Wake } from "shared/clock/wake.ts";
import { type Lease, whileLeased } from "shared/lease/lease.ts";
import type { Log } from "shared/log/log.ts";
import { runRelay } from "shared/outbox/relay.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import type { PartitionWork } from "shared/regions/partitions.ts";
import type { Sql } from "shared/sql/connect.ts";
import { EVENT_GROUPS, POSITION_GROUPS } from "shared/streams/groups.ts";
import { type TrimRule, trimStream } from "shared/streams/trim.ts";
import type { KeeperMetrics } from "./metrics.ts";
import { WARM_MS } from "./position_recorder.ts";
import { sweepSilentCouriers } from "./sweep_silent.ts";
import { walkRobots } from "./walk_robots.ts";

const TRIM_MS = 10_000;
/** Long enough for the relay to recognise what it has published before. */
const KEEP_EVENTS_MS = 10 * 60_000;
const KEEP_POSITIONS_MS = 60_000;

export interface KeepOptions {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly metrics: KeeperMetrics;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly owner: string;
  notifyOutbox(): void;
  /** Every wake-up in here is notified after a commit that wrote events. */
  readonly relayWakes: Set<Wake>;
}

/** Relay, silence sweep, trimming and the robot's walk of one partition, whenever this process owns it. */
export async function keepPartition(options: KeepOptions, work: PartitionWork): Promise<void> {
  const name = `keeper:${work.partition}`;
  await whileLeased({ ...options, name }, async (lease, held) => {
    // One that ends (fenced off) ends the others: they must not outlive the ownership.
    const own = new AbortController();
    const signal = AbortSignal.any([held, own.signal]);
    const end = () => own.abort();
    await Promise.all([
      relay(options, work, lease, signal).finally(end),
      sweep(options, work, signal).finally(end),
      trim(options, work, signal).finally(end),
      walkRobots({ ...options, signal }, work).finally(end),
    ]);
  });
}

async function relay(
  options: KeepOptions,
  { region, shard }: PartitionWork,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  const wake = new Wake();
  options.relayWakes.add(wake);
  await runRelay({
    ...options,
    region: region.id,
    shard,
    lease,
    signal,
    wake,
    onPublished: (count) => options.metrics.published.inc(count),
  }).finally(() => options.relayWakes.delete(wake));
}

async function sweep(options: KeepOptions, work: PartitionWork, signal: AbortSignal) {
  const availability = new Availability(options.redis, options.keys, work.partition);
  await sweepSilentCouriers({ ...options, signal, availability }, work);
}

async function trim(
  { redis, keys, metrics, log }: KeepOptions,
  { partition }: PartitionWork,
  signal: AbortSignal,
): Promise<void> {
  const rules: TrimRule[] = [
    {
      stream: keys.events(partition),
      groups: EVENT_GROUPS,
      keepMs: KEEP_EVENTS_MS,
    },
    {
      stream: keys.positions(partition),
      groups: POSITION_GROUPS,
      keepMs: KEEP_POSITIONS_MS,
      // What an owner of the history reads again when it takes over.
      keepBehindMs: WARM_MS,
    },
  ];
  while (!signal.aborted) {
    await pause(TRIM_MS, signal);
    for (const rule of rules) {
      try {
        // Redis stamped the entries, so its clock tells their age.
        const [seconds] = await redis.time();
        metrics.trimmed.inc(await trimStream(redis, rule, Number(seconds) * 1000));
      } catch (error) {
        log.warn("stream not trimmed; it is tried again", { stream: rule.stream, error });
      }
    }
  }
}
