/**
 * What goes on while Redis is away (DESIGN §11, ADR 0018): the newest fix of each courier is kept
 * in memory, written to Postgres each second, and only then answered.
 *
 * Contract: a fix that was acknowledged here stands in Postgres, and stays in memory until Redis
 * has it, unless the process ends before. Nobody off shift is stored. Memory is bounded by couriers
 * and by callers that wait; over the bound a fix is refused at once (503). Redis is asked again each
 * second, and as soon as it answers everything goes there.
 */
import type { HeardAnswer } from "shared/availability/availability.ts";
import { MAX_ACCURACY_M } from "shared/availability/cleaning.ts";
import type { Fix, FixCode } from "shared/availability/fix.ts";
import { Wake } from "shared/clock/wake.ts";
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Sql } from "shared/sql/connect.ts";
import { QueueFullError } from "./fix_batcher.ts";
import { type LastPosition, writeHeard, writeLastPositions } from "./last_positions.ts";
import { LocalLimiter } from "./local_limiter.ts";
import type { IngestMetrics } from "./metrics.ts";

/** DESIGN §11. */
const FLUSH_MS = 1_000;
const MAX_COURIERS = 50_000;
const MAX_WAITERS = 20_000;
const REPLAY_AT_ONCE = 100;

interface Waiter {
  readonly fix: Fix | undefined;
  resolve(code: FixCode): void;
  reject(error: unknown): void;
}

interface Pending {
  /** The newest fix of those that wait; undefined after heartbeats alone. */
  newest: LastPosition | undefined;
  readonly waiters: Waiter[];
}

export interface DegradedOptions {
  readonly sql: Sql;
  readonly log: Log;
  readonly metrics: IngestMetrics;
  /** Whether Redis takes writes again. Throws or answers false while it does not. */
  isRedisBack(): Promise<boolean>;
  /** Brings an acknowledged fix to Redis. Throws where Redis is away again. */
  replay(courierId: string, fix: Fix): Promise<FixCode>;
  readonly limiter?: LocalLimiter;
}

export class DegradedPositions {
  readonly #options: DegradedOptions;
  readonly #limiter: LocalLimiter;
  readonly #wake = new Wake();
  #isActive = false;
  #pending = new Map<string, Pending>();
  #waiters = 0;
  /** Acknowledged, and not in Redis yet. */
  readonly #kept = new Map<string, Fix>();

  constructor(options: DegradedOptions) {
    this.#options = options;
    this.#limiter = options.limiter ?? new LocalLimiter();
  }

  /** Whether fixes have to go here. */
  get isActive(): boolean {
    return this.#isActive;
  }

  /** Redis has failed. */
  enter(error: unknown): void {
    if (this.#isActive) return;
    this.#isActive = true;
    this.#options.metrics.degraded.set(1);
    this.#options.log.warn("redis is away: positions go to postgres", { error });
    this.#wake.notify();
  }

  /**
   * Takes fixes of one courier (none: a heartbeat) and resolves once the newest is in Postgres. The
   * others are not kept, nor those that may be far off (they are for history, and there is none
   * now): their sender may send them again later.
   *
   * @throws QueueFullError at the bound, and what Postgres throws.
   */
  async record(courierId: string, fixes: readonly Fix[]): Promise<HeardAnswer> {
    const retryAfterMs = this.#limiter.take(courierId);
    const points = Math.max(1, fixes.length);
    if (retryAfterMs > 0) {
      return { codes: Array.from({ length: points }, () => "limited"), clamped: 0, retryAfterMs };
    }
    const newest = newestOf(fixes);
    const codes: FixCode[] = fixes.map(() => "unavailable");
    if (fixes.length > 0 && newest === undefined) return { codes, clamped: 0 };
    const code = await this.#wait(courierId, newest);
    codes[newest === undefined ? 0 : fixes.indexOf(newest)] = code;
    const clamped = newest !== undefined && newest.recordedAtMs > Date.now() ? 1 : 0;
    return { codes: code === "off_shift" ? codes.map(() => code) : codes, clamped };
  }

  async #wait(courierId: string, fix: Fix | undefined): Promise<FixCode> {
    const pending = this.#pending.get(courierId);
    if (this.#waiters >= MAX_WAITERS) {
      throw new QueueFullError(`requests that wait for postgres must be <= ${MAX_WAITERS}`);
    }
    const isKnown = pending !== undefined || this.#kept.has(courierId);
    if (!isKnown && this.#pending.size + this.#kept.size >= MAX_COURIERS) {
      throw new QueueFullError(`couriers that wait for postgres must be <= ${MAX_COURIERS}`);
    }
    this.#waiters++;
    return await new Promise((resolve, reject) => {
      const entry = pending ?? { newest: undefined, waiters: [] };
      entry.waiters.push({ fix, resolve, reject });
      if (fix !== undefined && fix.recordedAtMs > (entry.newest?.fix.recordedAtMs ?? -Infinity)) {
        entry.newest = { courierId, fix, receivedAtMs: Date.now() };
      }
      this.#pending.set(courierId, entry);
      this.#wake.notify();
    });
  }

  /** Writes each second while something waits, and leaves when Redis is back; until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#pending.size === 0 && !this.#isActive && this.#kept.size === 0) {
        await this.#wake.wait(60_000, signal);
      }
      await this.flush();
      await this.#leave();
      await pause(FLUSH_MS, signal);
    }
    await this.flush();
  }

  /** Writes what waits and answers. Never rejects: failures go to the callers. */
  async flush(): Promise<void> {
    const pending = this.#pending;
    if (pending.size === 0) return;
    this.#pending = new Map();
    this.#waiters = 0;
    try {
      const { sql } = this.#options;
      const positions = [...pending.values()].flatMap(({ newest }) => newest ?? []);
      const silent = [...pending].filter(([, { newest }]) => newest === undefined)
        .map(([courierId]) => courierId);
      const written = positions.length === 0
        ? []
        : await writeLastPositions(sql, positions, { onShiftOnly: true });
      const heard = silent.length === 0 ? [] : await writeHeard(sql, silent);
      this.#answer(pending, {
        recordedAtMs: new Map(written.map((row) => [row.courierId, row.recordedAtMs])),
        heard: new Set(heard),
      });
    } catch (error) {
      for (const { waiters } of pending.values()) {
        for (const waiter of waiters) waiter.reject(error);
      }
    }
  }

  #answer(
    pending: ReadonlyMap<string, Pending>,
    { recordedAtMs, heard }: {
      readonly recordedAtMs: ReadonlyMap<string, number>;
      readonly heard: ReadonlySet<string>;
    },
  ): void {
    for (const [courierId, { newest, waiters }] of pending) {
      const stored = recordedAtMs.get(courierId);
      const isOnShift = newest === undefined ? heard.has(courierId) : stored !== undefined;
      const isStored = newest !== undefined && stored !== undefined &&
        // A phone's clock may run ahead: then it was stored as of its receipt.
        Math.min(newest.fix.recordedAtMs, newest.receivedAtMs) >= stored - 1;
      if (newest !== undefined && isStored) this.#kept.set(courierId, newest.fix);
      for (const { fix, resolve } of waiters) {
        if (!isOnShift) resolve("off_shift");
        else if (fix === undefined) resolve("accepted");
        else resolve(isStored && fix === newest?.fix ? "accepted" : "stale");
      }
    }
  }

  /** Goes back to Redis where it answers, and brings it what it has missed. */
  async #leave(): Promise<void> {
    const { log, metrics, isRedisBack } = this.#options;
    try {
      if (!await isRedisBack()) return;
      // From now on everything goes to Redis; what comes there meanwhile is ordered by its time.
      if (this.#isActive) log.info("redis is back: positions go there again");
      this.#isActive = false;
      metrics.degraded.set(0);
      await this.#replay();
    } catch (error) {
      log.debug("redis is not back", { error });
    }
  }

  async #replay(): Promise<void> {
    const kept = [...this.#kept];
    for (let start = 0; start < kept.length; start += REPLAY_AT_ONCE) {
      await Promise.all(
        kept.slice(start, start + REPLAY_AT_ONCE).map(async ([courierId, fix]) => {
          const code = await this.#options.replay(courierId, fix);
          this.#options.metrics.replayed.inc({ result: code });
          const isTaken = code !== "limited" && code !== "full";
          // A newer one may have been acknowledged meanwhile.
          if (isTaken && this.#kept.get(courierId) === fix) this.#kept.delete(courierId);
        }),
      );
    }
  }
}

function isPrecise({ accuracyM }: Fix): boolean {
  return accuracyM === undefined || accuracyM <= MAX_ACCURACY_M;
}

function newestOf(fixes: readonly Fix[]): Fix | undefined {
  let newest: Fix | undefined;
  for (const fix of fixes) {
    if (isPrecise(fix) && fix.recordedAtMs > (newest?.recordedAtMs ?? -Infinity)) newest = fix;
  }
  return newest;
}
