/** Bounded waiting. Timers are cleared as soon as the wait ends. */

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
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new TimeoutError(`${what} must finish in ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits `durationMs`, or until the signal aborts; resolves in both cases. */
export function pause(durationMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, durationMs);
    signal?.addEventListener("abort", finish, { once: true });
  });
}
