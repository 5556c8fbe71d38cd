import { pause } from "shared/clock/timeout.ts";
import type { Sql } from "shared/sql/connect.ts";

const LOOK_MS = 1_000;
const MAX_LINES = 50;

/** Says in one line what happens to each order, so that a terminal shows the city at work. */
export async function narrate(
  sql: Sql,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let after: string | undefined;
  while (!signal.aborted) {
    try {
      after = await sayNew(sql, say, after);
    } catch {
      // The story goes on when Postgres is back; the services say what is wrong.
    }
    await pause(LOOK_MS, signal);
  }
}

async function sayNew(sql: Sql, say: (line: string) => void, after: string | undefined) {
  if (after === undefined) {
    const [row] = await sql<
      { id: string | null }[]
    >`select last_value::text as id from outbox_id_seq`;
    return row?.id ?? "0";
  }
  const rows = await sql<
    { id: string; type: string; key: string; data: Record<string, unknown> }[]
  >`
    select id, type, key, data from outbox_events
    where id > ${after} and type in ('order.placed', 'order.status_changed', 'assignment.created',
      'offer.expired', 'offer.rejected', 'order.attention_raised')
    order by id limit ${MAX_LINES}`;
  for (const row of rows) say(`order ${row.key.slice(-6)} ${describe(row.type, row.data)}`);
  return rows.at(-1)?.id ?? after;
}

function describe(type: string, data: Record<string, unknown>): string {
  switch (type) {
    case "order.status_changed":
      return String(data["to"]);
    case "assignment.created":
      return `has a courier (${String(data["courierId"]).slice(-6)})`;
    case "order.attention_raised":
      return `needs a dispatcher: ${String(data["reason"])}`;
    default:
      return type.replace(".", " ");
  }
}
