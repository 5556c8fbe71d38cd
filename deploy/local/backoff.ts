/** How long to wait before a crashed child is started again. */

/** First delay after a crash. */
export const FIRST_DELAY_MS = 250;
/** The delay doubles up to this; restarts themselves go on for as long as the supervisor runs. */
export const MAX_DELAY_MS = 10_000;
/** A child that was ready for this long had recovered: its next crash counts as a first one. */
export const HEALTHY_AFTER_MS = 30_000;

/**
 * The delay before the next start. `previousMs` is the delay before the start that has now failed
 * (0 when there was none), `readyForMs` how long the child was ready (0 when it never was).
 */
export function nextDelayMs(previousMs: number, readyForMs: number): number {
  if (previousMs === 0 || readyForMs >= HEALTHY_AFTER_MS) return FIRST_DELAY_MS;
  return Math.min(previousMs * 2, MAX_DELAY_MS);
}
