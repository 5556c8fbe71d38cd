/**
 * The yardstick's producer: the same change of an order, then its events as jobs. The change is one
 * statement, and nothing holds the two together: a death between them loses the events.
 */
import { Queue } from "bullmq";
import { uuidv7 } from "shared/ids/uuid.ts";
// @ts-types="@types/pg"
import pg from "pg";
import { connectSql } from "shared/sql/connect.ts";
import { changeInTurn, eventsOf, orderIds, PARALLEL_CHANGES } from "../events/work.ts";
import type { WorkSettings } from "../events/work.ts";
import { readSettings, stopped, tell, told } from "../harness/child.ts";
import { connectForBullmq, type EventJob } from "./bullmq_connection.ts";

const { databaseUrl, redisUrl, prefix, events, warmUpEvents } = readSettings<
  WorkSettings
>();
const pool = new pg.Pool({ connectionString: databaseUrl, max: PARALLEL_CHANGES });
const sql = connectSql(databaseUrl, { applicationName: "peer-producer", max: 1 });
const redis = connectForBullmq(redisUrl);
const queue = new Queue<EventJob>("events", {
  connection: redis,
  prefix,
  defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
});
const orders = await orderIds(sql);
await queue.waitUntilReady();

async function change(orderId: string): Promise<void> {
  const { rows } = await pool.query<{ version: number }>({
    name: "change",
    text: `update bench_orders set version = version + 1, changed_at = clock_timestamp()
      where id = $1 returning version`,
    values: [orderId],
  });
  const orderVersion = rows[0]?.version ?? 0;
  const occurredAt = new Date().toISOString();
  const jobs = eventsOf(orderId, orderVersion).map(({ type, data }) => ({
    name: type,
    data: {
      id: uuidv7(),
      type,
      version: 1,
      region: "bench",
      key: orderId,
      occurredAt,
      trace: null,
      data: { ...data, orderVersion },
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
await pool.end();
