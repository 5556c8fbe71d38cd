/** What may be limited, and what a limiter answers. */

/** At most `max` of something in any span of `windowMs`. */
export interface Limit {
  /** Names the limit in keys, headers and metrics: a closed set of words. */
  readonly name: string;
  readonly max: number;
  readonly windowMs: number;
  /**
   * How long after it was taken the thing may still come to be. A slot counts from there, so that
   * things that took different times to happen never stand closer together than the window.
   */
  readonly holdMs?: number;
}

/** After `freeAttempts` in a row each further one must wait twice as long as the one before. */
export interface BackOff {
  readonly name: string;
  readonly freeAttempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** Attempts are forgotten this long after the last one. */
  readonly forgetAfterMs: number;
}

/** Where a verdict comes from: the script, or this process alone while Redis does not answer. */
export type Source = "redis" | "local";

/** What a limiter says to one request. */
export interface Verdict {
  readonly isAllowed: boolean;
  readonly name: string;
  /** The quota, its span, and what is left of it. */
  readonly max: number;
  readonly windowMs: number;
  readonly remaining: number;
  /** Until something of the quota comes back; of a refusal, until the next try may succeed. */
  readonly resetMs: number;
  readonly source: Source;
}

/** A slot that was taken and may be given back where nothing came of it. */
export interface Slot {
  readonly verdict: Verdict;
  /** Safe to call more than once, and of a refusal; never throws. */
  giveBack(): Promise<void>;
}

/** The delay after this many attempts beyond the free ones, doubled each time up to the bound. */
export function backOffDelayMs(backOff: BackOff, attempts: number): number {
  const beyond = attempts - backOff.freeAttempts;
  if (beyond < 0) return 0;
  // Past 2^30 every bound is reached.
  return Math.min(backOff.maxDelayMs, backOff.firstDelayMs * 2 ** Math.min(beyond, 30));
}
