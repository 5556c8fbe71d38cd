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

  add(courierId: string, order: CarriedOrder): void {
    const orders = this.#byCourier.get(courierId) ?? new Map<string, CarriedOrder>();
    orders.set(order.orderId, order);
    this.#byCourier.set(courierId, orders);
  }

  remove(courierId: string, orderId: string): void {
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

  /** Replaces everything by what Postgres has for a region. */
  async load(sql: Sql, region: string): Promise<void> {
    const rows = await sql<
      { courierId: string; orderId: string; region: string; shard: number; createdAt: Date }[]
    >`
      select s.courier_id, s.order_id, s.created_at, o.region, o.shard
      from assignments s join orders o on o.id = s.order_id
      where s.ended_at is null and o.region = ${region}`;
    this.#byCourier.clear();
    for (const { courierId, orderId, createdAt, ...row } of rows) {
      const partition = partitionOf(row.region, row.shard);
      this.add(courierId, { orderId, partition, sinceMs: createdAt.getTime() });
    }
  }
}
