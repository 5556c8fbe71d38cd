/**
 * The one function in which all ways of sending a position end.
 *
 * Contract: what is answered as stored is in Redis, or in Postgres while Redis is away (the answer
 * says which). A courier is judged by what it is now: one that Redis does not know, or has as off
 * shift, is looked up in Postgres once, and not again within a second however often it sends.
 */
import { Availability, type Heard, type HeardAnswer } from "shared/availability/availability.ts";
import type { Fix, FixCode } from "shared/availability/fix.ts";
import { isStored } from "shared/availability/fix.ts";
import { boundsContain } from "shared/geo/area.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import { isUnavailable } from "shared/service/unavailable.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { CourierDirectory, CourierEntry } from "./courier_directory.ts";
import { DegradedPositions } from "./degraded_positions.ts";
import { FixBatcher } from "./fix_batcher.ts";
import type { LastPositions } from "./last_positions.ts";
import type { IngestMetrics } from "./metrics.ts";

/** Couriers of whom something is remembered for a moment; all are forgotten beyond it. */
const MAX_REMEMBERED = 50_000;
/** Postgres decides who is on shift; Redis follows within 2 s. */
const OFF_SHIFT_MS = 1_000;

export interface FixRecorderDeps {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly directory: CourierDirectory;
  readonly lastPositions: LastPositions;
  readonly metrics: IngestMetrics;
  readonly log: Log;
  /** Milliseconds of a clock that never jumps. */
  readonly now?: () => number;
}

/** What became of fixes, or of a heartbeat. */
export interface Recorded {
  /** One for each fix, in the order given; one for a heartbeat. */
  readonly codes: readonly FixCode[];
  readonly clamped: number;
  /** Set where something was limited. */
  readonly retryAfterMs?: number;
  /** What is stored is in Postgres: Redis is away. */
  readonly isDegraded: boolean;
}

export class FixRecorder {
  readonly degraded: DegradedPositions;
  readonly #deps: FixRecorderDeps;
  readonly #now: () => number;
  readonly #batchers = new Map<Partition, FixBatcher>();
  /** Until when the limit of a courier is known to be used up: nobody need be asked till then. */
  readonly #limitedUntilMs = new Map<string, number>();
  readonly #offShiftUntilMs = new Map<string, number>();

  constructor(deps: FixRecorderDeps) {
    this.#deps = deps;
    this.#now = deps.now ?? (() => performance.now());
    const { sql, log, metrics, redis } = deps;
    this.degraded = new DegradedPositions({
      sql,
      log,
      metrics,
      isRedisBack: async () => await redis.ping() === "PONG",
      replay: async (courierId, fix) => await this.#replay(courierId, fix),
    });
    metrics.queues.add(() => {
      let queued = 0;
      for (const batcher of this.#batchers.values()) queued += batcher.queued;
      return queued;
    });
  }

  /**
   * Records fixes of a courier (none: a heartbeat); resolves after they are stored or refused.
   *
   * @throws QueueFullError over a bound, and what a store throws that is away.
   */
  async record(courierId: string, fixes: readonly Fix[]): Promise<Recorded> {
    const { directory } = this.#deps;
    const courier = directory.peek(courierId) ?? await directory.find(courierId);
    const recorded = courier === undefined
      ? refused("unknown", fixes)
      : await this.#recordOf(courier, fixes);
    this.#count(recorded, fixes);
    if (!recorded.isDegraded) this.#note(courierId, fixes, recorded.codes);
    return recorded;
  }

  async #recordOf(courier: CourierEntry, fixes: readonly Fix[]): Promise<Recorded> {
    const isOutside = (fix: Fix) => !boundsContain(courier.bounds, fix);
    if (!fixes.some(isOutside)) return await this.#recordInside(courier, fixes);
    const inside = fixes.filter((fix) => !isOutside(fix));
    if (inside.length === 0) return refused("outside_region", fixes);
    const recorded = await this.#recordInside(courier, inside);
    let next = 0;
    const codes = fixes.map((fix): FixCode =>
      isOutside(fix) ? "outside_region" : recorded.codes[next++] ?? "stale"
    );
    return { ...recorded, codes };
  }

  async #recordInside(courier: CourierEntry, fixes: readonly Fix[]): Promise<Recorded> {
    const nowMs = this.#now();
    const limitedUntilMs = this.#limitedUntilMs.get(courier.id) ?? 0;
    if (limitedUntilMs > nowMs) {
      return { ...refused("limited", fixes), retryAfterMs: Math.ceil(limitedUntilMs - nowMs) };
    }
    if ((this.#offShiftUntilMs.get(courier.id) ?? 0) > nowMs) return refused("off_shift", fixes);
    if (this.degraded.isActive) return await this.#recordDegraded(courier.id, fixes);
    try {
      const answer = await this.#recordInRedis(courier, fixes);
      if (answer.retryAfterMs !== undefined) {
        remember(this.#limitedUntilMs, courier.id, this.#now() + answer.retryAfterMs);
      } else if (answer.codes[0] === "off_shift") {
        remember(this.#offShiftUntilMs, courier.id, this.#now() + OFF_SHIFT_MS);
      }
      return { ...answer, isDegraded: false };
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      this.degraded.enter(error);
      return await this.#recordDegraded(courier.id, fixes);
    }
  }

  async #recordDegraded(courierId: string, fixes: readonly Fix[]): Promise<Recorded> {
    return { ...await this.degraded.record(courierId, fixes), isDegraded: true };
  }

  async #recordInRedis(courier: CourierEntry, fixes: readonly Fix[]): Promise<HeardAnswer> {
    const heard: Heard = { courierId: courier.id, maxSpeedMps: courier.maxSpeedMps, fixes };
    const batcher = this.#batcherOf(courier.partition);
    const answer = await batcher.submit(heard);
    const [code] = answer.codes;
    if (code !== "unknown" && code !== "off_shift") return answer;
    const facts = await this.#deps.directory.read(courier.id);
    if (facts === undefined) return answer;
    if (code === "off_shift" && facts.status === "offline") return answer;
    const availability = this.#availabilityOf(courier.partition);
    await availability.applyStatus(courier.id, facts.status, facts.version);
    if (code === "unknown" && facts.lastFix !== undefined) {
      await availability.restoreFix(courier.id, facts.lastFix);
    }
    return await batcher.submit(heard);
  }

  async #replay(courierId: string, fix: Fix): Promise<FixCode> {
    const courier = await this.#deps.directory.find(courierId);
    if (courier === undefined) return "unknown";
    return (await this.#recordInRedis(courier, [fix])).codes[0] ?? "unknown";
  }

  #count({ codes, clamped }: Recorded, fixes: readonly Fix[]): void {
    const { metrics } = this.#deps;
    const counter = fixes.length === 0 ? metrics.heartbeats : metrics.fixes;
    if (codes.length === 1) counter.inc({ result: codes[0] ?? "unknown" });
    else {
      const counts = new Map<FixCode, number>();
      for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
      for (const [result, count] of counts) counter.inc({ result }, count);
    }
    if (clamped > 0) metrics.clamped.inc(clamped);
  }

  #note(courierId: string, fixes: readonly Fix[], codes: readonly FixCode[]): void {
    let newest: Fix | undefined;
    for (const [index, fix] of fixes.entries()) {
      if (codes[index] !== "accepted") continue;
      if (newest === undefined || fix.recordedAtMs > newest.recordedAtMs) newest = fix;
    }
    if (newest !== undefined) this.#deps.lastPositions.note(courierId, newest);
  }

  #batcherOf(partition: Partition): FixBatcher {
    let batcher = this.#batchers.get(partition);
    if (batcher === undefined) {
      batcher = new FixBatcher(this.#availabilityOf(partition), this.#deps.metrics);
      this.#batchers.set(partition, batcher);
    }
    return batcher;
  }

  #availabilityOf(partition: Partition): Availability {
    return new Availability(this.#deps.redis, this.#deps.keys, partition);
  }
}

/** Whether the sender has nothing more to do about any of them. */
export function allStored({ codes }: Recorded): boolean {
  return codes.every(isStored);
}

function refused(code: FixCode, fixes: readonly Fix[]): Recorded {
  const codes = Array.from({ length: Math.max(1, fixes.length) }, () => code);
  return { codes, clamped: 0, isDegraded: false };
}

function remember(map: Map<string, number>, courierId: string, untilMs: number): void {
  if (map.size >= MAX_REMEMBERED) map.clear();
  map.set(courierId, untilMs);
}
