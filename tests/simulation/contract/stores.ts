import type { Redis } from "shared/redis/connect.ts";
import type { Sql } from "shared/sql/connect.ts";
import { Database } from "../postgres/database.ts";
import { loadProductSchema } from "../postgres/product_schema.ts";
import { RedisServer } from "../redis/server.ts";
import { Life } from "../world/life.ts";
import { openPool, PostgresServer } from "../world/postgres_pool.ts";
import { RedisNetwork } from "../world/redis_link.ts";
import { Scheduler } from "../world/scheduler.ts";

/** Servers that the contract is held against. */
export interface ContractStores {
  readonly sql: Sql;
  readonly redis: Redis;
  /** Before every key. */
  readonly prefix: string;
  /** A connection that a blocking read may hold. */
  openRedis(): Promise<Redis>;
  /** Whether a statement waits for a lock now. */
  isWaitingForLock(): Promise<boolean>;
  close(): Promise<void>;
}

/** The doubles, with a scheduler that does whatever can be done, in the order of its arrival. */
export function openDoubles(): Promise<ContractStores> {
  const scheduler = new Scheduler({
    random: () => 0,
    startMs: Date.UTC(2026, 0, 1),
    drawFate: () => "arrives",
    drawDelayMs: () => 0,
    tick: () => {},
  });
  const now = () => scheduler.nowMs;
  const database = new Database(loadProductSchema(), now);
  // What the contract provokes on purpose is no violation here.
  const network = new RedisNetwork(new RedisServer(now), scheduler, () => 0);
  const life = new Life(scheduler, { name: "contract", owner: "contract", seed: 1, weight: 1 });
  let isOpen = true;
  const pump = (async () => {
    while (isOpen) {
      if (await scheduler.tryStep()) scheduler.nowMs += 0.1;
      else await new Promise((resolve) => setTimeout(resolve, 0));
    }
  })();
  return Promise.resolve({
    sql: openPool(new PostgresServer(database, scheduler), life),
    redis: network.connect(life),
    prefix: "contract:",
    openRedis: () => Promise.resolve(network.connect(life)),
    isWaitingForLock: () =>
      Promise.resolve([...database.open()].some(({ waitsFor }) => waitsFor.size > 0)),
    close: async () => {
      isOpen = false;
      await pump;
    },
  });
}
