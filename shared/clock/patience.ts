import { TimeoutError } from "./timeout.ts";

/** A timer this late says that the process was busy, not that the other side was slow. */
const LATE_MS = 5;
/** How often a late timer is started again: a process that is always late must still answer. */
const MAX_EXTENSIONS = 4;

/**
 * As `withTimeout`, for short bounds on another process: time in which this process was too busy to
 * look does not count against the other side. Without that, a burst of requests makes each of them
 * believe that Redis is away while its answer lies in the socket's buffer.
 *
 * @throws TimeoutError naming what was waited for.
 */
export async function withPatience<T>(
  what: string,
  timeoutMs: number,
  work: Promise<T>,
): Promise<T> {
  const timer = startPatientTimer(what, timeoutMs);
  try {
    return await Promise.race([work, timer.expired]);
  } finally {
    timer.stop();
  }
}

interface PatientTimer {
  /** Rejects when the time is over. */
  readonly expired: Promise<never>;
  stop(): void;
}

function startPatientTimer(what: string, timeoutMs: number): PatientTimer {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const { promise, reject } = Promise.withResolvers<never>();
  const wait = (extensions: number) => {
    const dueMs = performance.now() + timeoutMs;
    timer = setTimeout(() => {
      const isLate = performance.now() - dueMs > LATE_MS;
      if (isLate && extensions < MAX_EXTENSIONS) wait(extensions + 1);
      else reject(new TimeoutError(`${what} must finish in ${timeoutMs} ms`));
    }, timeoutMs);
  };
  wait(0);
  return { expired: promise, stop: () => clearTimeout(timer) };
}

/** Waits that begin in this share of the bound have one timer: theirs is shorter by that much. */
const SHARED_PART = 0.1;

/** As `withPatience`, for so many waits of the same bound that a timer for each would cost. */
export class SharedPatience {
  readonly #what: string;
  readonly #timeoutMs: number;
  #newest: { readonly timer: PatientTimer; readonly sinceMs: number; waits: number } | undefined;

  constructor(what: string, timeoutMs: number) {
    this.#what = what;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws TimeoutError naming what was waited for. */
  async wait<T>(work: Promise<T>): Promise<T> {
    const shared = this.#shared();
    shared.waits++;
    try {
      return await Promise.race([work, shared.timer.expired]);
    } finally {
      shared.waits--;
      if (shared.waits === 0) {
        shared.timer.stop();
        if (this.#newest === shared) this.#newest = undefined;
      }
    }
  }

  #shared() {
    const nowMs = performance.now();
    const newest = this.#newest;
    const isYoung = newest !== undefined &&
      nowMs - newest.sinceMs < SHARED_PART * this.#timeoutMs;
    if (isYoung) return newest;
    const timer = startPatientTimer(this.#what, this.#timeoutMs);
    return this.#newest = { timer, sinceMs: nowMs, waits: 0 };
  }
}
