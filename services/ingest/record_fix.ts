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
import { pause } from "shared/clock/timeout.ts";
import { boundsContain } from "shared/geo/area.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import { takesWrites } from "shared/redis/takes_writes.ts";
import { isUnavailable } from "shared/service/unavailable.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { CourierDirectory, CourierEntry } from "./courier_directory.ts";
import { DegradedPositions } from "./degraded_positions.ts";
import { FixBatcher, type Waiting } from "./fix_batcher.ts";
import { type LastPositions, StoppedError } from "./last_positions.ts";
import type { IngestMetrics } from "./metrics.ts";

/** Couriers of whom something is remembered for a moment; all are forgotten beyond it. */
const MAX_REMEMBERED = 50_000;
/** Postgres decides who is on shift; Redis follows within 2 s. */
const OFF_SHIFT_MS = 1_000;
/** Of the time that a service has to stop, what Redis gets to take what waits. */
const STOP_MS = 1_000;
const STOP_LOOK_MS = 5;

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

/** Who is told what became of fixes; neither may throw. */
export interface RecordListener {
  recorded(recorded: Recorded): void;
  failed(error: unknown): void;
}

export class FixRecorder {
  readonly degraded: DegradedPositions;
  readonly #deps: FixRecorderDeps;
  readonly #now: () => number;
  readonly #batchers = new Map<Partition, FixBatcher>();
  /** Until when the limit of a courier is known to be used up: nobody need be asked till then. */
  readonly #limitedUntilMs = new Map<string, number>();
  readonly #offShiftUntilMs = new Map<string, number>();
  #isStopping = false;
  readonly #usualWay: UsualWay = {
    answered: (usual, answer) => this.#answered(usual, answer),
    failed: (usual, error) => tell(usual.listener, this.#recordFailed(usual, error)),
  };

  constructor(deps: FixRecorderDeps) {
    this.#deps = deps;
    this.#now = deps.now ?? (() => performance.now());
    const { sql, log, metrics, redis } = deps;
    this.degraded = new DegradedPositions({
      sql,
      log,
      metrics,
      isRedisBack: async () => await takesWrites(redis),
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
   * @throws QueueFullError over a bound, StoppedError after `stop`, and what a store throws that is
   * away.
   */
  record(courierId: string, fixes: readonly Fix[]): Promise<Recorded> {
    return new Promise((recorded, failed) => this.hear(courierId, fixes, { recorded, failed }));
  }

  /**
   * The same without a promise. Nearly always there is nothing to be found out about the courier,
   * and Redis takes all: that way is short, because it is taken ten thousand times a second, and
   * promises that live until Redis has answered are what its time went to.
   */
  hear(courierId: string, fixes: readonly Fix[], listener: RecordListener): void {
    if (this.#isStopping) return listener.failed(new StoppedError("positions are not taken now"));
    const courier = this.#deps.directory.peek(courierId);
    if (courier === undefined || !this.#isUsual(courier, fixes)) {
      return tell(listener, this.#recordUnusual(courierId, courier, fixes));
    }
    const usual = new UsualFixes(courier, fixes, listener, this.#usualWay);
    this.#batcherOf(courier.partition).add(usual);
  }

  /** Takes nothing more, and waits until Redis has what was taken; a second at most. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const untilMs = this.#now() + STOP_MS;
    while (this.isBusy && this.#now() < untilMs) await pause(STOP_LOOK_MS);
  }

  /** Whether anybody waits for Redis. */
  get isBusy(): boolean {
    return [...this.#batchers.values()].some((batcher) => batcher.isBusy);
  }

  #answered(usual: UsualFixes, answer: HeardAnswer): void {
    const { courierId, fixes, listener } = usual;
    if (isPlain(answer)) listener.recorded(this.#finish(courierId, fixes, PLAIN));
    else tell(listener, this.#recordAnswer(usual, answer));
  }

  async #recordAnswer(usual: UsualFixes, answer: HeardAnswer): Promise<Recorded> {
    const { courier, fixes } = usual;
    let recorded: Recorded;
    try {
      recorded = this.#learn(courier, await this.#believe(courier, usual, answer));
    } catch (error) {
      recorded = await this.#afterFailure(courier, fixes, error);
    }
    return this.#finish(courier.id, fixes, recorded);
  }

  async #recordFailed({ courier, fixes }: UsualFixes, error: unknown): Promise<Recorded> {
    return this.#finish(courier.id, fixes, await this.#afterFailure(courier, fixes, error));
  }

  /** Whether nothing but Redis has to be asked, as far as this process knows. */
  #isUsual(courier: CourierEntry, fixes: readonly Fix[]): boolean {
    if (this.degraded.isActive) return false;
    const { id, bounds } = courier;
    if (this.#limitedUntilMs.has(id) || this.#offShiftUntilMs.has(id)) return false;
    for (const fix of fixes) if (!boundsContain(bounds, fix)) return false;
    return true;
  }

  async #recordUnusual(
    courierId: string,
    known: CourierEntry | undefined,
    fixes: readonly Fix[],
  ): Promise<Recorded> {
    const courier = known ?? await this.#deps.directory.find(courierId);
    const recorded = courier === undefined
      ? refused("unknown", fixes)
      : await this.#recordOf(courier, fixes);
    return this.#finish(courierId, fixes, recorded);
  }

  /** Counts, and remembers where the courier is. */
  #finish(courierId: string, fixes: readonly Fix[], recorded: Recorded): Recorded {
    if (!recorded.isDegraded) this.#note(courierId, fixes, recorded.codes);
    this.#count(recorded, fixes);
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
    const limitedMs = this.#restMs(this.#limitedUntilMs, courier.id);
    if (limitedMs > 0) {
      return { ...refused("limited", fixes), retryAfterMs: Math.ceil(limitedMs) };
    }
    if (this.#restMs(this.#offShiftUntilMs, courier.id) > 0) return refused("off_shift", fixes);
    if (this.degraded.isActive) return await this.#recordDegraded(courier.id, fixes);
    try {
      return this.#learn(courier, await this.#recordInRedis(courier, fixes));
    } catch (error) {
      return await this.#afterFailure(courier, fixes, error);
    }
  }

  /** How long what is remembered still holds; what has ended is forgotten. */
  #restMs(untilMs: Map<string, number>, courierId: string): number {
    const restMs = (untilMs.get(courierId) ?? -Infinity) - this.#now();
    if (restMs <= 0) untilMs.delete(courierId);
    return restMs;
  }

  /** Remembers what spares Redis to be asked again at once. */
  #learn(courier: CourierEntry, answer: HeardAnswer): Recorded {
    if (answer.retryAfterMs !== undefined) {
      remember(this.#limitedUntilMs, courier.id, this.#now() + answer.retryAfterMs);
    } else if (answer.codes[0] === "off_shift") {
      remember(this.#offShiftUntilMs, courier.id, this.#now() + OFF_SHIFT_MS);
    }
    return { ...answer, isDegraded: false };
  }

  /** Without Redis Postgres takes what it can. @throws what was no failure of a store. */
  async #afterFailure(
    courier: CourierEntry,
    fixes: readonly Fix[],
    error: unknown,
  ): Promise<Recorded> {
    if (!isUnavailable(error)) throw error;
    this.degraded.enter(error);
    return await this.#recordDegraded(courier.id, fixes);
  }

  async #recordDegraded(courierId: string, fixes: readonly Fix[]): Promise<Recorded> {
    return { ...await this.degraded.record(courierId, fixes), isDegraded: true };
  }

  async #recordInRedis(courier: CourierEntry, fixes: readonly Fix[]): Promise<HeardAnswer> {
    const heard = heardOf(courier, fixes);
    return await this.#believe(
      courier,
      heard,
      await this.#batcherOf(courier.partition).submit(heard),
    );
  }

  /** Asks Postgres where Redis does not know the courier, or has it as off shift, and once again. */
  async #believe(courier: CourierEntry, heard: Heard, answer: HeardAnswer): Promise<HeardAnswer> {
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
    return await this.#batcherOf(courier.partition).submit(heard);
  }

  async #replay(courierId: string, fix: Fix): Promise<FixCode> {
    const courier = await this.#deps.directory.find(courierId);
    if (courier === undefined) return "unknown";
    return (await this.#recordInRedis(courier, [fix])).codes[0] ?? "unknown";
  }

  #count({ codes, clamped }: Recorded, fixes: readonly Fix[]): void {
    const { metrics } = this.#deps;
    const tally = fixes.length === 0 ? metrics.heartbeatTally : metrics.fixTally;
    for (const code of codes) tally.add(code);
    if (clamped > 0) metrics.clamped.inc(clamped);
  }

  #note(courierId: string, fixes: readonly Fix[], codes: readonly FixCode[]): void {
    let newest: Fix | undefined;
    for (let index = 0; index < fixes.length; index++) {
      const fix = fixes[index];
      if (fix === undefined || codes[index] !== "accepted") continue;
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

interface UsualWay {
  answered(usual: UsualFixes, answer: HeardAnswer): void;
  failed(usual: UsualFixes, error: unknown): void;
}

/** Fixes that only Redis has to be asked about: one object for all that is said of them. */
class UsualFixes implements Waiting {
  readonly courierId: string;
  readonly maxSpeedMps: number;
  readonly #way: UsualWay;

  constructor(
    readonly courier: CourierEntry,
    readonly fixes: readonly Fix[],
    readonly listener: RecordListener,
    way: UsualWay,
  ) {
    this.courierId = courier.id;
    this.maxSpeedMps = courier.maxSpeedMps;
    this.#way = way;
  }

  resolve(answer: HeardAnswer): void {
    this.#way.answered(this, answer);
  }

  reject(error: unknown): void {
    this.#way.failed(this, error);
  }
}

function tell(listener: RecordListener, recording: Promise<Recorded>): void {
  recording.then(
    (recorded) => listener.recorded(recorded),
    (error) => listener.failed(error),
  );
}

/** Whether the sender has nothing more to do about any of them. */
export function allStored({ codes }: Recorded): boolean {
  return codes.every(isStored);
}

/** One fix, or a heartbeat, with which all was well. */
const PLAIN: Recorded = { codes: ["accepted"], clamped: 0, isDegraded: false };

function isPlain({ codes, clamped, retryAfterMs }: HeardAnswer): boolean {
  return codes.length === 1 && codes[0] === "accepted" && clamped === 0 &&
    retryAfterMs === undefined;
}

function heardOf({ id, maxSpeedMps }: CourierEntry, fixes: readonly Fix[]): Heard {
  return { courierId: id, maxSpeedMps, fixes };
}

function refused(code: FixCode, fixes: readonly Fix[]): Recorded {
  const codes = Array.from({ length: Math.max(1, fixes.length) }, () => code);
  return { codes, clamped: 0, isDegraded: false };
}

function remember(map: Map<string, number>, courierId: string, untilMs: number): void {
  if (map.size >= MAX_REMEMBERED) map.clear();
  map.set(courierId, untilMs);
}
