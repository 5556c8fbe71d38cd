import { speedOnlyInDemo } from "shared/config/fields.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { createOutboxNotifier } from "shared/outbox/notifier.ts";
import { connectRedis, connectRedisBlocking, startRedis } from "shared/redis/connect.ts";
import { redisKeys } from "shared/redis/keys.ts";
import { forEachPartition } from "shared/regions/partitions.ts";
import { Regions } from "shared/regions/region.ts";
import { runService } from "shared/service/run_service.ts";
import { connectSql } from "shared/sql/connect.ts";
import { requireSchema } from "shared/sql/migrate.ts";
import { SCHEMA_VERSION } from "shared/sql/schema_version.ts";
import { matcherFields } from "./config.ts";
import { dispatchPartition } from "./dispatch_partition.ts";
import { createMatcherMetrics } from "./metrics.ts";

await runService({
  name: "matcher",
  fields: matcherFields,
  rules: [speedOnlyInDemo],
  start: async ({ config, log, metrics, health, onStop }) => {
    const sql = connectSql(config.DATABASE_URL, { applicationName: "matcher", max: 4 });
    onStop("postgres", () => sql.end({ timeout: 2 }));
    await requireSchema(sql, SCHEMA_VERSION);
    const redis = connectRedis(config.REDIS_URL, { name: "matcher", log });
    onStop("redis", () => Promise.resolve(redis.disconnect()));
    await startRedis(redis);
    health.add("postgres", () => sql`select 1`, { required: true });
    // Without it dispatch goes on from Postgres, once a second.
    health.add("redis", () => redis.ping(), { required: false });
    const stopping = new AbortController();
    const options = {
      sql,
      redis,
      keys: redisKeys(config.REDIS_KEY_PREFIX),
      regions: new Regions(sql),
      metrics: createMatcherMetrics(metrics.registry),
      log,
      signal: stopping.signal,
      owner: `matcher:${config.INSTANCE_ID}:${uuidv7()}`,
      tickMs: config.TICK_MS,
      openBlocking: () => connectRedisBlocking(config.REDIS_URL, { name: "matcher-streams", log }),
      notifyOutbox: createOutboxNotifier(sql, log),
    };
    const dispatching = forEachPartition(options, (work) => dispatchPartition(options, work));
    onStop("dispatch", async () => {
      stopping.abort();
      await dispatching;
    });
    return {};
  },
});
