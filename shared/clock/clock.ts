/**
 * Time as the cores see it. They never ask the platform: who runs them says what time it is, so
 * that a simulation can stop it, skip it and repeat it.
 */
export interface Clock {
  /** Milliseconds that only ever grow; no time of day. */
  nowMs(): number;
  /** Calls back once, `delayMs` from now. The answer cancels it, also after it has called. */
  startTimer(delayMs: number, callback: () => void): () => void;
}

/** The platform's own clock. */
export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  startTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
