/** Changes orders as the product does: the order's row and its events in one transaction. */
import { silentLog } from "shared/log/log.ts";
import { appendEvents } from "shared/outbox/append.ts";
import { createOutboxNotifier } from "shared/outbox/notifier.ts";
import { connectSql } from "shared/sql/connect.ts";
import { readSettings, stopped, tell, told } from "../harness/child.ts";
import {
  changeInTurn,
  eventsOf,
  orderIds,
  PARALLEL_CHANGES,
  REGION,
  type WorkSettings,
} from "./work.ts";

const { databaseUrl, events, warmUpEvents } = readSettings<WorkSettings>();
const sql = connectSql(databaseUrl, { applicationName: "bench-producer", max: PARALLEL_CHANGES });
const notify = createOutboxNotifier(sql, silentLog);
const orders = await orderIds(sql);

async function change(orderId: string): Promise<void> {
  await sql.begin(async (tx) => {
    const [row] = await tx<{ version: number }[]>`
      update bench_orders set version = version + 1, changed_at = clock_timestamp()
      where id = ${orderId} returning version`;
    const version = row?.version ?? 0;
    const order = { id: orderId, version, region: REGION, shard: 0 } as const;
    appendEvents(tx, order, eventsOf(orderId, version));
  });
  notify();
}

tell("ready");
await changeInTurn(orders, warmUpEvents, change);
await told();
tell("started");
await changeInTurn(orders, events, change);
tell("done", events);
// Its CPU time is read while it lives.
await stopped();
await sql.end({ timeout: 2 });
