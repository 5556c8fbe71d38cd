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
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    const wait = (extensions: number) => {
      const dueMs = performance.now() + timeoutMs;
      timer = setTimeout(() => {
        const isLate = performance.now() - dueMs > LATE_MS;
        if (isLate && extensions < MAX_EXTENSIONS) wait(extensions + 1);
        else reject(new TimeoutError(`${what} must finish in ${timeoutMs} ms`));
      }, timeoutMs);
    };
    wait(0);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
