import { pause } from "shared/clock/timeout.ts";

const LOOK_MS = 20;

/**
 * Waits until the probe gives something other than undefined or false, with a bound.
 *
 * @throws Error naming what did not happen.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  while (performance.now() < deadlineMs) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    await pause(LOOK_MS);
  }
  throw new Error(`within ${timeoutMs} ms this did not happen: ${what}`);
}
