/** What both sides of the bench do: the same change of an order, the same events, the same effect. */
import type { EventInput } from "shared/events/catalogue.ts";
import type { Sql } from "shared/sql/connect.ts";

export const REGION = "bench";
/** Events per commit (DESIGN §9: at most 10). */
export const EVENTS_PER_CHANGE = 10;
/** Changes under way at once. */
export const PARALLEL_CHANGES = 16;
/** Many more than changes under way, so that these do not wait for one another's rows. */
const ORDERS = 2_000;

/** What every process of the bench is given. */
export interface WorkSettings {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Of the Redis keys or queues of one run. */
  readonly prefix: string;
  /** Events that go before, so that the programs are compiled when the clock starts. */
  readonly warmUpEvents: number;
  /** Events that are measured. */
  readonly events: number;
  /** Unique per process of a run. */
  readonly owner: string;
  /** Stops inside its first effect for ever, to be killed there. */
  readonly hold: boolean;
}

/** The tables of the bench: orders to change, and one table of effects for each side. */
export async function createTables(sql: Sql): Promise<void> {
  // Room on each page, so that an order's new version can stay beside its old one.
  await sql.unsafe(`
    create table bench_orders (
      id uuid primary key, number integer not null unique, version integer not null,
      status text not null, changed_at timestamptz not null default clock_timestamp()
    ) with (fillfactor = 50);
    insert into bench_orders
      select gen_random_uuid(), n, 1, 'placed' from generate_series(0, ${ORDERS - 1}) n;
    -- No unique rule here, so that an effect that ran twice would show.
    create table bench_effects (
      event_id uuid not null, key uuid not null, order_version integer not null, type text not null,
      at timestamptz not null default clock_timestamp()
    );
    create table bench_peer_effects (
      event_id uuid primary key, key uuid not null, order_version integer not null,
      type text not null, at timestamptz not null default clock_timestamp()
    );`);
}

/** What each side writes; the other side's runs do not touch it. */
export const TABLES = {
  hexmile: "bench_effects, outbox, relay_progress, processed_events, parked_events, leases",
  bullmq: "bench_peer_effects",
} as const;

/** Empties what a side has written, so that every run begins alike. */
export async function clearTables(sql: Sql, side: keyof typeof TABLES): Promise<void> {
  await sql.unsafe(`truncate ${TABLES[side]}`);
  await sql.unsafe("vacuum analyze bench_orders");
  await sql.unsafe("checkpoint");
}

/** The orders to change, in turn. */
export async function orderIds(sql: Sql): Promise<string[]> {
  return (await sql<{ id: string }[]>`select id from bench_orders order by number`)
    .map(({ id }) => id);
}

/** The events of one change of an order. */
export function eventsOf(orderId: string, orderVersion: number): EventInput[] {
  return Array.from({ length: EVENTS_PER_CHANGE }, () => ({
    type: "order.status_changed",
    data: { orderId, orderVersion, from: "placed", to: "confirmed", actor: "merchant" },
  }));
}

/** Makes the changes, some at once; `change` gets the order whose turn it is. */
export async function changeInTurn(
  orders: readonly string[],
  events: number,
  change: (orderId: string) => Promise<void>,
): Promise<void> {
  const changes = Math.ceil(events / EVENTS_PER_CHANGE);
  let next = 0;
  await Promise.all(Array.from({ length: PARALLEL_CHANGES }, async () => {
    while (next < changes) await change(orders[next++ % orders.length] ?? "");
  }));
}
