/** What stands in Postgres about orders, couriers and offers, read past the product's own code. */
import type { OrderState } from "shared/orders/lifecycle.ts";
import type { CourierStatus, OfferStatus } from "shared/orders/rows.ts";
import type { Sql } from "shared/sql/connect.ts";

export interface OrderFacts {
  readonly status: OrderState;
  readonly version: number;
  readonly offersMade: number;
  readonly attention: string | null;
  readonly stateTimes: Readonly<Record<string, string>>;
}

export async function orderFacts(sql: Sql, orderId: string): Promise<OrderFacts> {
  const [row] = await sql<OrderFacts[]>`
    select status, version, offers_made, attention, state_times from orders where id = ${orderId}`;
  if (row === undefined) throw new Error(`there is no order ${orderId}`);
  return row;
}

export interface CourierFacts {
  readonly status: CourierStatus;
  readonly version: number;
  readonly activeAssignments: number;
}

export async function courierFacts(sql: Sql, courierId: string): Promise<CourierFacts> {
  const [row] = await sql<CourierFacts[]>`
    select status, version, active_assignments from couriers where id = ${courierId}`;
  if (row === undefined) throw new Error(`there is no courier ${courierId}`);
  return row;
}

export interface OfferFacts {
  readonly id: string;
  readonly courierId: string;
  readonly status: OfferStatus;
  readonly attempt: number;
  readonly reason: string | null;
  readonly isClosed: boolean;
}

export async function offersOf(sql: Sql, orderId: string): Promise<OfferFacts[]> {
  return [
    ...await sql<OfferFacts[]>`
    select id, courier_id, status, attempt, reason, closed_at is not null as is_closed
    from offers where order_id = ${orderId} order by attempt, id`,
  ];
}

export interface AssignmentFacts {
  readonly id: string;
  readonly courierId: string;
  readonly offerId: string | null;
  readonly isActive: boolean;
  readonly endReason: string | null;
}

export async function assignmentsOf(sql: Sql, orderId: string): Promise<AssignmentFacts[]> {
  return [
    ...await sql<AssignmentFacts[]>`
    select id, courier_id, offer_id, ended_at is null as is_active, end_reason
    from assignments where order_id = ${orderId} order by created_at, id`,
  ];
}

export interface EventFacts {
  readonly type: string;
  readonly aggregateVersion: number;
  readonly eventIndex: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The events of one order or courier in the order in which they were written. */
export async function eventsOf(sql: Sql, id: string): Promise<EventFacts[]> {
  return [
    ...await sql<EventFacts[]>`
    select type, aggregate_version, event_index, data from outbox_events where key = ${id} order by id`,
  ];
}

/** The events as `version type`, short enough to compare at a glance. */
export async function eventLines(sql: Sql, id: string): Promise<string[]> {
  return (await eventsOf(sql, id)).map((event) => `${event.aggregateVersion} ${event.type}`);
}

export interface TimerFacts {
  readonly kind: string;
  readonly version: number;
  /** From now until it is due. */
  readonly dueInMs: number;
}

export async function timersOf(sql: Sql, key: string): Promise<TimerFacts[]> {
  return [
    ...await sql<TimerFacts[]>`
    select kind, version,
      (extract(epoch from due_at - clock_timestamp()) * 1000)::float8 as due_in_ms
    from timers where key = ${key} order by version, kind`,
  ];
}

const TABLES = [
  "accounts",
  "sessions",
  "idempotency",
  "api_keys",
  "revocations",
  "couriers",
  "merchants",
  "menu_categories",
  "menu_items",
  "zones",
  "quotes",
  "orders",
  "order_external_ids",
  "order_history",
  "offers",
  "assignments",
  "courier_earnings",
  "courier_shifts",
  "ratings",
  "decisions",
  "timers",
  "outbox",
];

/** Every row of every table that the order domain writes, to prove that nothing was written. */
export async function everything(sql: Sql): Promise<Record<string, string[]>> {
  const tables: Record<string, string[]> = {};
  for (const table of TABLES) {
    const rows = await sql<{ row: string }[]>`
      select t::text as row from ${sql(table)} t order by 1`;
    tables[table] = rows.map(({ row }) => row);
  }
  return tables;
}

/** How many sessions of this database wait for a row lock at this moment. */
export async function lockWaiters(sql: Sql): Promise<number> {
  const [row] = await sql<{ waiting: number }[]>`
    select count(*)::int as waiting from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return row?.waiting ?? 0;
}
