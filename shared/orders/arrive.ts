import type { Sql } from "shared/sql/connect.ts";
import { isDispatchable } from "./lifecycle.ts";
import { findAssignmentProgress, lockOrder } from "./locks.ts";
import { OrderChange } from "./order_change.ts";
import { type Outcome, refuse, succeed } from "./refusal.ts";
import type { OrderRow } from "./rows.ts";
import { standingOf } from "./standing.ts";
import { notAllowed } from "./transition_order.ts";

export const STOPS = ["pickup", "dropoff"] as const;
export type Stop = (typeof STOPS)[number];

export interface Arrival {
  readonly orderId: string;
  readonly courierId: string;
  readonly stop: Stop;
}

/** The courier stands at a stop of its order. No state of the order; repeating changes nothing. */
export async function arriveAt(sql: Sql, arrival: Arrival): Promise<Outcome<void>> {
  const { orderId, courierId, stop } = arrival;
  return await sql.begin(async (tx) => {
    const order = await lockOrder(tx, orderId);
    const actor = { role: "courier", accountId: courierId } as const;
    if (order === undefined || await standingOf(tx, order, actor) === undefined) {
      return refuse("order.not_found");
    }
    const assignment = await findAssignmentProgress(tx, orderId);
    if (assignment === undefined || !mayArrive(order, stop)) {
      return notAllowed(order, `arrive_at_${stop}`);
    }
    const arrivedAt = stop === "pickup" ? assignment.arrivedPickupAt : assignment.arrivedDropoffAt;
    if (arrivedAt !== null) return succeed(undefined);
    await tx`
      update assignments set
        arrived_pickup_at = case when ${stop} = 'pickup' then clock_timestamp()
          else arrived_pickup_at end,
        arrived_dropoff_at = case when ${stop} = 'dropoff' then clock_timestamp()
          else arrived_dropoff_at end
      where id = ${assignment.id} and ended_at is null`;
    const change = new OrderChange(tx, order, { role: "courier", accountId: courierId });
    change.add({ type: "order.courier_arrived", data: { ...change.ids, courierId, stop } });
    await change.save();
    return succeed(undefined);
  });
}

function mayArrive(order: OrderRow, stop: Stop): boolean {
  if (stop === "pickup") return isDispatchable(order.kind, order.status);
  return order.status === "picked_up" || order.status === "in_transit";
}
