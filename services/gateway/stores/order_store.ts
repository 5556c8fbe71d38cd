import type { Point } from "shared/geo/point.ts";
import type { OrderKind, OrderState } from "shared/orders/lifecycle.ts";
import type { Queryable, Tx } from "shared/sql/connect.ts";
import { appendEvents } from "shared/outbox/append.ts";
import { startDeadlines } from "shared/orders/deadlines.ts";

export interface OrderItem {
  readonly menuItemId: string;
  readonly name: string;
  readonly quantity: number;
  readonly priceMinor: number;
}

export interface Place extends Point {
  readonly address?: string | undefined;
}

/** An order that was checked and priced, ready to be written. */
export interface NewOrder {
  readonly id: string;
  readonly region: string;
  readonly shard: number;
  readonly kind: OrderKind;
  readonly customerId: string;
  readonly merchantId: string | null;
  readonly items: readonly OrderItem[];
  readonly note: string | null;
  readonly pickup: Place;
  readonly dropoff: Place;
  readonly distanceM: number;
  readonly preparationMinutes: number;
  readonly price: { readonly items: number; readonly delivery: number; readonly tip: number };
  readonly currency: string;
  readonly estimatedDeliveryAt: Date;
  readonly trackingTokenHash: Uint8Array;
}

/** An order as people see it. */
export interface OrderView {
  readonly id: string;
  readonly region: string;
  readonly shard: number;
  readonly kind: OrderKind;
  readonly status: OrderState;
  readonly version: number;
  readonly customerId: string;
  readonly merchantId: string | null;
  readonly items: readonly OrderItem[];
  readonly note: string | null;
  readonly pickupLat: number;
  readonly pickupLon: number;
  readonly pickupAddress: string | null;
  readonly dropoffLat: number;
  readonly dropoffLon: number;
  readonly dropoffAddress: string | null;
  readonly distanceM: number;
  readonly itemsMinor: number;
  readonly deliveryMinor: number;
  readonly tipMinor: number;
  readonly currency: string;
  readonly placedAt: Date;
  readonly estimatedDeliveryAt: Date;
  readonly stateTimes: Readonly<Record<string, string>>;
  readonly trackingTokenHash: Uint8Array;
  readonly courierId: string | null;
  readonly courierName: string | null;
  readonly courierVehicle: string | null;
}

/** Writes an order, its deadlines and its first event in the caller's transaction. */
export async function insertOrder(tx: Tx, order: NewOrder): Promise<void> {
  await tx`
    insert into orders (id, region, shard, kind, status, version, customer_id, merchant_id, items,
      note, pickup_lat, pickup_lon, pickup_address, dropoff_lat, dropoff_lon, dropoff_address,
      distance_m, preparation_minutes, items_minor, delivery_minor, tip_minor, currency,
      estimated_delivery_at, tracking_token_hash, state_times)
    values (${order.id}, ${order.region}, ${order.shard}, ${order.kind}, 'placed', 1,
      ${order.customerId}, ${order.merchantId}, ${tx.json(order.items)}, ${order.note},
      ${order.pickup.lat}, ${order.pickup.lon}, ${order.pickup.address ?? null},
      ${order.dropoff.lat}, ${order.dropoff.lon}, ${order.dropoff.address ?? null},
      ${order.distanceM}, ${order.preparationMinutes}, ${order.price.items},
      ${order.price.delivery}, ${order.price.tip}, ${order.currency},
      ${order.estimatedDeliveryAt}, ${order.trackingTokenHash},
      jsonb_build_object('placed', to_char(clock_timestamp() at time zone 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))`;
  await startDeadlines(tx, order.id, 1);
  await appendEvents(tx, {
    kind: "order",
    id: order.id,
    version: 1,
    region: order.region,
    shard: order.shard,
  }, [{
    type: "order.placed",
    data: {
      orderId: order.id,
      orderVersion: 1,
      kind: order.kind,
      customerId: order.customerId,
      merchantId: order.merchantId,
    },
  }]);
}

/** The select list and joins of an OrderView. */
function selectOrders(sql: Queryable) {
  return sql`
    select o.id, o.region, o.shard, o.kind, o.status, o.version, o.customer_id, o.merchant_id,
      o.items, o.note, o.pickup_lat, o.pickup_lon, o.pickup_address, o.dropoff_lat, o.dropoff_lon,
      o.dropoff_address, o.distance_m, o.items_minor, o.delivery_minor, o.tip_minor, o.currency,
      o.placed_at, o.estimated_delivery_at, o.state_times, o.tracking_token_hash,
      c.id as courier_id, a.name as courier_name, c.vehicle as courier_vehicle
    from orders o
    left join lateral (
      select courier_id from assignments
      where order_id = o.id and (ended_at is null or end_reason = 'delivered')
      order by created_at desc limit 1
    ) s on true
    left join couriers c on c.id = s.courier_id
    left join accounts a on a.id = c.id`;
}

export async function findOrder(sql: Queryable, id: string): Promise<OrderView | undefined> {
  const rows = await sql<OrderView[]>`${selectOrders(sql)} where o.id = ${id}`;
  return rows[0];
}

export interface OrderQuery {
  readonly customerId?: string | undefined;
  readonly merchantIds?: readonly string[] | undefined;
  readonly courierId?: string | undefined;
  readonly status?: OrderState | undefined;
  /** Orders placed before this id (ids sort by time). */
  readonly beforeId?: string | undefined;
  readonly limit: number;
}

/** Orders of one party, the newest first. */
export async function listOrders(sql: Queryable, query: OrderQuery): Promise<OrderView[]> {
  const { customerId, merchantIds, courierId, status, beforeId } = query;
  return await sql<OrderView[]>`
    ${selectOrders(sql)} where true
    ${customerId === undefined ? sql`` : sql`and o.customer_id = ${customerId}`}
    ${merchantIds === undefined ? sql`` : sql`and o.merchant_id = any(${[...merchantIds]}::uuid[])`}
    ${
    courierId === undefined ? sql`` : sql`and o.id in (
      select order_id from assignments where courier_id = ${courierId} and ended_at is null)`
  }
    ${status === undefined ? sql`` : sql`and o.status = ${status}`}
    ${beforeId === undefined ? sql`` : sql`and o.id < ${beforeId}`}
    order by o.id desc limit ${query.limit}`;
}

export interface StoredEvent {
  readonly eventId: string;
  readonly type: string;
  readonly occurredAt: Date;
  readonly data: unknown;
}

const MAX_EVENTS = 500;

/** What happened to an order, the oldest first. */
export async function listOrderEvents(sql: Queryable, orderId: string): Promise<StoredEvent[]> {
  return await sql<StoredEvent[]>`
    select event_id, type, occurred_at, data from outbox
    where key = ${orderId} order by id limit ${MAX_EVENTS}`;
}
