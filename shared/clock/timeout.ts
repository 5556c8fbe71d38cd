/** Bounded waiting. Timers are cleared as soon as the wait ends. */
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/** Thrown by `withTimeout` when the work did not finish in time. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/**
 * Resolves with the work's result, or rejects after `timeoutMs`. The work itself goes on: a caller
 * that must not leave it running has to cancel it.
 *
 * @throws TimeoutError naming what was waited for.
 */
export async function withTimeout<T>(
  what: string,
  timeoutMs: number,
  work: Promise<T>,
  clock: Clock = SYSTEM_CLOCK,
): Promise<T> {
  let cancel = () => {};
  const timeout = new Promise<never>((_, reject) => {
    cancel = clock.startTimer(
      timeoutMs,
      () => reject(new TimeoutError(`${what} must finish in ${timeoutMs} ms`)),
    );
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    cancel();
  }
}

/** Waits `durationMs`, or until the signal aborts; resolves in both cases. */
export function pause(
  durationMs: number,
  signal?: AbortSignal,
  clock: Clock = SYSTEM_CLOCK,
): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.startTimer(durationMs, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}
