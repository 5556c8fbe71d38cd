import { appendEvents } from "shared/outbox/append.ts";
import type { Tx } from "shared/sql/connect.ts";
import { lockCourier } from "./locks.ts";
import type { CourierRow, CourierStatus } from "./rows.ts";

/** The status that goes with a load, for a courier who is on shift and takes orders. */
export function statusForLoad(activeAssignments: number, capacity: number): CourierStatus {
  return activeAssignments >= capacity ? "busy" : "available";
}

/** The status after the load changed: only `available` and `busy` follow the load. */
export function statusAfterLoad(courier: CourierRow, activeAssignments: number): CourierStatus {
  if (courier.status === "paused" || courier.status === "offline") return courier.status;
  return statusForLoad(activeAssignments, courier.capacity);
}

/**
 * Writes a courier's status and load and the event of it. The caller holds the row's lock.
 *
 * @returns the courier as it now stands.
 */
export async function saveCourier(
  tx: Tx,
  courier: CourierRow,
  change: { status: CourierStatus; activeAssignments: number; reason: string },
): Promise<CourierRow> {
  const { status, activeAssignments, reason } = change;
  const version = courier.version + 1;
  const rows = await tx`
    update couriers set status = ${status}, active_assignments = ${activeAssignments},
      version = ${version},
      pause_reason = case when ${status} <> 'paused' then null
        when status = 'paused' then pause_reason else ${reason} end,
      status_changed_at = case when status = ${status} then status_changed_at
        else clock_timestamp() end
    where id = ${courier.id} and version = ${courier.version}
    returning 1`;
  if (rows.length !== 1) throw new Error(`courier ${courier.id} was not locked`);
  appendEvents(tx, {
    id: courier.id,
    version,
    region: courier.region,
    shard: courier.shard,
  }, [{
    type: "courier.availability_changed",
    data: { courierId: courier.id, courierVersion: version, status, activeAssignments, reason },
  }]);
  return { ...courier, version, status, activeAssignments };
}

/** Takes one order off a courier. */
export async function releaseCourier(tx: Tx, courierId: string, reason: string): Promise<void> {
  const courier = await lockCourier(tx, courierId);
  if (courier === undefined) throw new Error(`courier ${courierId} of an assignment is missing`);
  const activeAssignments = courier.activeAssignments - 1;
  await saveCourier(tx, courier, {
    status: statusAfterLoad(courier, activeAssignments),
    activeAssignments,
    reason,
  });
}
