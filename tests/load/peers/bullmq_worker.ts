/**
 * The yardstick's consumer, on pg as its users have it: 50 jobs at once, each with one insert that a repeat does not change.
 * One statement and one index, which is less than the product's transaction does.
 */
import { type Job, Worker } from "bullmq";
// @ts-types="@types/pg"
import pg from "pg";
import type { WorkSettings } from "../events/work.ts";
import { readSettings, stopped, tell } from "../harness/child.ts";
import { connectForBullmq, type EventJob } from "./bullmq_connection.ts";

const CONCURRENCY = 50;

const { databaseUrl, redisUrl, prefix, events, warmUpEvents, hold } = readSettings<WorkSettings>();
const pool = new pg.Pool({ connectionString: databaseUrl, max: CONCURRENCY });
const redis = connectForBullmq(redisUrl);
let count = 0;
let held = 0;
const worker = new Worker<EventJob>("events", async ({ data: event }: Job<EventJob>) => {
  if (hold) {
    if (++held === CONCURRENCY) tell("holding", held);
    await new Promise(() => {});
  }
  await pool.query({
    name: "effect",
    text: `insert into bench_peer_effects (event_id, key, order_version, type)
      values ($1, $2, $3, $4) on conflict do nothing`,
    values: [event.id, event.key, event.data.orderVersion, event.type],
  });
  if (++count === warmUpEvents) tell("warm", count);
  if (count === warmUpEvents + events) tell("done", count);
}, { connection: redis, prefix, concurrency: CONCURRENCY });
worker.on("error", (error: Error) => console.log(`bullmq worker: ${error.message}`));
await worker.waitUntilReady();
tell("ready");
await stopped();
await worker.close(true);
redis.disconnect();
await pool.end();
