import { distanceM } from "shared/geo/distance.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import type { Tx } from "shared/sql/connect.ts";
import type { OrderChange } from "./order_change.ts";
import type { CourierRow, OrderRow } from "./rows.ts";

export interface DirectOffer {
  readonly order: OrderRow;
  readonly courier: CourierRow;
  readonly madeBy: "dispatcher" | "robot";
}

/**
 * Writes an offer that is accepted as it is made, with both its events: every assignment has an
 * offer, whoever decided. Says nothing about the courier's readiness to accept.
 */
export async function makeDirectOffer(
  tx: Tx,
  change: OrderChange,
  { order, courier, madeBy }: DirectOffer,
): Promise<string> {
  const offerId = uuidv7();
  const attempt = change.countOffer();
  const distanceToPickupM = await findDistance(tx, order, courier);
  const [row] = await tx<{ expiresAt: Date }[]>`
    insert into offers (id, order_id, courier_id, status, attempt, distance_to_pickup_m,
      expires_at, closed_at, reason, made_by)
    values (${offerId}, ${order.id}, ${courier.id}, 'accepted', ${attempt}, ${distanceToPickupM},
      clock_timestamp(), clock_timestamp(), ${madeBy}, ${madeBy})
    returning expires_at`;
  if (row === undefined) throw new Error("insert into offers returned nothing");
  const ids = { ...change.ids, offerId, courierId: courier.id };
  const expiresAt = row.expiresAt.toISOString();
  change.add({ type: "offer.made", data: { ...ids, attempt, expiresAt, distanceToPickupM } });
  change.add({ type: "offer.accepted", data: ids });
  return offerId;
}

/** From the courier's last place that reached Postgres; 0 where none did. */
async function findDistance(tx: Tx, order: OrderRow, courier: CourierRow): Promise<number> {
  const [row] = await tx<{ lat: number; lon: number; pickupLat: number; pickupLon: number }[]>`
    select p.lat, p.lon, o.pickup_lat, o.pickup_lon
    from orders o join courier_last_positions p on p.courier_id = ${courier.id}
    where o.id = ${order.id}`;
  if (row === undefined) return 0;
  return Math.round(distanceM(row, { lat: row.pickupLat, lon: row.pickupLon }));
}
