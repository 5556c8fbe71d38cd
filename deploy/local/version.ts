/** Version numbers of the servers: which are new enough. */

/** Oldest Redis with everything in use: functions, sharded pub/sub, `XAUTOCLAIM` with deleted ids. */
export const NEEDED_REDIS = "7.0";
/** Oldest Postgres that is tested here and still maintained: `unique nulls not distinct`, `merge`. */
export const NEEDED_POSTGRES = "15.0";

/** The first dotted number in a text such as "Redis server v=7.0.15 sha=..."; undefined if none. */
export function findVersion(text: string): string | undefined {
  return /\d+(?:\.\d+)+/.exec(text)?.[0];
}

/** Whether `found` is `needed` or newer, by major and minor number. */
export function isAtLeast(found: string, needed: string): boolean {
  const [foundMajor = 0, foundMinor = 0] = found.split(".").map(Number);
  const [neededMajor = 0, neededMinor = 0] = needed.split(".").map(Number);
  return foundMajor !== neededMajor ? foundMajor > neededMajor : foundMinor >= neededMinor;
}
