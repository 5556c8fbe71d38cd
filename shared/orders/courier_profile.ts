import type { Sql } from "shared/sql/connect.ts";
import { saveCourier, statusAfterLoad } from "./courier_load.ts";
import { lockCourier } from "./locks.ts";
import { type Outcome, refuse, succeed } from "./refusal.ts";
import type { CourierRow } from "./rows.ts";

/** What may change of a courier; what is absent stays. */
export interface ProfileChange {
  readonly vehicle?: string | undefined;
  readonly capacity?: number | undefined;
  readonly skills?: readonly string[] | undefined;
  /** Null means what the vehicle usually carries. */
  readonly maxLoadG?: number | null | undefined;
}

/**
 * Changes what dispatch knows of a courier. The version rises, so a decision that was made for the
 * courier as it was before is refused.
 */
export async function changeProfile(
  sql: Sql,
  courierId: string,
  change: ProfileChange,
): Promise<Outcome<CourierRow>> {
  return await sql.begin(async (tx) => {
    const courier = await lockCourier(tx, courierId);
    if (courier === undefined) return refuse("courier.not_found");
    const capacity = change.capacity ?? courier.capacity;
    if (capacity < courier.activeAssignments) {
      return refuse(
        "courier.at_capacity",
        `Cannot change: capacity must be >= ${courier.activeAssignments}, the active orders: it is ${capacity}`,
      );
    }
    const vehicle = change.vehicle ?? courier.vehicle;
    const skills = change.skills ?? courier.skills;
    await tx`
      update couriers set vehicle = ${vehicle}, capacity = ${capacity},
        skills = ${[...skills]}::text[],
        max_load_g = case when ${change.maxLoadG === undefined} then max_load_g
          else ${change.maxLoadG ?? null}::integer end
      where id = ${courierId}`;
    const changed = { ...courier, capacity, vehicle, skills };
    const { activeAssignments } = courier;
    return succeed(
      await saveCourier(tx, changed, {
        status: statusAfterLoad(changed, activeAssignments),
        activeAssignments,
        reason: "profile",
      }),
    );
  });
}
