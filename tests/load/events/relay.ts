/** The keeper's relay, woken by notifications, under its lease. */
import { Wake } from "shared/clock/wake.ts";
import { whileLeased } from "shared/lease/lease.ts";
import { createLog } from "shared/log/log.ts";
import { OUTBOX_CHANNEL } from "shared/outbox/notifier.ts";
import { runRelay } from "shared/outbox/relay.ts";
import { connectRedis, startRedis } from "shared/redis/connect.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import { connectSql } from "shared/sql/connect.ts";
import { listen } from "shared/sql/listen.ts";
import { readSettings, stopSignal, tell } from "../harness/child.ts";
import { REGION, type WorkSettings } from "./work.ts";

const { databaseUrl, redisUrl, prefix, owner } = readSettings<WorkSettings>();
const log = createLog({ service: "relay", level: "warn", format: "pretty" });
const signal = stopSignal();
const sql = connectSql(databaseUrl, { applicationName: "bench-relay", max: 6 });
const redis = connectRedis(redisUrl, { name: "bench-relay", log });
await startRedis(redis);
const wake = new Wake();
await Promise.all([
  listen({
    databaseUrl,
    channel: OUTBOX_CHANNEL,
    applicationName: "bench-listen",
    log,
    signal,
    onNotification: () => wake.notify(),
    onReady: () => wake.notify(),
  }),
  whileLeased(
    { sql, name: `keeper:${partitionOf(REGION, 0)}`, owner, log, signal },
    async (lease, held) => {
      tell("ready");
      const keys = redisKeys(prefix);
      await runRelay({
        sql,
        redis,
        keys,
        region: REGION,
        shard: 0,
        lease,
        wake,
        log,
        signal: held,
      });
    },
  ),
]);
await sql.end({ timeout: 2 });
redis.disconnect();
