/** What the checker looks at, and what it finds. */
import type { Redis } from "ioredis";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { History } from "./history.ts";
import type { Connection } from "./watcher.ts";
import type { Ending } from "./world.ts";

/** The rules, each a promise of the design (§4) or of the services' contracts. */
export const RULES = {
  I1:
    "an accepted order exists once, an unanswered one at most once, a repeat gets the same answer",
  I2: "every order comes to one end, by legal steps",
  I3: "an order has one courier at a time, a courier no more orders than its capacity; the " +
    "database itself refuses more, and only the owner of a region makes offers",
  I4: "the index holds exactly the couriers that are available and fresh",
  I5: "a track has no gap, no repeat, no disorder, and tells the end",
  I6: "every event is published, each order's and courier's in order; nothing is rebuilt in vain",
  I7: "no event is left unread or unfinished, what is acknowledged has its effect, and only junk " +
    "is parked",
  I9: "nothing is left over: no open offer, no assignment, no deadline that did not fire",
  I10: "nothing secret is logged, nothing goes unhandled, nothing ends by itself",
} as const;
export type Rule = keyof typeof RULES;

/** Rules of the design that nothing in the system can keep or break yet, and why. */
export const NOT_APPLICABLE = {
  I8: "webhooks: not applicable until a notifier exists",
} as const;

/** One broken promise. */
export interface Violation {
  readonly rule: Rule;
  readonly detail: string;
}

/** What one watcher of an order saw. */
export interface TrackRecord {
  readonly orderId: string;
  readonly connections: readonly Connection[];
  /** The terminal status it was told; undefined when it still waits. */
  readonly ended: string | undefined;
}

/** What a fault brings with it that would otherwise be a violation. */
export interface Expected {
  /** Names of processes, once per kill. */
  readonly killed?: readonly string[];
  /** Names of processes, once per SIGTERM: each must end by itself with exit code 0. */
  readonly drained?: readonly string[];
  /** Junk entries that the test itself put into the event stream. */
  readonly junkEntries?: number;
  /** The same in the stream of positions. */
  readonly junkPositions?: number;
  /** The stream lost entries, so not every event can be found in it. */
  readonly isRedisWiped?: boolean;
}

/** A run as it ended. */
export interface Evidence {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly partition: Partition;
  readonly history: History;
  readonly tracks: readonly TrackRecord[];
  readonly logLines: readonly string[];
  readonly endings: readonly Ending[];
  /** Texts that must not be in a log line. */
  readonly secrets: readonly string[];
  readonly expected: Expected;
  /** What the sampler found while the faults were at work. */
  readonly sampled: readonly Violation[];
  /** The generation of what Redis holds, before the fault. */
  readonly generation: number;
}
