/** Waiting with a bound. Every timer made here is cleared, so that nothing holds a process open. */

/** Resolves after `delayMs`, or at once when `signal` is or becomes aborted. Never rejects. */
export function pause(delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((done) => {
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      done();
    };
    const timer = setTimeout(finish, delayMs);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

/**
 * Whether `work` settles (either way) within `boundMs`. A rejection counts as settled and is not
 * reported here: whoever owns the promise also awaits it.
 */
export async function settlesWithin(work: Promise<unknown>, boundMs: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const bound = new Promise<false>((done) => {
    timer = setTimeout(() => done(false), boundMs);
  });
  const settled = work.then(() => true as const, () => true as const);
  try {
    return await Promise.race([settled, bound]);
  } finally {
    clearTimeout(timer);
  }
}
