import { Redis } from "ioredis";

/** A connection as BullMQ wants it: its workers refuse a bound on retries. */
export function connectForBullmq(redisUrl: string): Redis {
  return new Redis(redisUrl, { maxRetriesPerRequest: null });
}

/** One event as a job. */
export interface EventJob {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly data: { readonly orderVersion: number };
}
