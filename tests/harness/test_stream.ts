/** A small stream of numbered items, and the product's consumer over it. */
import { silentLog } from "shared/log/log.ts";
import { consume, type ConsumerOptions } from "shared/streams/consumer.ts";
import type { TestStores } from "./stores.ts";

export const GROUP = "tracker";

/** Items of one key are to be handled by rising number. */
export interface Item {
  readonly key: string;
  readonly n: number;
}

export interface ParkedRow {
  readonly entryId: string;
  readonly key: string;
  readonly attempts: number;
  readonly cause: string;
}

export class TestStream {
  readonly name: string;
  readonly #stores: TestStores;

  constructor(stores: TestStores, name = "items") {
    this.#stores = stores;
    this.name = `${stores.prefix}${name}`;
  }

  /** Appends items; their entry ids. */
  async add(...items: readonly Item[]): Promise<string[]> {
    return await this.addRaw(...items.map((item) => JSON.stringify(item)));
  }

  async addRaw(...texts: readonly string[]): Promise<string[]> {
    const ids: string[] = [];
    for (const text of texts) {
      const id = await this.#stores.redis.xadd(this.name, "*", "item", text);
      if (id === null) throw new Error("XADD answered nothing");
      ids.push(id);
    }
    return ids;
  }

  /** How many entries the group has been given and not acknowledged. */
  async pending(): Promise<number> {
    const [count] = await this.#stores.redis.xpending(this.name, GROUP) as [number];
    return count;
  }

  /** Whether the group has read and acknowledged everything. */
  async isDone(): Promise<boolean> {
    const [last] = await this.#stores.redis.xrevrange(this.name, "+", "-", "COUNT", 1);
    const groups = await this.#stores.redis.xinfo("GROUPS", this.name) as unknown[][];
    const group = groups.find((flat) => flat.includes(GROUP)) ?? [];
    const delivered = group[group.indexOf("last-delivered-id") + 1];
    return last !== undefined && delivered === last[0] && await this.pending() === 0;
  }

  async parked(): Promise<ParkedRow[]> {
    return [
      ...await this.#stores.sql<ParkedRow[]>`
        select entry_id, key, attempts, cause from parked_events
        where consumer = ${GROUP} and stream = ${this.name} order by id`,
    ];
  }

  /** Runs the product's consumer until the signal aborts. */
  async consume(
    signal: AbortSignal,
    handle: (item: Item) => Promise<void> | void,
    bent: Partial<ConsumerOptions<Item>> = {},
  ): Promise<void> {
    const blockingRedis = bent.blockingRedis ?? this.#stores.openBlocking();
    if (blockingRedis.status === "wait") await blockingRedis.connect();
    await consume<Item>({
      group: GROUP,
      stream: this.name,
      blockingRedis,
      redis: this.#stores.redis,
      sql: this.#stores.sql,
      log: silentLog,
      signal,
      parse: ({ fields }) => JSON.parse(fields["item"] ?? "") as Item,
      keyOf: (item) => item.key,
      handle: async (item) => await handle(item),
      ...bent,
    });
  }
}

/** `count` items of one key, numbered from `first`. */
export function items(key: string, count: number, first = 1): Item[] {
  return Array.from({ length: count }, (_, index) => ({ key, n: first + index }));
}
