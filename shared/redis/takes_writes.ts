import type { Redis } from "shared/redis/connect.ts";

/**
 * Does nothing, but is a script that may write: a server refuses it without memory, as a read-only
 * replica, without a disk to log to or without its replicas (Redis 7, "script flags").
 */
const MAY_WRITE = "#!lua\nreturn 1";

/**
 * Whether Redis would take a write now. A ping is answered also by one that has no memory left or
 * has become a replica.
 *
 * @throws why it would not.
 */
export async function takesWrites(redis: Redis): Promise<boolean> {
  return await redis.eval(MAY_WRITE, 0) === 1;
}
