/**
 * What the matcher knows of its partition, in memory.
 *
 * Contract: events only say which orders and couriers to read again; what is true is read from
 * Postgres in one query for all of them, just before a decision. So a repeated, late or lost-and-
 * repeated event cannot make the state wrong, and a restart loads everything anew.
 */
import type { Envelope } from "shared/events/catalogue.ts";
import type { LiveCouriers } from "shared/nearest/live_couriers.ts";
import type { Queryable } from "shared/sql/connect.ts";
import { type CourierFacts, readIdleCouriers, readOpenOrders } from "./dispatch_store.ts";
import type { IdleCourier, OpenOrder } from "./match_nearest.ts";

export class DispatchState {
  readonly #region: string;
  readonly #shard: number;
  readonly #orders = new Map<string, OpenOrder>();
  readonly #couriers = new Map<string, CourierFacts>();
  #dirtyOrders = new Set<string>();
  #dirtyCouriers = new Set<string>();

  constructor(region: string, shard: number) {
    this.#region = region;
    this.#shard = shard;
  }

  /** Notes what an event is about; true when a decision may have to change. */
  note(event: Envelope): boolean {
    const { data } = event;
    if ("orderId" in data) this.#dirtyOrders.add(data.orderId);
    // An offer that ends frees its courier, whose own row does not change.
    if ("courierId" in data) this.#dirtyCouriers.add(data.courierId);
    return "orderId" in data || "courierId" in data;
  }

  /** Reads an order and a courier again before the next decision. */
  distrust(orderId: string, courierId: string): void {
    this.#dirtyOrders.add(orderId);
    this.#dirtyCouriers.add(courierId);
  }

  /** Loads everything. */
  async load(sql: Queryable): Promise<void> {
    const orders = await readOpenOrders(sql, this.#region, this.#shard);
    const couriers = await readIdleCouriers(sql, this.#region, this.#shard);
    this.#orders.clear();
    this.#couriers.clear();
    for (const order of orders) this.#orders.set(order.id, order);
    for (const courier of couriers) this.#couriers.set(courier.id, courier);
  }

  /** Reads what was noted since the last call. On failure it stays noted. */
  async refresh(sql: Queryable): Promise<void> {
    const orderIds = this.#dirtyOrders;
    const courierIds = this.#dirtyCouriers;
    this.#dirtyOrders = new Set();
    this.#dirtyCouriers = new Set();
    try {
      const orders = await readOpenOrders(sql, this.#region, this.#shard, [...orderIds]);
      const couriers = await readIdleCouriers(sql, this.#region, this.#shard, [...courierIds]);
      for (const id of orderIds) this.#orders.delete(id);
      for (const id of courierIds) this.#couriers.delete(id);
      for (const order of orders) this.#orders.set(order.id, order);
      for (const courier of couriers) this.#couriers.set(courier.id, courier);
    } catch (error) {
      for (const id of orderIds) this.#dirtyOrders.add(id);
      for (const id of courierIds) this.#dirtyCouriers.add(id);
      throw error;
    }
  }

  orders(): OpenOrder[] {
    return [...this.#orders.values()];
  }

  couriers(live: LiveCouriers): IdleCourier[] {
    return [...this.#couriers.values()].map((courier) => ({
      ...courier,
      position: live.find(courier.id),
    }));
  }
}
