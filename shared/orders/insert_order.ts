import type { Point } from "shared/geo/point.ts";
import type { Tx } from "shared/sql/connect.ts";
import { scheduleTimer } from "shared/timers/schedule.ts";
import { startDeadlines } from "./deadlines.ts";
import type { OrderKind } from "./lifecycle.ts";
import { appendOrderEvents } from "./order_events.ts";
import { ROBOT_STEP_MS, startRobot } from "./robot.ts";
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
}

/** Writes an order, its timers, its first event and its history in the caller's transaction. */
export async function insertOrder(tx: Tx, order: NewOrder): Promise<void> {
  const { schedule } = order;
  const [row] = await tx<{ isHeld: boolean; waitMs: number }[]>`
    insert into orders (id, region, shard, kind, mode, status, version, customer_id, merchant_id,
      external_id, items, note, pickup_lat, pickup_lon, pickup_address, dropoff_lat, dropoff_lon,
      dropoff_address, pickup_note, dropoff_note, pickup_contact, dropoff_contact, size, weight_g,
      required_vehicles, required_skills, window_start, window_end, release_at, hold, cash_minor,
      distance_m, preparation_minutes, items_minor, delivery_minor, tip_minor,
      price_parts, quote_id, currency, estimated_delivery_at, tracking_token_hash, state_times)
    values (${order.id}, ${order.region}, ${order.shard}, ${order.kind}, ${order.mode}, 'placed', 1,
      ${order.customerId}, ${order.merchantId}, ${order.externalId}, ${tx.json(order.items)},
      ${order.note}, ${order.pickup.lat}, ${order.pickup.lon}, ${order.pickup.address ?? null},
      ${order.dropoff.lat}, ${order.dropoff.lon}, ${order.dropoff.address ?? null},
      ${order.pickupNote}, ${order.dropoffNote}, ${jsonOrNull(order.pickupContact)}::jsonb,
      ${jsonOrNull(order.dropoffContact)}::jsonb, ${jsonOrNull(order.size)}::jsonb,
      ${order.weightG}, ${[...order.requiredVehicles]}::text[],
      ${[...order.requiredSkills]}::text[], ${schedule?.startsAt ?? null},
      ${schedule?.endsAt ?? null}, ${schedule?.releaseAt ?? null},
      case when ${schedule?.releaseAt ?? null}::timestamptz > clock_timestamp()
        then 'scheduled' end,
      ${order.cashMinor}, ${order.distanceM}, ${order.preparationMinutes}, ${order.price.items},
      ${order.price.delivery}, ${order.price.tip},
      ${tx.json(order.price.parts.filter(({ kind }) => kind !== "tip"))}, ${order.quoteId},
      ${order.currency},
      ${order.estimatedDeliveryAt}, ${order.trackingTokenHash},
      jsonb_build_object('placed', to_char(clock_timestamp() at time zone 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
    returning hold is not null as is_held,
      (extract(epoch from coalesce(release_at - clock_timestamp(), interval '0')) * 1000)::float8
        as wait_ms`;
  if (row === undefined) throw new Error("insert into orders returned nothing");
  startTimers(tx, order, row.isHeld ? Math.max(0, row.waitMs) : undefined);
  appendOrderEvents(tx, { ...order, version: 1 }, [{
    type: "order.placed",
    data: {
      orderId: order.id,
      orderVersion: 1,
      kind: order.kind,
      customerId: order.customerId,
      merchantId: order.merchantId,
      mode: order.mode,
      ...(row.isHeld && schedule !== null ? { releaseAt: schedule.releaseAt.toISOString() } : {}),
    },
  }], { role: order.placedBy, accountId: order.customerId });
}

/** A scheduled order waits for its release, and its deadlines with it; a robot has none. */
function startTimers(tx: Tx, order: NewOrder, heldMs: number | undefined): void {
  const { id, kind } = order;
  if (order.mode === "test") return startRobot(tx, id, ROBOT_STEP_MS);
  if (heldMs === undefined) return startDeadlines(tx, { id, kind, status: "placed" }, 1);
  scheduleTimer(tx, { kind: "order.release", key: id, version: 1, delayMs: heldMs });
}

function jsonOrNull(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}
