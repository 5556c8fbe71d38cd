import { Wake } from "shared/clock/wake.ts";
import { speedOnlyInDemo } from "shared/config/fields.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { createOutboxNotifier, OUTBOX_CHANNEL } from "shared/outbox/notifier.ts";
import { connectRedis, connectRedisBlocking, startRedis } from "shared/redis/connect.ts";
import { redisKeys } from "shared/redis/keys.ts";
import { forEachPartition } from "shared/regions/partitions.ts";
import { runService } from "shared/service/run_service.ts";
import { connectSql } from "shared/sql/connect.ts";
import { listen } from "shared/sql/listen.ts";
import { requireSchema } from "shared/sql/migrate.ts";
import { SCHEMA_VERSION } from "shared/sql/schema_version.ts";
import { keeperFields } from "./config.ts";
import { fireTimers } from "./fire_timers.ts";
import { keepHistory } from "./keep_history.ts";
import { keepPartition } from "./keep_partition.ts";
import { createKeeperMetrics } from "./metrics.ts";
import { sweepRows } from "./sweep_rows.ts";
import { watchOutbox } from "./watch_outbox.ts";
import { watchRedis } from "./watch_redis.ts";

await runService({
  name: "keeper",
  fields: keeperFields,
  rules: [speedOnlyInDemo],
  start: async ({ config, log, metrics: serviceMetrics, health, onStop }) => {
    const sql = connectSql(config.DATABASE_URL, { applicationName: "keeper", max: 6 });
    const directUrl = config.DATABASE_DIRECT_URL === "-"
      ? config.DATABASE_URL
      : config.DATABASE_DIRECT_URL;
    onStop("postgres", () => sql.end({ timeout: 2 }));
    await requireSchema(sql, SCHEMA_VERSION);
    const redis = connectRedis(config.REDIS_URL, { name: "keeper", log });
    onStop("redis", () => Promise.resolve(redis.disconnect()));
    await startRedis(redis);
    health.add("postgres", () => sql`select 1`, { required: true });
    // Timers fire and rows are swept without Redis; events wait in the outbox.
    health.add("redis", () => redis.ping(), { required: false });

    const metrics = createKeeperMetrics(serviceMetrics.registry);
    const stopping = new AbortController();
    const timerWake = new Wake();
    const wakes = new Set([timerWake]);
    const wakeAll = () => {
      for (const wake of wakes) wake.notify();
    };
    // This process's own commits wake its own relays without a round trip; other keepers hear.
    const tellOthers = createOutboxNotifier(sql, log);
    const notifyOutbox = () => {
      wakeAll();
      tellOthers();
    };
    const base = { sql, log, metrics, signal: stopping.signal, notifyOutbox };
    const owner = `keeper:${config.INSTANCE_ID}:${uuidv7()}`;
    const keys = redisKeys(config.REDIS_KEY_PREFIX);
    const openBlocking = () =>
      connectRedisBlocking(config.REDIS_URL, { name: "keeper-history", log });
    const loops = [
      watchRedis({ ...base, redis, keys, owner }),
      fireTimers({ ...base, wake: timerWake }),
      sweepRows({
        ...base,
        retention: {
          carryingDays: config.HISTORY_CARRYING_DAYS,
          freeDays: config.HISTORY_FREE_DAYS,
        },
      }),
      watchOutbox(base),
      listen({
        ...base,
        databaseUrl: directUrl,
        channel: OUTBOX_CHANNEL,
        applicationName: "keeper-listen",
        onNotification: wakeAll,
        onReady: wakeAll,
      }),
      forEachPartition(base, (work) =>
        keepPartition({
          ...base,
          redis,
          keys,
          owner,
          relayWakes: wakes,
        }, work)),
      forEachPartition(
        base,
        (work) => keepHistory({ ...base, redis, keys, owner, openBlocking }, work),
      ),
    ];
    onStop("loops", async () => {
      stopping.abort();
      await Promise.all(loops);
    });
    return {};
  },
});
