/**
 * Limits, exact while Redis answers and bounded while it does not.
 *
 * Contract
 * - One script per verdict, on Redis's clock: exact under any number of processes.
 * - Redis is waited for at most `redisTimeoutMs`; then this process decides alone (`source` says
 *   so), and does not ask Redis again for a moment, so that an outage costs one wait and not one
 *   for each request.
 * - A take whose answer comes after that still holds its slot in Redis. It stands for the local
 *   one; where the local verdict was a refusal, it is given back.
 * - A log that Redis does not have is begun from what Postgres knows, where the caller can say:
 *   losing Redis gives nobody a fresh quota. Who has asked Postgres before passes what it said;
 *   otherwise it is asked where Redis turns out to have no log.
 */
import { BoundedMap } from "shared/cache/bounded_map.ts";
import { withPatience } from "shared/clock/patience.ts";
import type { Redis } from "shared/redis/connect.ts";
import { Patience } from "shared/redis/patience.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import { runScript } from "shared/redis/script.ts";
import type { BackOff, Limit, Slot, Verdict } from "./limit.ts";
import { attemptVerdict, LocalLimits } from "./local_limits.ts";
import { COUNT_ATTEMPT, GIVE_BACK_SLOT, TAKE_SLOT } from "./scripts.ts";

/** With the wait for Postgres below it, a verdict takes at most 45 ms. */
export const REDIS_TIMEOUT_MS = 25;
/** For what Postgres knows, while Redis is away. */
const RECENT_TIMEOUT_MS = 20;

/** Ages in ms of what already happened inside the window, the newest first, at most the quota. */
export type Ages = readonly number[];
/** Tells them: known already, or to be asked for. */
export type Recent = Ages | (() => Promise<Ages>);

/** Logs of which this process remembers that Redis has them; a forgotten one costs a question. */
const MAX_SEEN_LOGS = 20_000;

/** Taken, the slot, what is left, microseconds until one comes back; as the script says it. */
type TakeReply = [number, string, number, number];

export interface LimiterDeps {
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly redisTimeoutMs?: number;
  readonly local?: LocalLimits;
  /** On a monotonic clock, in ms. */
  readonly now?: () => number;
  /** Told of every verdict, for metrics. */
  readonly onVerdict?: (verdict: Verdict) => void;
}

export class Limiter {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #patience: Patience;
  readonly #timeoutMs: number;
  readonly #local: LocalLimits;
  readonly #onVerdict: (verdict: Verdict) => void;
  readonly #seen = new BoundedMap<string, true>(MAX_SEEN_LOGS);

  constructor(deps: LimiterDeps) {
    this.#redis = deps.redis;
    this.#keys = deps.keys;
    this.#timeoutMs = deps.redisTimeoutMs ?? REDIS_TIMEOUT_MS;
    this.#patience = new Patience({ timeoutMs: this.#timeoutMs, now: deps.now });
    this.#local = deps.local ?? new LocalLimits(deps.now);
    this.#onVerdict = deps.onVerdict ?? (() => {});
  }

  /** Whether Redis probably has a log of `subject`: then what Postgres knows will not be needed. */
  probablyHas(limit: Limit, subject: string): boolean {
    return this.#seen.get(this.#keys.limit(limit.name, subject)) !== undefined;
  }

  /** Takes a slot of `subject`, or refuses; a refusal takes nothing. */
  async take(limit: Limit, subject: string, recent?: Recent): Promise<Slot> {
    const slot = await this.#takeOf(limit, subject, recent);
    this.#onVerdict(slot.verdict);
    return slot;
  }

  /** Counts an attempt of `subject` before it is made. */
  async attempt(backOff: BackOff, subject: string): Promise<Verdict> {
    const { freeAttempts, firstDelayMs, maxDelayMs, forgetAfterMs } = backOff;
    const reply = await this.#patience.ask(async () =>
      await runScript(this.#redis, COUNT_ATTEMPT, [this.#keys.limit(backOff.name, subject)], [
        freeAttempts,
        firstDelayMs * 1_000,
        maxDelayMs * 1_000,
        forgetAfterMs * 1_000,
      ]) as [number, number, number]
    );
    const verdict = reply === undefined
      ? this.#local.attempt(backOff, subject)
      : attemptVerdict(backOff, reply[0] === 1, reply[1], reply[2] / 1_000, "redis");
    this.#onVerdict(verdict);
    return verdict;
  }

  /** Forgets the attempts of a subject: one succeeded. */
  async forget(backOff: BackOff, subject: string): Promise<void> {
    this.#local.forget(backOff, subject);
    await this.#patience.ask(() => this.#redis.del(this.#keys.limit(backOff.name, subject)));
  }

  async #takeOf(limit: Limit, subject: string, recent: Recent | undefined): Promise<Slot> {
    const key = this.#keys.limit(limit.name, subject);
    let asked: Promise<Slot> | undefined;
    const slot = await this.#patience.ask(() => asked = this.#takeInRedis(limit, key, recent));
    if (slot !== undefined) return slot;
    await this.#seedLocal(limit, subject, recent);
    const local = this.#local.take(limit, subject);
    // Whether it comes late or never: what Redis took after all goes with the local slot.
    const returnLate = () => asked?.then((late) => late.giveBack(), () => {});
    if (!local.verdict.isAllowed) void returnLate();
    const giveBack = async () => {
      void returnLate();
      await local.giveBack();
    };
    return once({ verdict: local.verdict, giveBack });
  }

  async #takeInRedis(limit: Limit, key: string, recent: Recent | undefined): Promise<Slot> {
    const { name, max, windowMs, holdMs = 0 } = limit;
    const run = async (mode: "begin" | "ask" | "seed", agesMs: Ages = []) =>
      await runScript(this.#redis, TAKE_SLOT, [key], [
        max,
        windowMs * 1_000,
        holdMs * 1_000,
        mode,
        ...agesMs.map((ageMs) => Math.round(ageMs * 1_000)),
      ]) as TakeReply;
    const reply = await this.#runWith(run, recent);
    if (recent !== undefined) this.#seen.set(key, true);
    const [taken, at, remaining, resetUs] = reply;
    const isAllowed = taken === 1;
    const verdict: Verdict = {
      isAllowed,
      name,
      max,
      windowMs,
      remaining,
      resetMs: resetUs / 1_000,
      source: "redis",
    };
    const giveBack = async () => {
      if (!isAllowed) return;
      const given = runScript(this.#redis, GIVE_BACK_SLOT, [key], [at]);
      // Where Redis is away the slot counts until its time: too few and never too many.
      await withPatience("slot", this.#timeoutMs, given).catch(() => void given.catch(() => {}));
    };
    return once({ verdict, giveBack });
  }

  async #runWith(
    run: (mode: "begin" | "ask" | "seed", agesMs?: Ages) => Promise<TakeReply>,
    recent: Recent | undefined,
  ): Promise<TakeReply> {
    if (recent === undefined) return await run("begin");
    if (typeof recent !== "function") return await run("seed", recent);
    const reply = await run("ask");
    return reply[0] === -1 ? await run("seed", await recent()) : reply;
  }

  async #seedLocal(limit: Limit, subject: string, recent: Recent | undefined): Promise<void> {
    if (recent === undefined || this.#local.knows(limit, subject)) return;
    try {
      const agesMs = typeof recent === "function"
        ? await withPatience("recent", RECENT_TIMEOUT_MS, recent())
        : recent;
      this.#local.seed(limit, subject, agesMs);
    } catch {
      // Then this process counts from nothing: bounded, and all that can be known in time.
    }
  }
}

/** The slot, given back at most once. */
function once(slot: Slot): Slot {
  let returned: Promise<void> | undefined;
  return { verdict: slot.verdict, giveBack: () => returned ??= slot.giveBack() };
}
