/**
 * Rule I4 while the faults are at work: looks at the availability index several times a second.
 *
 * Contract: one look reads all of Redis in one transaction, so what it compares was true together.
 * - No grace inside Redis: its scripts are atomic, so whoever is not available by its own hash is
 *   never in the index, whatever else is broken.
 * - 2 s against Postgres, counted from when ingest had acknowledged the courier's newest event (or
 *   the courier's last change in the index): before that a store or a service may be away, which
 *   is what the faults are for. How long the index was behind in all is measured and printed.
 * A look that meets a store which is away does not count and is not an error.
 */
import { Redis } from "ioredis";
import { readCourierState } from "shared/availability/courier_state.ts";
import { pause } from "shared/clock/timeout.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";
import { compareIds } from "shared/streams/trim.ts";
import type { Violation } from "./evidence.ts";

const LOOK_MS = 200;
const GRACE_MS = 2_000;
/** What was read of the two stores further apart than this is not compared. */
const MAX_LOOK_MS = 500;
const COMMAND_TIMEOUT_MS = 1_000;
/** One courier that stays wrong must not fill the report. */
const MAX_VIOLATIONS = 20;

/** A courier in both stores, at one moment. */
export interface CourierSample {
  readonly id: string;
  /** By Postgres. */
  readonly status: CourierStatus;
  readonly version: number;
  /** By its hash in Redis; undefined where it has none. */
  readonly hashStatus: string | undefined;
  readonly isIndexed: boolean;
  /** Whether ingest has acknowledged the event of this version. */
  readonly isAcknowledged: boolean;
}

interface Disagreement {
  readonly version: number;
  readonly sinceMs: number;
  acknowledgedSinceMs: number | undefined;
  isReported: boolean;
}

/** Judges samples; pure but for its own memory. */
export class IndexJudge {
  readonly violations: Violation[] = [];
  /** The longest time for which the index was behind Postgres. */
  longestBehindMs = 0;
  readonly #open = new Map<string, Disagreement>();

  judge(samples: readonly CourierSample[], nowMs: number): void {
    for (const sample of samples) {
      const { id, isIndexed, hashStatus } = sample;
      if (isIndexed && hashStatus !== "available") {
        this.#report(`courier ${id} was in the index while its hash said ${hashStatus}`);
      }
      this.#compare(sample, nowMs);
    }
  }

  #compare(sample: CourierSample, nowMs: number): void {
    const { id, status, version, isIndexed, isAcknowledged } = sample;
    // Who is missing may be silent, which only the exact check at the end can tell.
    if (!isIndexed || status === "available") {
      this.#open.delete(id);
      return;
    }
    let known = this.#open.get(id);
    if (known?.version !== version) {
      known = { version, sinceMs: nowMs, acknowledgedSinceMs: undefined, isReported: false };
      this.#open.set(id, known);
    }
    this.longestBehindMs = Math.max(this.longestBehindMs, nowMs - known.sinceMs);
    if (!isAcknowledged) known.acknowledgedSinceMs = undefined;
    else known.acknowledgedSinceMs ??= nowMs;
    const { acknowledgedSinceMs, isReported } = known;
    if (isReported || acknowledgedSinceMs === undefined) return;
    if (nowMs - acknowledgedSinceMs <= GRACE_MS) return;
    known.isReported = true;
    this.#report(`courier ${id} stayed in the index although it was ${status}`);
  }

  #report(detail: string): void {
    if (this.violations.length >= MAX_VIOLATIONS) return;
    this.violations.push({ rule: "I4", detail });
  }
}

export interface SamplerOptions {
  readonly sql: Sql;
  readonly redisUrl: string;
  readonly keys: RedisKeys;
  readonly partition: Partition;
}

/** Samples from its making until it is stopped. */
export class Sampler {
  readonly judge = new IndexJudge();
  looks = 0;
  readonly #options: SamplerOptions;
  /** Its own, on which a command fails where Redis is away instead of waiting for it. */
  readonly #redis: Redis;
  readonly #stop = new AbortController();
  readonly #working: Promise<void>;
  /** By courier: version and entry of its newest event on the stream. */
  readonly #newest = new Map<string, { version: number; entryId: string }>();
  #readTo = "-";

  constructor(options: SamplerOptions) {
    this.#options = options;
    this.#redis = new Redis(options.redisUrl, {
      commandTimeout: COMMAND_TIMEOUT_MS,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
    });
    // Each look that fails for it is left out.
    this.#redis.on("error", () => {});
    this.#working = this.#work();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#working;
    this.#redis.disconnect();
  }

  async #work(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        this.judge.judge(await this.#look(), performance.now());
        this.looks++;
      } catch {
        // A store is away, on purpose.
      }
      await pause(LOOK_MS, signal);
    }
  }

  async #look(): Promise<CourierSample[]> {
    const { sql, keys, partition } = this.#options;
    const startedAtMs = performance.now();
    const couriers = await sql<{ id: string; status: CourierStatus; version: number }[]>`
      select id, status, version from couriers`;
    const isFinished = await this.#finishedEvents();
    const look = this.#redis.multi().zrange(keys.couriersGeo(partition), "0", "-1");
    for (const { id } of couriers) look.hgetBuffer(keys.couriers(partition), id);
    const replies = await look.exec() ?? [];
    const [indexed, ...states] = replies.map(([error, reply]) => {
      if (error !== null) throw error;
      return reply;
    });
    if (performance.now() - startedAtMs > MAX_LOOK_MS) throw new Error("the look took too long");
    const members = new Set(Array.isArray(indexed) ? indexed.map(String) : []);
    return couriers.map(({ id, status, version }, at) => ({
      id,
      status,
      version,
      hashStatus: Buffer.isBuffer(states[at]) ? readCourierState(states[at]).status : undefined,
      isIndexed: members.has(id),
      isAcknowledged: isFinished(id, version),
    }));
  }

  /** Which couriers' events ingest has handled: neither unread nor pending. */
  async #finishedEvents(): Promise<(courierId: string, version: number) => boolean> {
    const { keys, partition } = this.#options;
    const redis = this.#redis;
    const stream = keys.events(partition);
    const groups = await redis.xinfo("GROUPS", stream) as unknown[][];
    const group = groups.find((flat) => flat.includes("ingest")) ?? [];
    const delivered = String(group[group.indexOf("last-delivered-id") + 1] ?? "0-0");
    const [, oldestPending] = await redis.xpending(stream, "ingest") as [number, string | null];
    await this.#readEvents(stream);
    return (courierId, version) => {
      const newest = this.#newest.get(courierId);
      if (newest === undefined || newest.version !== version) return false;
      const isRead = compareIds(newest.entryId, delivered) <= 0;
      return isRead && (oldestPending === null || compareIds(newest.entryId, oldestPending) < 0);
    };
  }

  async #readEvents(stream: string): Promise<void> {
    const redis = this.#redis;
    const [newest] = await redis.xrevrange(stream, "+", "-", "COUNT", 1);
    // A stream that ends before what was read is another one: Redis was wiped.
    if (this.#readTo !== "-" && compareIds(newest?.[0] ?? "0-0", this.#readTo.slice(1)) < 0) {
      this.#newest.clear();
      this.#readTo = "-";
    }
    for (const [entryId, fields] of await redis.xrange(stream, this.#readTo, "+")) {
      this.#readTo = `(${entryId}`;
      const event = courierEvent(fields[fields.indexOf("event") + 1] ?? "");
      if (event !== undefined) this.#newest.set(event.courierId, { ...event, entryId });
    }
  }
}

function courierEvent(json: string): { courierId: string; version: number } | undefined {
  try {
    const { type, data } = JSON.parse(json) as {
      type?: string;
      data?: { courierId: string; courierVersion: number };
    };
    if (type !== "courier.availability_changed" || data === undefined) return undefined;
    return { courierId: data.courierId, version: data.courierVersion };
  } catch {
    return undefined; // Junk that a test put there.
  }
}
