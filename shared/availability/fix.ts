/** A courier's position as its phone reported it. */
export interface Fix {
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM?: number;
  readonly headingDeg?: number;
  readonly speedMps?: number;
  /** By the phone's clock. */
  readonly recordedAtMs: number;
}

/**
 * What became of a fix.
 *
 * Kept: `accepted` is where the courier is now; `late` took its place among earlier ones;
 * `low_accuracy` and `jump` are for history only; `duplicate` was there before.
 * Refused: `stale` is older than the reorder window, `limited` beyond the rate, `outside_region`
 * too far off, `off_shift` nobody's business. `unknown`: Redis does not have the courier. `full`:
 * nothing can be taken at all, because a consumer of the stream is stuck. `unavailable`: Redis is
 * away, and only the newest fix is kept.
 */
export const FIX_CODES = [
  "accepted",
  "late",
  "low_accuracy",
  "jump",
  "duplicate",
  "stale",
  "limited",
  "outside_region",
  "off_shift",
  "unknown",
  "full",
  "unavailable",
] as const;
export type FixCode = (typeof FIX_CODES)[number];

/** The letters by which the script answers; upper case where the phone's clock ran ahead. */
export const FIX_LETTERS: Readonly<Record<string, FixCode>> = {
  a: "accepted",
  l: "late",
  w: "low_accuracy",
  j: "jump",
  d: "duplicate",
  s: "stale",
  x: "limited",
  o: "off_shift",
  u: "unknown",
  f: "full",
  // A heartbeat that was heard.
  h: "accepted",
};

const KEPT: ReadonlySet<FixCode> = new Set(["accepted", "late", "low_accuracy", "jump"]);

/** Whether the fix was written by this call. */
export function isKept(code: FixCode): boolean {
  return KEPT.has(code);
}

/** Whether the sender has nothing more to do: the fix is stored, by this call or an earlier one. */
export function isStored(code: FixCode): boolean {
  return code === "duplicate" || KEPT.has(code);
}
