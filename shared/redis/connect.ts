import { Redis } from "ioredis";
import type { Log } from "shared/log/log.ts";

export type { Redis };

export interface RedisOptions {
  /** Shown in CLIENT LIST. */
  readonly name: string;
  readonly log: Log;
  /**
   * Sends what is asked in one turn in one write, and meanwhile collects the next: for processes
   * with many requests at once, where the writes cost more than the commands.
   */
  readonly isPipelined?: boolean;
}

const COMMAND_TIMEOUT_MS = 2_000;
/** A socket that owes an answer for this long is dead and is replaced; longer than any block. */
const SOCKET_TIMEOUT_MS = 4_000;
const CONNECT_TIMEOUT_MS = 3_000;
const MAX_RECONNECT_DELAY_MS = 1_000;

/**
 * Opens a connection for commands that answer at once.
 *
 * A command fails instead of waiting where Redis is away: callers decide what to do without it.
 * Nothing is resent after a reconnect (ioredis would by default), because a command whose reply
 * was lost may have run, and most of ours must not run twice unseen.
 */
export function connectRedis(url: string, options: RedisOptions): Redis {
  // Many commands at once: a timer of the socket bounds them all, one for each would cost as much as
  // the command does.
  return open(
    url,
    options,
    options.isPipelined === true
      ? { socketTimeout: COMMAND_TIMEOUT_MS, enableAutoPipelining: true }
      : { commandTimeout: COMMAND_TIMEOUT_MS },
  );
}

/**
 * Opens a connection for blocking reads or subscriptions: it belongs to one loop, which bounds its
 * own waits and calls `disconnect(true)` on a socket that has gone silent.
 */
export function connectRedisBlocking(url: string, options: RedisOptions): Redis {
  return open(url, options, {});
}

function open(
  url: string,
  options: RedisOptions,
  extra: { commandTimeout?: number; socketTimeout?: number; enableAutoPipelining?: boolean },
): Redis {
  const redis = new Redis(url, {
    connectionName: options.name,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // Who listened is told that messages may be lost, and subscribes anew.
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), MAX_RECONNECT_DELAY_MS),
    lazyConnect: true,
    ...extra,
  });
  let down = false;
  redis.on("error", (error: Error) => {
    // One line per outage, not one per attempt.
    if (!down) {
      options.log.warn("redis connection lost", { connection: options.name, error: error.message });
    }
    down = true;
  });
  redis.on("ready", () => {
    if (down) options.log.info("redis connection is back", { connection: options.name });
    down = false;
  });
  return redis;
}

/**
 * Starts a lazy connection. A Redis that is away is not an error here: the connection goes on
 * trying in the background, and health says so.
 */
export async function startRedis(redis: Redis): Promise<void> {
  try {
    await redis.connect();
  } catch {
    // The "error" listener has logged it and the retry strategy goes on.
  }
}
