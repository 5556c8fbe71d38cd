/**
 * Row locks of dispatch. Every transaction takes them in one order, or two of them could wait for
 * each other for ever: orders by id, then couriers by id (DESIGN §11).
 */
import type { Tx } from "shared/sql/connect.ts";
import type { AssignmentProgress, AssignmentRow, CourierRow, OfferRow, OrderRow } from "./rows.ts";

/** Locks one order until the end of the transaction. */
export async function lockOrder(tx: Tx, orderId: string): Promise<OrderRow | undefined> {
  return (await lockOrders(tx, [orderId]))[0];
}

/** Locks orders in id order. */
export async function lockOrders(tx: Tx, orderIds: readonly string[]): Promise<OrderRow[]> {
  if (orderIds.length === 0) return [];
  return await tx<OrderRow[]>`
    select id, region, shard, kind, mode, status, version, customer_id, merchant_id, offers_made,
      attention, hold, redispatches, preparation_minutes, delivery_minor, tip_minor, cash_minor,
      currency
    from orders where id = any(${[...orderIds]}::uuid[]) order by id for update`;
}

/** Locks one courier until the end of the transaction. Orders come first. */
export async function lockCourier(tx: Tx, courierId: string): Promise<CourierRow | undefined> {
  return (await lockCouriers(tx, [courierId]))[0];
}

/** Locks couriers in id order. Orders come first. */
export async function lockCouriers(
  tx: Tx,
  courierIds: readonly string[],
): Promise<CourierRow[]> {
  return await tx<CourierRow[]>`
    select id, region, shard, status, version, vehicle, capacity, active_assignments, skills
    from couriers where id = any(${[...courierIds]}::uuid[]) order by id for update`;
}

/** The offer of an order that still waits for an answer. The order's lock guards it. */
export async function findPendingOffer(tx: Tx, orderId: string): Promise<OfferRow | undefined> {
  const rows = await tx<OfferRow[]>`
    select id, order_id, courier_id, status, attempt, expires_at
    from offers where order_id = ${orderId} and status = 'pending'`;
  return rows[0];
}

/** The assignment of an order that has not ended. The order's lock guards it. */
export async function findActiveAssignment(
  tx: Tx,
  orderId: string,
): Promise<AssignmentRow | undefined> {
  const rows = await tx<AssignmentRow[]>`
    select id, order_id, courier_id, offer_id
    from assignments where order_id = ${orderId} and ended_at is null`;
  return rows[0];
}

/** The same, with the stops its courier has reached. */
export async function findAssignmentProgress(
  tx: Tx,
  orderId: string,
): Promise<AssignmentProgress | undefined> {
  const rows = await tx<AssignmentProgress[]>`
    select id, order_id, courier_id, offer_id, arrived_pickup_at, arrived_dropoff_at
    from assignments where order_id = ${orderId} and ended_at is null`;
  return rows[0];
}
