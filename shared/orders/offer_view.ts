import type { Queryable } from "shared/sql/connect.ts";

/** A place as clients see it. */
export interface PlaceJson {
  readonly lat: number;
  readonly lon: number;
  readonly address?: string;
}

/** An offer as its courier sees it, over HTTP and on the courier's channel alike. */
export interface OfferJson {
  readonly id: string;
  readonly orderId: string;
  readonly attempt: number;
  readonly distanceToPickupM: number;
  readonly distanceM: number;
  readonly expiresAt: string;
  readonly pickup: PlaceJson;
  readonly dropoff: PlaceJson;
}

interface OfferViewRow {
  readonly id: string;
  readonly orderId: string;
  readonly attempt: number;
  readonly distanceToPickupM: number;
  readonly distanceM: number;
  readonly expiresAt: Date;
  readonly pickupLat: number;
  readonly pickupLon: number;
  readonly pickupAddress: string | null;
  readonly dropoffLat: number;
  readonly dropoffLon: number;
  readonly dropoffAddress: string | null;
}

/** A place, without its address where it has none. */
export function placeJson(lat: number, lon: number, address: string | null): PlaceJson {
  return { lat, lon, ...(address === null ? {} : { address }) };
}

function offerJson(row: OfferViewRow): OfferJson {
  const { id, orderId, attempt, distanceToPickupM, distanceM } = row;
  return {
    id,
    orderId,
    attempt,
    distanceToPickupM,
    distanceM,
    expiresAt: row.expiresAt.toISOString(),
    pickup: placeJson(row.pickupLat, row.pickupLon, row.pickupAddress),
    dropoff: placeJson(row.dropoffLat, row.dropoffLon, row.dropoffAddress),
  };
}

/** Offers that still wait for the courier's answer. */
export async function listPendingOffers(sql: Queryable, courierId: string): Promise<OfferJson[]> {
  const rows = await sql<OfferViewRow[]>`
    select f.id, f.order_id, f.attempt, f.distance_to_pickup_m, o.distance_m, f.expires_at,
      o.pickup_lat, o.pickup_lon, o.pickup_address, o.dropoff_lat, o.dropoff_lon, o.dropoff_address
    from offers f join orders o on o.id = f.order_id
    where f.courier_id = ${courierId} and f.status = 'pending'
      and f.expires_at > clock_timestamp()`;
  return rows.map(offerJson);
}
