/** One effect row per event, recorded with it in one transaction, under the consumer's lease. */
import { createLog } from "shared/log/log.ts";
import { connectRedis, connectRedisBlocking, startRedis } from "shared/redis/connect.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import { connectSql, type Tx } from "shared/sql/connect.ts";
import type { Envelope } from "shared/events/catalogue.ts";
import { consumeEvents, processBatchOnce } from "shared/streams/event_consumer.ts";
import { readSettings, stopSignal, tell } from "../harness/child.ts";
import { REGION, type WorkSettings } from "./work.ts";

const { databaseUrl, redisUrl, prefix, owner, events: measured, warmUpEvents, hold } = readSettings<
  WorkSettings
>();
const GROUP = "analytics";
const log = createLog({ service: "consumer", level: "warn", format: "pretty" });
const signal = stopSignal();
const sql = connectSql(databaseUrl, { applicationName: "bench-consumer", max: 4 });
const redis = connectRedis(redisUrl, { name: "bench-consumer", log });
await startRedis(redis);
let count = 0;

async function insertEffects(tx: Tx, events: readonly Envelope[]): Promise<void> {
  const versions = events.map(({ data }) => "orderVersion" in data ? data.orderVersion : 0);
  await tx`
    insert into bench_effects (event_id, key, order_version, type)
    select * from unnest(${events.map(({ id }) => id)}::uuid[],
      ${events.map(({ key }) => key)}::uuid[], ${versions}::integer[],
      ${events.map(({ type }) => type)}::text[])`;
  if (!hold) return;
  tell("holding", events.length);
  await new Promise(() => {});
}

async function handleBatch(events: readonly Envelope[]): Promise<void> {
  const before = count;
  count += await processBatchOnce(sql, GROUP, events, insertEffects);
  if (before < warmUpEvents && count >= warmUpEvents) tell("warm", count);
  if (count >= warmUpEvents + measured) tell("done", count);
}

// A candidate waits for the lease: it is ready before it owns anything.
if (!hold) tell("ready");
await consumeEvents({
  group: GROUP,
  partition: partitionOf(REGION, 0),
  keys: redisKeys(prefix),
  sql,
  redis,
  openBlocking: () => connectRedisBlocking(redisUrl, { name: "bench-consumer-read", log }),
  owner,
  log,
  signal,
  onTaken: () => {
    if (hold) tell("ready");
    return Promise.resolve();
  },
  handle: (event) => handleBatch([event]),
  handleBatch,
});
await sql.end({ timeout: 2 });
redis.disconnect();
