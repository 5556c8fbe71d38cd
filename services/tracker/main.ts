import { Credentials } from "shared/auth/credentials.ts";
import { speedOnlyInDemo } from "shared/config/fields.ts";
import { connectRedis, connectRedisBlocking, startRedis } from "shared/redis/connect.ts";
import { redisKeys } from "shared/redis/keys.ts";
import { runService } from "shared/service/run_service.ts";
import { connectSql } from "shared/sql/connect.ts";
import { requireSchema } from "shared/sql/migrate.ts";
import { SCHEMA_VERSION } from "shared/sql/schema_version.ts";
import { createApp } from "./app.ts";
import { Channels } from "./channels.ts";
import { trackerFields } from "./config.ts";
import { LiveConnections } from "shared/auth/live_connections.ts";
import { createTrackerMetrics } from "./metrics.ts";
import { projectPartitions } from "./project_partitions.ts";
import { TrackLog } from "./track_log.ts";

await runService({
  name: "tracker",
  fields: trackerFields,
  rules: [speedOnlyInDemo],
  start: async ({ config, log, metrics: serviceMetrics, health, onStop }) => {
    const sql = connectSql(config.DATABASE_URL, { applicationName: "tracker", max: 4 });
    onStop("postgres", () => sql.end({ timeout: 2 }));
    await requireSchema(sql, SCHEMA_VERSION);
    const redis = connectRedis(config.REDIS_URL, { name: "tracker", log });
    const subscriber = connectRedisBlocking(config.REDIS_URL, { name: "tracker-channels", log });
    onStop("redis", () => {
      redis.disconnect();
      subscriber.disconnect();
      return Promise.resolve();
    });
    await Promise.all([startRedis(redis), startRedis(subscriber)]);
    health.add("postgres", () => sql`select 1`, { required: true });
    health.add("redis", () => redis.ping(), { required: true });

    const keys = redisKeys(config.REDIS_KEY_PREFIX);
    const metrics = createTrackerMetrics(serviceMetrics.registry);
    const trackLog = new TrackLog(redis, keys);
    const stopping = new AbortController();
    const tokenIssuer = config.TOKEN_ISSUER;
    const credentials = new Credentials({ sql, redis, keys, log, tokenIssuer });
    const live = new LiveConnections(credentials.revocations);
    const guarding = [
      credentials.run(stopping.signal),
      live.run(sql, log, stopping.signal),
    ];
    const projecting = projectPartitions({
      sql,
      redis,
      keys,
      trackLog,
      metrics,
      log,
      signal: stopping.signal,
      instanceId: config.INSTANCE_ID,
      openBlocking: () => connectRedisBlocking(config.REDIS_URL, { name: "tracker-streams", log }),
    });
    onStop("projector", async () => {
      stopping.abort();
      await Promise.all([projecting, ...guarding]);
    });
    return createApp({
      sql,
      redis,
      keys,
      channels: new Channels(subscriber, log),
      trackLog,
      credentials,
      live,
      metrics,
      serviceMetrics,
      log,
      corsOrigins: config.CORS_ORIGINS,
      trustedProxies: config.TRUSTED_PROXIES,
    });
  },
});
