import type { Partition } from "shared/redis/keys.ts";
import { partitionOf } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";

/** An order a courier has, and where its track is. */
export interface CarriedOrder {
  readonly orderId: string;
  readonly partition: Partition;
  /** Since when: where the courier was before is not the customer's business. */
  readonly sinceMs: number;
}

/**
 * Which orders each courier has now: whose tracks a fix belongs to. Kept by the owner of a
 * partition: loaded when it takes the partition, then changed by assignment events. A fix reaches
 * a track only through this map, so a courier is visible only while it serves the order.
 */
export class CarriedOrders {
  readonly #byCourier = new Map<string, Map<string, CarriedOrder>>();
  /** Orders that changed while `load` was reading: what it read of them is older. */
  #changedMeanwhile: Set<string> | undefined;

  add(courierId: string, order: CarriedOrder): void {
    this.#changedMeanwhile?.add(order.orderId);
    const orders = this.#byCourier.get(courierId) ?? new Map<string, CarriedOrder>();
    orders.set(order.orderId, order);
    this.#byCourier.set(courierId, orders);
  }

  remove(courierId: string, orderId: string): void {
    this.#changedMeanwhile?.add(orderId);
    const orders = this.#byCourier.get(courierId);
    orders?.delete(orderId);
    if (orders?.size === 0) this.#byCourier.delete(courierId);
  }

  of(courierId: string): CarriedOrder[] {
    return [...(this.#byCourier.get(courierId)?.values() ?? [])];
  }

  /** Who has the order; undefined when nobody does. */
  courierOf(orderId: string): string | undefined {
    for (const [courierId, orders] of this.#byCourier) {
      if (orders.has(orderId)) return courierId;
    }
    return undefined;
  }

  /**
   * Replaces everything by what Postgres has for a region, but for orders that events changed while
   * it was read. One call at a time.
   */
  async load(sql: Sql, region: string): Promise<void> {
    const changed = new Set<string>();
    this.#changedMeanwhile = changed;
    try {
      const read = await readCarried(sql, region);
      this.#changedMeanwhile = undefined;
      const kept = [...this.#entries()].filter(([, order]) => changed.has(order.orderId));
      this.#byCourier.clear();
      for (const [courierId, order] of kept) this.add(courierId, order);
      for (const [courierId, order] of read) {
        if (!changed.has(order.orderId)) this.add(courierId, order);
      }
    } finally {
      this.#changedMeanwhile = undefined;
    }
  }

  *#entries(): Generator<[string, CarriedOrder]> {
    for (const [courierId, orders] of this.#byCourier) {
      for (const order of orders.values()) yield [courierId, order];
    }
  }
}

async function readCarried(sql: Sql, region: string): Promise<[string, CarriedOrder][]> {
  const rows = await sql<
    { courierId: string; orderId: string; region: string; shard: number; createdAt: Date }[]
  >`
    select s.courier_id, s.order_id, s.created_at, o.region, o.shard
    from assignments s join orders o on o.id = s.order_id
    where s.ended_at is null and o.region = ${region}`;
  return rows.map(({ courierId, orderId, createdAt, ...row }) => {
    const partition = partitionOf(row.region, row.shard);
    return [courierId, { orderId, partition, sinceMs: createdAt.getTime() }];
  });
}
