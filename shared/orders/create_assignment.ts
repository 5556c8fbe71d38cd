import { uuidv7 } from "shared/ids/uuid.ts";
import type { Tx } from "shared/sql/connect.ts";
import { saveCourier, statusAfterLoad } from "./courier_load.ts";
import { startPickupDeadline } from "./deadlines.ts";
import { isCarried } from "./lifecycle.ts";
import type { OrderChange } from "./order_change.ts";
import type { AssignmentRow, CourierRow, OrderRow } from "./rows.ts";

/** An accepted offer and its two sides, all locked by the caller. */
export interface Acceptance {
  readonly offerId: string;
  readonly order: OrderRow;
  readonly courier: CourierRow;
}

/**
 * Gives an order to a courier: assignment, load, deadline of the pickup and event. The caller has
 * checked that the order is free and the courier has room, and saves the change.
 */
export async function createAssignment(
  tx: Tx,
  change: OrderChange,
  { offerId, order, courier }: Acceptance,
): Promise<AssignmentRow> {
  const assignment = { id: uuidv7(), orderId: order.id, courierId: courier.id, offerId };
  tx.defer(tx`
    insert into assignments (id, order_id, courier_id, offer_id)
    values (${assignment.id}, ${order.id}, ${courier.id}, ${offerId})`);
  change.add({
    type: "assignment.created",
    data: { ...change.ids, assignmentId: assignment.id, courierId: courier.id, offerId },
  });
  change.clearAttention();
  if (order.mode === "live" && !isCarried(order.status)) {
    startPickupDeadline(tx, order, change.version);
  }
  const activeAssignments = courier.activeAssignments + 1;
  await saveCourier(tx, courier, {
    status: statusAfterLoad(courier, activeAssignments),
    activeAssignments,
    reason: "assigned",
  });
  return assignment;
}
