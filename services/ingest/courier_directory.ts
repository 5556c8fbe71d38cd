import type { CourierStatus } from "shared/orders/rows.ts";
import { type Partition, partitionOf } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";

/** What ingest needs to know of a courier. */
export interface CourierEntry {
  readonly id: string;
  readonly partition: Partition;
  readonly status: CourierStatus;
  readonly version: number;
}

/** Partitions remembered; a courier keeps its partition for life, so entries never go stale. */
const MAX_REMEMBERED = 100_000;

/** Where each courier belongs. Status is read from Postgres each time it is asked for. */
export class CourierDirectory {
  readonly #sql: Sql;
  readonly #partitions = new Map<string, Partition>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** The courier's partition; undefined for an unknown courier. */
  async partitionOf(courierId: string): Promise<Partition | undefined> {
    return this.#partitions.get(courierId) ?? (await this.read(courierId))?.partition;
  }

  /** The courier as Postgres has it now. */
  async read(courierId: string): Promise<CourierEntry | undefined> {
    const [row] = await this.#sql<
      { region: string; shard: number; status: CourierStatus; version: number }[]
    >`select region, shard, status, version from couriers where id = ${courierId}`;
    if (row === undefined) return undefined;
    const partition = partitionOf(row.region, row.shard);
    if (this.#partitions.size >= MAX_REMEMBERED) this.#partitions.clear();
    this.#partitions.set(courierId, partition);
    return { id: courierId, partition, status: row.status, version: row.version };
  }
}
