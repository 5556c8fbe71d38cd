/**
 * The yardstick's producer: the same change of an order, then its events as jobs. The change is one
 * statement, and nothing holds the two together: a death between them loses the events.
 */
import { Queue } from "bullmq";
import { uuidv7 } from "shared/ids/uuid.ts";
import { connectSql } from "shared/sql/connect.ts";
import { changeInTurn, eventsOf, orderIds, PARALLEL_CHANGES } from "../events/work.ts";
import type { WorkSettings } from "../events/work.ts";
import { readSettings, stopped, tell, told } from "../harness/child.ts";
import { connectForBullmq, type EventJob } from "./bullmq_connection.ts";

const { databaseUrl, redisUrl, prefix, events, warmUpEvents } = readSettings<
  WorkSettings
>();
const sql = connectSql(databaseUrl, { applicationName: "peer-producer", max: PARALLEL_CHANGES });
const redis = connectForBullmq(redisUrl);
const queue = new Queue<EventJob>("events", {
  connection: redis,
  prefix,
  defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
});
const orders = await orderIds(sql);
await queue.waitUntilReady();

async function change(orderId: string): Promise<void> {
  const [row] = await sql<{ version: number }[]>`
    update bench_orders set version = version + 1, changed_at = clock_timestamp()
    where id = ${orderId} returning version`;
  const occurredAt = new Date().toISOString();
  const jobs = eventsOf(orderId, row?.version ?? 0).map(({ type, data }) => ({
    name: type,
    data: {
      id: uuidv7(),
      type,
      version: 1,
      region: "bench",
      key: orderId,
      occurredAt,
      trace: null,
      data: { ...data, orderVersion: row?.version ?? 0 },
    },
  }));
  await queue.addBulk(jobs);
}

tell("ready");
await changeInTurn(orders, warmUpEvents, change);
await told();
tell("started");
await changeInTurn(orders, events, change);
tell("done", events);
// Its CPU time is read while it lives.
await stopped();
await queue.close();
redis.disconnect();
await sql.end({ timeout: 2 });
