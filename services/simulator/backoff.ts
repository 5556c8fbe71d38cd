import type { Random } from "./random.ts";

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 15_000;
/** 500 ms doubled six times is above the cap; more would only overflow. */
const MAX_DOUBLINGS = 6;

/**
 * How long to wait after `failures` failures in a row (1 or more): doubled from 500 ms, capped at
 * 15 s, and between half and all of that, so that agents which failed together do not return
 * together ("equal jitter", M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
 */
export function backoffMs(failures: number, random: Random): number {
  const doublings = Math.min(MAX_DOUBLINGS, Math.max(0, failures - 1));
  const ceilingMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** doublings);
  return ceilingMs / 2 + random() * ceilingMs / 2;
}
