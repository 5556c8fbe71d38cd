import { isTerminal, type OrderKind, type OrderState } from "shared/orders/lifecycle.ts";
import { type PlaceJson, placeJson } from "shared/orders/offer_view.ts";
import { type Partition, partitionOf } from "shared/redis/keys.ts";
import type { Queryable } from "shared/sql/connect.ts";

/** What a viewer of an order may see of it. No names of the customer, no items, no prices. */
export interface TrackedOrder {
  readonly id: string;
  readonly regionId: string;
  readonly kind: OrderKind;
  readonly status: OrderState;
  readonly version: number;
  readonly stateTimes: Readonly<Record<string, string>>;
  readonly pickup: PlaceJson;
  readonly dropoff: PlaceJson;
  readonly estimatedDeliveryAt: string;
  readonly courier: TrackedCourier | null;
}

export interface TrackedCourier {
  readonly name: string;
  readonly vehicle: string;
}

export interface OrderForTrack {
  readonly partition: Partition;
  readonly order: TrackedOrder;
  readonly isTerminal: boolean;
  readonly trackingTokenHash: Uint8Array;
  /** Accounts that may follow it with a credential of their own. */
  readonly parties: {
    readonly customerId: string;
    readonly merchantAccountId: string | null;
    readonly courierId: string | null;
  };
}

interface Row {
  readonly id: string;
  readonly region: string;
  readonly shard: number;
  readonly kind: OrderKind;
  readonly status: OrderState;
  readonly version: number;
  readonly stateTimes: Record<string, string>;
  readonly pickupLat: number;
  readonly pickupLon: number;
  readonly pickupAddress: string | null;
  readonly dropoffLat: number;
  readonly dropoffLon: number;
  readonly dropoffAddress: string | null;
  readonly estimatedDeliveryAt: Date;
  readonly trackingTokenHash: Uint8Array;
  readonly customerId: string;
  readonly merchantAccountId: string | null;
  readonly courierId: string | null;
  readonly courierName: string | null;
  readonly courierVehicle: string | null;
}

/** Reads an order for its viewers; the courier only while it carries the order. */
export async function readOrderForTrack(
  sql: Queryable,
  orderId: string,
): Promise<OrderForTrack | undefined> {
  const [row] = await sql<Row[]>`
    select o.id, o.region, o.shard, o.kind, o.status, o.version, o.state_times, o.pickup_lat, o.pickup_lon,
      o.pickup_address, o.dropoff_lat, o.dropoff_lon, o.dropoff_address, o.estimated_delivery_at,
      o.tracking_token_hash, o.customer_id, m.account_id as merchant_account_id, s.courier_id,
      a.name as courier_name, c.vehicle as courier_vehicle
    from orders o
    left join assignments s on s.order_id = o.id and s.ended_at is null
    left join couriers c on c.id = s.courier_id
    left join accounts a on a.id = c.id
    left join merchants m on m.id = o.merchant_id
    where o.id = ${orderId}`;
  if (row === undefined) return undefined;
  const { courierName, courierVehicle } = row;
  return {
    partition: partitionOf(row.region, row.shard),
    isTerminal: isTerminal(row.status),
    trackingTokenHash: row.trackingTokenHash,
    parties: {
      customerId: row.customerId,
      merchantAccountId: row.merchantAccountId,
      courierId: row.courierId,
    },
    order: {
      id: row.id,
      regionId: row.region,
      kind: row.kind,
      status: row.status,
      version: row.version,
      stateTimes: row.stateTimes,
      pickup: placeJson(row.pickupLat, row.pickupLon, row.pickupAddress),
      dropoff: placeJson(row.dropoffLat, row.dropoffLon, row.dropoffAddress),
      estimatedDeliveryAt: row.estimatedDeliveryAt.toISOString(),
      courier: courierName === null || courierVehicle === null
        ? null
        : { name: courierName, vehicle: courierVehicle },
    },
  };
}

/** The courier of an active assignment, as viewers see it. */
export async function readCourier(
  sql: Queryable,
  courierId: string,
): Promise<TrackedCourier | undefined> {
  const [row] = await sql<TrackedCourier[]>`
    select a.name, c.vehicle from couriers c join accounts a on a.id = c.id where c.id = ${courierId}`;
  return row;
}
