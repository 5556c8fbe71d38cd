/** What the matcher reads of Postgres: orders that wait and couriers that could be asked. */
import { isDispatchable, type OrderKind, type OrderState } from "shared/orders/lifecycle.ts";
import type { Queryable } from "shared/sql/connect.ts";
import type { Vehicle } from "shared/streets/vehicle.ts";
import type { AskedCourier, OpenOrder } from "./match_nearest.ts";

interface OrderRow {
  readonly id: string;
  readonly kind: OrderKind;
  readonly status: OrderState;
  readonly pickupLat: number;
  readonly pickupLon: number;
  readonly distanceM: number;
  readonly merchantId: string | null;
  readonly ownFleet: boolean;
  readonly isTaken: boolean;
  readonly weightG: number | null;
  readonly requiredVehicles: readonly string[];
  readonly requiredSkills: readonly string[];
  readonly lostBy: readonly string[];
  readonly asked: readonly {
    readonly courierId: string;
    readonly status: AskedCourier["outcome"];
    /** By the database's clock, which stamped it. */
    readonly closedForMs: number;
  }[];
}

/**
 * Live orders of a partition that wait for a courier and that nothing holds back. Their times are on
 * this process's monotonic clock: neither a wall clock that jumps nor one that differs from the
 * database's can shift them.
 *
 * @param ids only these; all of the partition when absent.
 */
export async function readOpenOrders(
  sql: Queryable,
  region: string,
  shard: number,
  ids?: readonly string[],
): Promise<OpenOrder[]> {
  if (ids?.length === 0) return [];
  const readAtMs = performance.now();
  const rows = await sql<OrderRow[]>`
    select o.id, o.kind, o.status, o.pickup_lat, o.pickup_lon, o.distance_m, o.merchant_id,
      coalesce(m.fleet = 'own', false) as own_fleet, o.weight_g,
      o.required_vehicles, o.required_skills,
      array(
        select courier_id from assignments
        where order_id = o.id and end_reason in ('pickup_overdue', 'unassigned')
      ) as lost_by,
      exists (select 1 from assignments where order_id = o.id and ended_at is null)
        or exists (select 1 from offers where order_id = o.id and status = 'pending') as is_taken,
      coalesce((
        select jsonb_agg(jsonb_build_object('courierId', courier_id, 'status', status,
          'closedForMs', extract(epoch from clock_timestamp() - closed_at) * 1000))
        from offers where order_id = o.id and status <> 'pending'
      ), '[]') as asked
    from orders o left join merchants m on m.id = o.merchant_id
    where o.region = ${region} and o.shard = ${shard}
      and o.mode = 'live' and o.hold is null
      and o.status in ('placed', 'confirmed', 'preparing', 'ready_for_pickup')
      ${ids === undefined ? sql`` : sql`and o.id = any(${[...ids]}::uuid[])`}`;
  return rows.filter((row) => !row.isTaken && isDispatchable(row.kind, row.status)).map((row) => ({
    id: row.id,
    pickup: { lat: row.pickupLat, lon: row.pickupLon },
    tripM: row.distanceM,
    merchantId: row.merchantId,
    ownFleet: row.ownFleet,
    needs: {
      weightG: row.weightG,
      vehicles: row.requiredVehicles,
      skills: row.requiredSkills,
    },
    lostBy: row.lostBy,
    asked: row.asked.map(({ courierId, status, closedForMs }) => ({
      courierId,
      outcome: status,
      closedAtMs: readAtMs - closedForMs,
    })),
  }));
}

export interface CourierFacts {
  readonly id: string;
  readonly version: number;
  readonly vehicle: Vehicle;
  readonly fleet: string | null;
  readonly skills: readonly string[];
  /** Null means what the vehicle usually carries. */
  readonly maxLoadG: number | null;
  /** What its orders weigh, as far as that is known. */
  readonly loadG: number;
}

/** Couriers of a partition that are available and have no offer waiting. */
export async function readIdleCouriers(
  sql: Queryable,
  region: string,
  shard: number,
  ids?: readonly string[],
): Promise<CourierFacts[]> {
  if (ids?.length === 0) return [];
  return await sql<CourierFacts[]>`
    select c.id, c.version, c.vehicle, c.fleet, c.skills, c.max_load_g,
      coalesce((
        select sum(o.weight_g) from assignments s join orders o on o.id = s.order_id
        where s.courier_id = c.id and s.ended_at is null
      ), 0)::float8 as load_g
    from couriers c
    where c.region = ${region} and c.shard = ${shard} and c.status = 'available'
      and not exists (select 1 from offers where courier_id = c.id and status = 'pending')
      ${ids === undefined ? sql`` : sql`and c.id = any(${[...ids]}::uuid[])`}`;
}
