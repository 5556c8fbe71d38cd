/**
 * Limits of this process alone, while Redis does not answer: the same rules over what this process
 * has seen. Several processes together let as many times the quota pass; that is bounded, and said
 * in the metrics. What was not used for longest is forgotten when there are too many subjects.
 */
import { BoundedMap } from "shared/cache/bounded_map.ts";
import { type BackOff, backOffDelayMs, type Limit, type Slot, type Verdict } from "./limit.ts";

/** Subjects remembered; at 600 slots each this is about 25 MB. */
export const MAX_LOCAL_SUBJECTS = 5_000;

interface Attempts {
  readonly count: number;
  readonly untilMs: number;
}

export class LocalLimits {
  readonly #logs: BoundedMap<string, number[]>;
  readonly #attempts: BoundedMap<string, Attempts>;
  readonly #now: () => number;

  constructor(
    now: () => number = () => performance.now(),
    maxSubjects: number = MAX_LOCAL_SUBJECTS,
  ) {
    this.#now = now;
    this.#logs = new BoundedMap(maxSubjects);
    this.#attempts = new BoundedMap(maxSubjects);
  }

  get subjects(): number {
    return this.#logs.size + this.#attempts.size;
  }

  /** Whether anything is known of a subject. */
  knows(limit: Limit, subject: string): boolean {
    return this.#logs.get(`${limit.name}:${subject}`) !== undefined;
  }

  /** Begins the log of a subject that is not known with what Postgres knows, newest first. */
  seed(limit: Limit, subject: string, agesMs: readonly number[]): void {
    if (this.knows(limit, subject)) return;
    const nowMs = this.#now();
    this.#logs.set(`${limit.name}:${subject}`, agesMs.map((ageMs) => nowMs - ageMs).reverse());
  }

  /** Takes one slot of the sliding log. */
  take(limit: Limit, subject: string): Slot {
    const key = `${limit.name}:${subject}`;
    const nowMs = this.#now();
    const { max, windowMs, holdMs = 0 } = limit;
    const log = (this.#logs.get(key) ?? []).filter((atMs) => atMs > nowMs - windowMs);
    const answer = (isAllowed: boolean, remaining: number, resetMs: number): Verdict => {
      return { isAllowed, name: limit.name, max, windowMs, remaining, resetMs, source: "local" };
    };
    const leaving = log[log.length - max];
    if (leaving !== undefined) {
      const verdict = answer(false, 0, leaving + windowMs - nowMs);
      return { verdict, giveBack: () => Promise.resolve() };
    }
    const atMs = nowMs + holdMs;
    log.push(atMs);
    this.#logs.set(key, log);
    return {
      verdict: answer(true, max - log.length, (log[0] ?? atMs) + windowMs - nowMs),
      giveBack: () => Promise.resolve(this.#giveBack(key, atMs)),
    };
  }

  #giveBack(key: string, atMs: number): void {
    const log = this.#logs.get(key);
    const index = log?.indexOf(atMs) ?? -1;
    if (index >= 0) log?.splice(index, 1);
  }

  /** Counts an attempt, and refuses one that comes before its time. */
  attempt(backOff: BackOff, subject: string): Verdict {
    const key = `${backOff.name}:${subject}`;
    const nowMs = this.#now();
    const known = this.#attempts.get(key);
    const isForgotten = known === undefined || nowMs >= known.untilMs + backOff.forgetAfterMs;
    const before = isForgotten ? { count: 0, untilMs: nowMs } : known;
    const waitMs = before.untilMs - nowMs;
    const count = waitMs > 0 ? before.count : before.count + 1;
    const delayMs = waitMs > 0 ? waitMs : backOffDelayMs(backOff, count);
    if (waitMs <= 0) this.#attempts.set(key, { count, untilMs: nowMs + delayMs });
    return attemptVerdict(backOff, waitMs <= 0, count, delayMs, "local");
  }

  /** Forgets the attempts of a subject: one succeeded. */
  forget(backOff: BackOff, subject: string): void {
    this.#attempts.delete(`${backOff.name}:${subject}`);
  }
}

/** A back-off in the words of a quota. */
export function attemptVerdict(
  backOff: BackOff,
  isAllowed: boolean,
  attempts: number,
  waitMs: number,
  source: Verdict["source"],
): Verdict {
  return {
    isAllowed,
    name: backOff.name,
    max: backOff.freeAttempts,
    windowMs: backOff.forgetAfterMs,
    remaining: Math.max(0, backOff.freeAttempts - attempts),
    resetMs: waitMs,
    source,
  };
}
