import type { CourierStatus } from "shared/orders/rows.ts";
import type { Queryable } from "shared/sql/connect.ts";

export interface CourierView {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly shard: number;
  readonly vehicle: string;
  readonly capacity: number;
  readonly status: CourierStatus;
  readonly version: number;
}

export async function findCourier(sql: Queryable, id: string): Promise<CourierView | undefined> {
  const rows = await sql<CourierView[]>`
    select c.id, a.name, c.region, c.shard, c.vehicle, c.capacity, c.status, c.version
    from couriers c join accounts a on a.id = c.id where c.id = ${id}`;
  return rows[0];
}

export interface AssignmentView {
  readonly id: string;
  readonly orderId: string;
  readonly createdAt: Date;
}

/** What the courier has to do now. */
export async function listActiveAssignments(
  sql: Queryable,
  courierId: string,
): Promise<AssignmentView[]> {
  return await sql<AssignmentView[]>`
    select id, order_id, created_at from assignments
    where courier_id = ${courierId} and ended_at is null order by created_at`;
}
