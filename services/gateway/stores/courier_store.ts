import type { Vehicle } from "shared/streets/vehicle.ts";
import { isCarried, type OrderState } from "shared/orders/lifecycle.ts";
import { type PlaceJson, placeJson } from "shared/orders/offer_view.ts";
import type { PlannedShift } from "shared/orders/planned_shifts.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import type { Queryable } from "shared/sql/connect.ts";

export interface CourierView {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly shard: number;
  readonly vehicle: Vehicle;
  readonly capacity: number;
  readonly activeAssignments: number;
  readonly maxLoadG: number | null;
  readonly skills: readonly string[];
  readonly status: CourierStatus;
  readonly rating: number;
  readonly version: number;
}

export async function findCourier(sql: Queryable, id: string): Promise<CourierView | undefined> {
  const rows = await sql<CourierView[]>`
    select c.id, a.name, c.region, c.shard, c.vehicle, c.capacity, c.active_assignments,
      c.max_load_g, c.skills, c.status, c.rating, c.version
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

/** One stop on a courier's way. */
export interface CourierStop {
  readonly sequence: number;
  readonly kind: "pickup" | "dropoff" | "return";
  readonly orderId: string;
  readonly place: PlaceJson;
  readonly note: string | null;
  readonly arrivedAt: string | null;
  readonly cashMinor: number;
  readonly currency: string;
}

interface StopRow {
  readonly orderId: string;
  readonly status: OrderState;
  readonly arrivedPickupAt: Date | null;
  readonly arrivedDropoffAt: Date | null;
  readonly pickupLat: number;
  readonly pickupLon: number;
  readonly pickupAddress: string | null;
  readonly pickupNote: string | null;
  readonly dropoffLat: number;
  readonly dropoffLon: number;
  readonly dropoffAddress: string | null;
  readonly dropoffNote: string | null;
  readonly cashMinor: number;
  readonly currency: string;
}

/**
 * The stops a courier has before it, in order: what it carries first, then what it has accepted,
 * the oldest first, each with its pickup before its dropoff.
 */
export async function listStops(sql: Queryable, courierId: string): Promise<CourierStop[]> {
  const rows = await sql<StopRow[]>`
    select s.order_id, o.status, s.arrived_pickup_at, s.arrived_dropoff_at, o.pickup_lat,
      o.pickup_lon, o.pickup_address, o.pickup_note, o.dropoff_lat, o.dropoff_lon,
      o.dropoff_address, o.dropoff_note, o.cash_minor, o.currency
    from assignments s join orders o on o.id = s.order_id
    where s.courier_id = ${courierId} and s.ended_at is null order by s.created_at, s.id`;
  const carried = rows.filter((row) => isCarried(row.status));
  const accepted = rows.filter((row) => !isCarried(row.status));
  return [...carried, ...accepted].flatMap(stopsOf).map((stop, index) => ({
    sequence: index + 1,
    ...stop,
  }));
}

function stopsOf(row: StopRow): Omit<CourierStop, "sequence">[] {
  const { orderId, currency } = row;
  const pickup = {
    orderId,
    place: placeJson(row.pickupLat, row.pickupLon, row.pickupAddress),
    note: row.pickupNote,
    cashMinor: 0,
    currency,
  };
  if (row.status === "returning") return [{ ...pickup, kind: "return", arrivedAt: null }];
  const dropoff = {
    orderId,
    kind: "dropoff" as const,
    place: placeJson(row.dropoffLat, row.dropoffLon, row.dropoffAddress),
    note: row.dropoffNote,
    arrivedAt: row.arrivedDropoffAt?.toISOString() ?? null,
    cashMinor: row.cashMinor,
    currency,
  };
  if (isCarried(row.status)) return [dropoff];
  return [
    { ...pickup, kind: "pickup", arrivedAt: row.arrivedPickupAt?.toISOString() ?? null },
    dropoff,
  ];
}

/** Sums of the ledger over a span of time. */
export interface EarningSums {
  readonly deliveries: number;
  readonly deliveryMinor: number;
  readonly tipMinor: number;
  readonly cancellationMinor: number;
  readonly totalMinor: number;
}

export interface Earnings {
  readonly currency: string;
  readonly timeZone: string;
  readonly today: EarningSums;
  readonly week: EarningSums;
  readonly month: EarningSums;
}

interface EarningRow extends EarningSums {
  readonly span: "day" | "week" | "month";
  readonly currency: string;
  readonly timeZone: string;
}

/**
 * What a courier earned this day, week and month of its region's time zone. Sums of integers; a
 * ledger row belongs to the day it was booked, so a late tip counts when it was given.
 */
export async function readEarnings(
  sql: Queryable,
  courierId: string,
): Promise<Earnings | undefined> {
  const rows = await sql<EarningRow[]>`
    select s.span, r.currency, r.time_zone,
      count(*) filter (where e.kind = 'delivery')::integer as deliveries,
      coalesce(sum(e.amount_minor) filter (where e.kind = 'delivery'), 0)::float8 as delivery_minor,
      coalesce(sum(e.amount_minor) filter (where e.kind = 'tip'), 0)::float8 as tip_minor,
      coalesce(sum(e.amount_minor) filter (where e.kind = 'cancellation'), 0)::float8
        as cancellation_minor,
      coalesce(sum(e.amount_minor), 0)::float8 as total_minor
    from couriers c join regions r on r.id = c.region
      cross join unnest(array['day', 'week', 'month']) as s (span)
      left join courier_earnings e on e.courier_id = c.id and e.currency = r.currency
        and e.earned_at >= date_trunc(s.span, clock_timestamp(), r.time_zone)
    where c.id = ${courierId}
    group by s.span, r.currency, r.time_zone`;
  const [first] = rows;
  if (first === undefined) return undefined;
  const { currency, timeZone } = first;
  const sums = (span: EarningRow["span"]): EarningSums => {
    const row = rows.find((candidate) => candidate.span === span);
    if (row === undefined) throw new Error(`no sums of the ${span}`);
    const { deliveries, deliveryMinor, tipMinor, cancellationMinor, totalMinor } = row;
    return { deliveries, deliveryMinor, tipMinor, cancellationMinor, totalMinor };
  };
  return { currency, timeZone, today: sums("day"), week: sums("week"), month: sums("month") };
}

export interface CourierStats {
  readonly days: number;
  readonly offers: number;
  readonly acceptanceRate: number | null;
  readonly assignments: number;
  readonly completionRate: number | null;
  readonly averageRating: number | null;
  readonly ratings: number;
}

const STATS_DAYS = 30;

/**
 * How a courier has worked in the last 30 days. Offers count when the courier answered or let them
 * lapse; those withdrawn by others do not. Assignments count when they ended with a delivery or by
 * the courier's own doing; a cancelled order is nobody's failure.
 */
export async function readStats(sql: Queryable, courierId: string): Promise<CourierStats> {
  const [row] = await sql<CourierStats[]>`
    with since as (select clock_timestamp() - ${STATS_DAYS} * interval '1 day' as at),
    asked as (
      select count(*)::integer as offers, count(*) filter (where status = 'accepted') as accepted
      from offers, since
      where courier_id = ${courierId} and created_at >= since.at and made_by = 'matcher'
        and status in ('accepted', 'rejected', 'expired')
    ), done as (
      select count(*)::integer as assignments,
        count(*) filter (where end_reason = 'delivered') as delivered
      from assignments, since
      where courier_id = ${courierId} and ended_at >= since.at and end_reason in ('delivered',
        'courier_offline', 'courier_silent', 'courier_suspended', 'pickup_overdue', 'reassigned',
        'returned', 'failed')
    ), rated as (
      select count(*)::integer as ratings, avg(stars)::float8 as average
      from ratings where subject = 'courier' and subject_id = ${courierId}
    )
    select ${STATS_DAYS}::integer as days, offers, assignments, ratings,
      (accepted::float8 / nullif(offers, 0)) as acceptance_rate,
      (delivered::float8 / nullif(assignments, 0)) as completion_rate,
      average as average_rating
    from asked, done, rated`;
  if (row === undefined) throw new Error("sums without rows");
  return row;
}

const MAX_SHIFTS = 200;

/** Planned shifts that end after an instant, the next first. */
export async function listShifts(
  sql: Queryable,
  courierId: string,
  { from, to }: { from?: string | undefined; to?: string | undefined },
): Promise<PlannedShift[]> {
  const rows = await sql<
    { id: string; startsAt: Date; endsAt: Date; breaks: PlannedShift["breaks"] }[]
  >`
    select id, starts_at, ends_at, breaks from courier_shifts
    where courier_id = ${courierId}
      and ends_at > coalesce(${from ?? null}::timestamptz, clock_timestamp())
      ${to === undefined ? sql`` : sql`and starts_at < ${to}`}
    order by starts_at limit ${MAX_SHIFTS}`;
  return rows.map(({ startsAt, endsAt, ...shift }) => ({
    ...shift,
    startsAt: startsAt.toISOString(),
    endsAt: endsAt.toISOString(),
  }));
}
