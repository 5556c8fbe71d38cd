import type { Cancellation } from "shared/orders/cancellation.ts";
import type { Contact, NewOrder, Place, Size } from "shared/orders/insert_order.ts";
import type { OrderKind, OrderState } from "shared/orders/lifecycle.ts";
import type { Hold, OrderMode } from "shared/orders/rows.ts";
import type { BasketLine } from "shared/pricing/price_basket.ts";
import type { PricePart } from "shared/pricing/price_part.ts";
import type { Queryable } from "shared/sql/connect.ts";

export type { NewOrder, Place };

/** An order as people see it. */
export interface OrderView {
  readonly id: string;
  readonly region: string;
  readonly shard: number;
  readonly kind: OrderKind;
  readonly mode: OrderMode;
  readonly status: OrderState;
  readonly version: number;
  readonly customerId: string;
  readonly merchantId: string | null;
  readonly externalId: string | null;
  readonly items: readonly BasketLine[];
  readonly note: string | null;
  readonly pickupLat: number;
  readonly pickupLon: number;
  readonly pickupAddress: string | null;
  readonly pickupNote: string | null;
  readonly pickupContact: Contact | null;
  readonly dropoffLat: number;
  readonly dropoffLon: number;
  readonly dropoffAddress: string | null;
  readonly dropoffNote: string | null;
  readonly dropoffContact: Contact | null;
  readonly size: Size | null;
  readonly weightG: number | null;
  readonly requiredVehicles: readonly string[];
  readonly requiredSkills: readonly string[];
  readonly windowStart: Date | null;
  readonly windowEnd: Date | null;
  readonly releaseAt: Date | null;
  readonly hold: Hold | null;
  readonly distanceM: number;
  readonly itemsMinor: number;
  readonly deliveryMinor: number;
  readonly tipMinor: number;
  readonly priceParts: readonly PricePart[] | null;
  readonly quoteId: string | null;
  readonly cashMinor: number;
  readonly cashCollectedMinor: number | null;
  readonly currency: string;
  readonly cancellation: Cancellation | null;
  readonly attention: string | null;
  readonly attentionAt: Date | null;
  readonly redispatches: number;
  readonly placedAt: Date;
  readonly estimatedDeliveryAt: Date;
  readonly stateTimes: Readonly<Record<string, string>>;
  readonly trackingTokenHash: Uint8Array;
  readonly courierId: string | null;
  readonly courierName: string | null;
  readonly courierVehicle: string | null;
}

/** The select list and joins of an OrderView. */
function selectOrders(sql: Queryable) {
  return sql`
    select o.id, o.region, o.shard, o.kind, o.mode, o.status, o.version, o.customer_id,
      o.merchant_id, o.external_id, o.items, o.note, o.pickup_lat, o.pickup_lon, o.pickup_address,
      o.pickup_note, o.pickup_contact, o.dropoff_lat, o.dropoff_lon, o.dropoff_address,
      o.dropoff_note, o.dropoff_contact, o.size, o.weight_g, o.required_vehicles,
      o.required_skills, o.window_start, o.window_end, o.release_at, o.hold, o.distance_m,
      o.items_minor, o.delivery_minor, o.tip_minor, o.price_parts, o.quote_id, o.cash_minor, o.cash_collected_minor,
      o.currency, o.cancellation, o.attention, o.attention_at, o.redispatches, o.placed_at,
      o.estimated_delivery_at, o.state_times, o.tracking_token_hash,
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

/** Which orders a list shows: whose, and which of those. What is absent does not narrow. */
export interface OrderQuery {
  readonly mode?: OrderMode | undefined;
  /** Placed by this account; with `merchantIds`, of either. */
  readonly customerId?: string | undefined;
  readonly merchantIds?: readonly string[] | undefined;
  /** Assigned to this courier now. */
  readonly courierId?: string | undefined;
  /** Assigned to this courier at any time. */
  readonly everCourierId?: string | undefined;
  readonly merchantId?: string | undefined;
  readonly region?: string | undefined;
  readonly externalId?: string | undefined;
  readonly status?: OrderState | undefined;
  /** Placed at or after, and before, these instants. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Orders placed before this id (ids sort by time). */
  readonly beforeId?: string | undefined;
  readonly limit: number;
}

/**
 * Orders, the newest first. Ids carry the time of placing, so pages by id neither repeat nor skip
 * an order when others are placed meanwhile, and a span of time is a span of ids.
 */
export async function listOrders(sql: Queryable, query: OrderQuery): Promise<OrderView[]> {
  const { mode, courierId, everCourierId, merchantId, region, externalId, status } = query;
  return await sql<OrderView[]>`
    ${selectOrders(sql)} where true
    ${mode === undefined ? sql`` : sql`and o.mode = ${mode}`}
    ${ofParty(sql, query)}
    ${
    courierId === undefined ? sql`` : sql`and o.id in (
      select order_id from assignments where courier_id = ${courierId} and ended_at is null)`
  }
    ${
    everCourierId === undefined ? sql`` : sql`and o.id in (
      select order_id from assignments where courier_id = ${everCourierId})`
  }
    ${merchantId === undefined ? sql`` : sql`and o.merchant_id = ${merchantId}`}
    ${region === undefined ? sql`` : sql`and o.region = ${region}`}
    ${externalId === undefined ? sql`` : sql`and o.external_id = ${externalId}`}
    ${status === undefined ? sql`` : sql`and o.status = ${status}`}
    ${inSpan(sql, query)}
    order by o.id desc limit ${query.limit}`;
}

function ofParty(sql: Queryable, { customerId, merchantIds }: OrderQuery) {
  const ids = merchantIds === undefined ? undefined : [...merchantIds];
  if (customerId !== undefined && ids !== undefined) {
    return sql`and (o.customer_id = ${customerId} or o.merchant_id = any(${ids}::uuid[]))`;
  }
  if (customerId !== undefined) return sql`and o.customer_id = ${customerId}`;
  return ids === undefined ? sql`` : sql`and o.merchant_id = any(${ids}::uuid[])`;
}

function inSpan(sql: Queryable, { from, to, beforeId }: OrderQuery) {
  return sql`
    ${from === undefined ? sql`` : sql`and o.id >= uuid_lower_bound(${from}::timestamptz)`}
    ${to === undefined ? sql`` : sql`and o.id < uuid_lower_bound(${to}::timestamptz)`}
    ${beforeId === undefined ? sql`` : sql`and o.id < ${beforeId}`}`;
}

/** One event of an order's history. */
export interface StoredEvent {
  readonly eventId: string;
  readonly type: string;
  readonly occurredAt: Date;
  readonly actorRole: string;
  readonly actorId: string | null;
  readonly reason: string | null;
  readonly data: unknown;
}

const MAX_EVENTS = 500;

/** What happened to an order, the oldest first. */
export async function listOrderEvents(sql: Queryable, orderId: string): Promise<StoredEvent[]> {
  return await sql<StoredEvent[]>`
    select event_id, type, occurred_at, actor_role, actor_id, reason, data from order_history
    where order_id = ${orderId} order by order_version, event_index limit ${MAX_EVENTS}`;
}

/** The dispatcher's queue: orders that need one, those that wait longest first. */
export async function listAttention(
  sql: Queryable,
  query: { region?: string | undefined; limit: number },
): Promise<OrderView[]> {
  const { region, limit } = query;
  return await sql<OrderView[]>`
    ${selectOrders(sql)} where o.attention is not null and o.mode = 'live'
    ${region === undefined ? sql`` : sql`and o.region = ${region}`}
    order by o.attention_at, o.id limit ${limit}`;
}

/** An alert that was raised or settled. */
export interface Alert {
  readonly eventId: string;
  readonly type: string;
  readonly orderId: string;
  readonly region: string;
  readonly reason: string;
  readonly occurredAt: Date;
}

/** Alerts of all orders, the newest first. */
export async function listAlerts(
  sql: Queryable,
  query: { region?: string | undefined; beforeId?: string | undefined; limit: number },
): Promise<Alert[]> {
  const { region, beforeId, limit } = query;
  return await sql<Alert[]>`
    select h.event_id, h.type, h.order_id, o.region, h.data ->> 'reason' as reason, h.occurred_at
    from order_history h join orders o on o.id = h.order_id
    where h.type in ('order.attention_raised', 'order.attention_cleared') and o.mode = 'live'
      ${region === undefined ? sql`` : sql`and o.region = ${region}`}
      ${beforeId === undefined ? sql`` : sql`and h.event_id < ${beforeId}`}
    order by h.event_id desc limit ${limit}`;
}
