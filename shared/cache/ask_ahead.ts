/**
 * When to ask again for what is remembered, before it must not be relied on any more: in the
 * background, while whoever wants it still gets what is remembered. Each at a moment of its own, so
 * that what was asked for together (all phones come back within seconds of a restart) is not asked
 * for together ever after.
 */

/** From this share of the time on. */
const EARLIEST = 0.5;
/** The rest is for those who come rarely, and for an answer to arrive. */
const LATEST = 0.9;

/**
 * How long after it was asked for a thing is asked for again, ms.
 *
 * @param keepMs how long it may be relied on.
 * @param share of [0, 1), even among all things: random, or a hash of what the thing is called.
 */
export function askAheadMs(keepMs: number, share: number): number {
  return keepMs * (EARLIEST + (LATEST - EARLIEST) * share);
}
