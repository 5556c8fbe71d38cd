import type { Point } from "shared/geo/point.ts";
import { hexOf } from "shared/auth/token.ts";
import type { EventInput } from "shared/events/catalogue.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { eventLine } from "shared/outbox/change_events.ts";
import type { Tx } from "shared/sql/connect.ts";
import { scheduleTimers, type Timer } from "shared/timers/schedule.ts";
import { deadlinesOf } from "./deadlines.ts";
import type { OrderKind } from "./lifecycle.ts";
import { ROBOT_STEP_MS, robotTimer } from "./robot.ts";
import type { OrderMode } from "./rows.ts";

export interface Place extends Point {
  readonly address?: string | undefined;
}

/** Whom to ask at a stop. Only parties of the order see it. */
export interface Contact {
  readonly name: string;
  /** E.164, as +46701234567. */
  readonly phone?: string | undefined;
}

export interface Size {
  readonly lengthCm: number;
  readonly widthCm: number;
  readonly heightCm: number;
}

/** When the customer wants it, and from when on a courier is looked for. */
export interface Schedule {
  readonly startsAt: Date;
  readonly endsAt: Date;
  readonly releaseAt: Date;
}

/** An order that was checked and priced, ready to be written. */
export interface NewOrder {
  readonly id: string;
  readonly region: string;
  readonly shard: number;
  readonly kind: OrderKind;
  readonly mode: OrderMode;
  /** The account that places it. */
  readonly customerId: string;
  readonly placedBy: "customer" | "merchant" | "dispatcher";
  readonly merchantId: string | null;
  readonly externalId: string | null;
  /** As the basket was priced; kept as it is. */
  readonly items: readonly object[];
  readonly note: string | null;
  readonly pickup: Place;
  readonly dropoff: Place;
  readonly pickupNote: string | null;
  readonly dropoffNote: string | null;
  readonly pickupContact: Contact | null;
  readonly dropoffContact: Contact | null;
  readonly size: Size | null;
  readonly weightG: number | null;
  readonly requiredVehicles: readonly string[];
  readonly requiredSkills: readonly string[];
  readonly schedule: Schedule | null;
  readonly cashMinor: number;
  readonly distanceM: number;
  readonly preparationMinutes: number;
  readonly price: {
    readonly items: number;
    readonly delivery: number;
    readonly tip: number;
    /** All parts, the tip too. */
    readonly parts: readonly { readonly kind: string; readonly amountMinor: number }[];
  };
  /** The quote whose price this is. */
  readonly quoteId: string | null;
  readonly currency: string;
  readonly estimatedDeliveryAt: Date;
  readonly trackingTokenHash: Uint8Array;
  /** The trace of the request that places it; goes with its first event. */
  readonly trace: string | null;
}

/** A new order and when it stands in Postgres, by Postgres's clock. */
export interface DatedOrder {
  readonly order: NewOrder;
  readonly placedAt: Date;
}

/** Whether dispatch waits for the order's time. */
export function isHeld({ order: { schedule }, placedAt }: DatedOrder): boolean {
  return schedule !== null && schedule.releaseAt > placedAt;
}

/**
 * Writes orders, their timers, their first events and their history in the caller's transaction:
 * two statements, whatever their number.
 */
export function insertOrders(tx: Tx, orders: readonly DatedOrder[]): void {
  if (orders.length === 0) return;
  // As one JSON text: a row of parameters for each order costs Postgres more than storing it does.
  tx.defer(tx`
    with item as (
      select * from json_to_recordset(${tx.json(orders.map(rowOf))}) as item (${columnTypes(tx)})
    ), placed as (
      insert into orders (id, region, shard, kind, mode, status, version, customer_id, merchant_id,
        external_id, items, note, pickup_lat, pickup_lon, pickup_address, dropoff_lat, dropoff_lon,
        dropoff_address, pickup_note, dropoff_note, pickup_contact, dropoff_contact, size, weight_g,
        required_vehicles, required_skills, window_start, window_end, release_at, hold, cash_minor,
        distance_m, preparation_minutes, items_minor, delivery_minor, tip_minor, price_parts,
        quote_id, currency, estimated_delivery_at, tracking_token_hash, placed_at, state_times)
      select id, region, shard, kind, mode, 'placed', 1, customer_id, merchant_id, external_id,
        items, note, pickup_lat, pickup_lon, pickup_address, dropoff_lat, dropoff_lon,
        dropoff_address, pickup_note, dropoff_note, pickup_contact, dropoff_contact, size, weight_g,
        coalesce(required_vehicles, '{}'), coalesce(required_skills, '{}'), window_start,
        window_end, release_at, hold, coalesce(cash_minor, 0), distance_m, preparation_minutes,
        items_minor, delivery_minor, tip_minor, price_parts, quote_id, currency,
        estimated_delivery_at, tracking_token_hash, placed_at, state_times
      from item
    ), announced as (
      insert into outbox (region, shard, key, aggregate_version, occurred_at, trace, events)
      select region, shard, id, 1, placed_at, trace, event
      from item
    )
    insert into order_history (order_id, order_version, event_index, event_id, type, occurred_at,
      actor_role, actor_id, data)
    select id, 1, 0, event_id, event_type, placed_at, placed_by, customer_id,
      (event::json -> 'data')::jsonb
    from item`);
  scheduleTimers(tx, orders.flatMap(timersOf));
}

/** The names and types of `rowOf`'s members. */
function columnTypes(tx: Tx) {
  return tx`id uuid, region text, shard smallint, kind text, mode text, customer_id uuid,
    placed_by text, merchant_id uuid, external_id text, items jsonb, note text,
    pickup_lat float8, pickup_lon float8, pickup_address text, dropoff_lat float8,
    dropoff_lon float8, dropoff_address text, pickup_note text, dropoff_note text,
    pickup_contact jsonb, dropoff_contact jsonb, size jsonb, weight_g integer,
    required_vehicles text[], required_skills text[], window_start timestamptz,
    window_end timestamptz, release_at timestamptz, hold text, cash_minor integer,
    distance_m integer, preparation_minutes smallint, items_minor integer, delivery_minor integer,
    tip_minor integer, price_parts jsonb, quote_id uuid, currency text,
    estimated_delivery_at timestamptz, tracking_token_hash bytea, placed_at timestamptz,
    state_times jsonb, event_id uuid, event_type text, trace text, event text`;
}

function orAbsent(list: readonly string[]): readonly string[] | undefined {
  return list.length === 0 ? undefined : list;
}

/** What is null or as usual is left out: Postgres reads each name that is there. */
function rowOf(dated: DatedOrder) {
  const { order, placedAt } = dated;
  const { pickup, dropoff, price, schedule } = order;
  const event = eventOf(dated);
  const eventId = uuidv7();
  return {
    id: order.id,
    region: order.region,
    shard: order.shard,
    kind: order.kind,
    mode: order.mode,
    customer_id: order.customerId,
    placed_by: order.placedBy,
    merchant_id: order.merchantId ?? undefined,
    external_id: order.externalId ?? undefined,
    items: order.items,
    note: order.note ?? undefined,
    pickup_lat: pickup.lat,
    pickup_lon: pickup.lon,
    pickup_address: pickup.address,
    dropoff_lat: dropoff.lat,
    dropoff_lon: dropoff.lon,
    dropoff_address: dropoff.address,
    pickup_note: order.pickupNote ?? undefined,
    dropoff_note: order.dropoffNote ?? undefined,
    pickup_contact: order.pickupContact ?? undefined,
    dropoff_contact: order.dropoffContact ?? undefined,
    size: order.size ?? undefined,
    weight_g: order.weightG ?? undefined,
    required_vehicles: orAbsent(order.requiredVehicles),
    required_skills: orAbsent(order.requiredSkills),
    window_start: schedule?.startsAt,
    window_end: schedule?.endsAt,
    release_at: schedule?.releaseAt,
    hold: isHeld(dated) ? "scheduled" : undefined,
    cash_minor: order.cashMinor === 0 ? undefined : order.cashMinor,
    distance_m: order.distanceM,
    preparation_minutes: order.preparationMinutes,
    items_minor: price.items,
    delivery_minor: price.delivery,
    tip_minor: price.tip,
    price_parts: price.parts.filter(({ kind }) => kind !== "tip"),
    quote_id: order.quoteId ?? undefined,
    currency: order.currency,
    estimated_delivery_at: order.estimatedDeliveryAt,
    tracking_token_hash: `\\x${hexOf(order.trackingTokenHash)}`,
    placed_at: placedAt,
    state_times: { placed: placedAt },
    event_id: eventId,
    event_type: event.type,
    trace: order.trace ?? undefined,
    event: eventLine(event, eventId),
  };
}

function eventOf(dated: DatedOrder): EventInput {
  const { order } = dated;
  return {
    type: "order.placed",
    data: {
      orderId: order.id,
      orderVersion: 1,
      kind: order.kind,
      customerId: order.customerId,
      merchantId: order.merchantId,
      mode: order.mode,
      ...(isHeld(dated) ? { releaseAt: order.schedule?.releaseAt.toISOString() } : {}),
    },
  };
}

/** A scheduled order waits for its release, and its deadlines with it; a robot has none. */
function timersOf(dated: DatedOrder): Timer[] {
  const { order: { id, kind, mode, schedule }, placedAt } = dated;
  if (mode === "test") return [robotTimer(id, 1, ROBOT_STEP_MS)];
  if (schedule === null || !isHeld(dated)) return deadlinesOf({ id, kind, status: "placed" }, 1);
  const delayMs = schedule.releaseAt.getTime() - placedAt.getTime();
  return [{ kind: "order.release", key: id, version: 1, delayMs }];
}
