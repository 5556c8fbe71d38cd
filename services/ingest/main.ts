import { Credentials } from "shared/auth/credentials.ts";
import { LiveConnections } from "shared/auth/live_connections.ts";
import { Availability } from "shared/availability/availability.ts";
import { speedOnlyInDemo } from "shared/config/fields.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { connectRedis, connectRedisBlocking, startRedis } from "shared/redis/connect.ts";
import { redisKeys } from "shared/redis/keys.ts";
import { runService } from "shared/service/run_service.ts";
import { connectSql } from "shared/sql/connect.ts";
import { requireSchema } from "shared/sql/migrate.ts";
import { SCHEMA_VERSION } from "shared/sql/schema_version.ts";
import { consumeRegions } from "shared/streams/region_consumers.ts";
import { Limiter } from "shared/limits/limiter.ts";
import { createApp } from "./app.ts";
import { ingestFields } from "./config.ts";
import { CourierDirectory } from "./courier_directory.ts";
import { LastPositions } from "./last_positions.ts";
import { createIngestMetrics } from "./metrics.ts";
import { ParcelRecorder } from "./parcel_recorder.ts";
import { PrincipalCache } from "./principal_cache.ts";
import { FixRecorder } from "./record_fix.ts";
import { SilenceWatch } from "./silence_watch.ts";

await runService({
  name: "ingest",
  fields: ingestFields,
  rules: [speedOnlyInDemo],
  start: async ({ config, log, metrics, health, onStop }) => {
    const sql = connectSql(config.DATABASE_URL, { applicationName: "ingest", max: 4 });
    onStop("postgres", () => sql.end({ timeout: 2 }));
    await requireSchema(sql, SCHEMA_VERSION);
    const redis = connectRedis(config.REDIS_URL, { name: "ingest", log });
    onStop("redis", () => Promise.resolve(redis.disconnect()));
    await startRedis(redis);
    health.add("postgres", () => sql`select 1`, { required: true });
    // Without it positions go to Postgres: see DegradedPositions.
    health.add("redis", () => redis.ping(), { required: false });

    const keys = redisKeys(config.REDIS_KEY_PREFIX);
    const stopping = new AbortController();
    const lastPositions = new LastPositions(sql, log);
    const flushing = lastPositions.run(stopping.signal);
    const tokenIssuer = config.TOKEN_ISSUER;
    const credentials = new Credentials({ sql, redis, keys, log, tokenIssuer });
    const following = credentials.run(stopping.signal);
    const connections = new LiveConnections(credentials.revocations);
    const checking = connections.run(sql, log, stopping.signal);
    const silenceWatch = new SilenceWatch();
    const watching = silenceWatch.run(stopping.signal);
    const ingestMetrics = createIngestMetrics(metrics.registry);
    const recorder = new FixRecorder({
      sql,
      redis,
      keys,
      directory: new CourierDirectory(sql, { speed: config.SPEED }),
      lastPositions,
      metrics: ingestMetrics,
      log,
    });
    const limiter = new Limiter({ redis, keys });
    const parcels = new ParcelRecorder({
      sql,
      redis,
      keys,
      limiter,
      metrics: ingestMetrics,
      log,
    });
    const degrading = recorder.degraded.run(stopping.signal);
    const consuming = consumeRegions({
      group: "ingest",
      keys,
      sql,
      redis,
      openBlocking: () => connectRedisBlocking(config.REDIS_URL, { name: "ingest-events", log }),
      owner: `ingest:${config.INSTANCE_ID}:${uuidv7()}`,
      log,
      signal: stopping.signal,
      handle: async (event, { partition }) => {
        if (event.type !== "courier.availability_changed") return;
        const { courierId, status, courierVersion } = event.data;
        // Idempotent by the version: no record of the event id is needed.
        await new Availability(redis, keys, partition).applyStatus(
          courierId,
          status,
          courierVersion,
        );
      },
    });
    onStop("loops", async () => {
      // Then the last copy of positions has all that was acknowledged.
      await recorder.stop();
      stopping.abort();
      await Promise.all([flushing, following, checking, watching, degrading, consuming]);
    });

    return createApp({
      recorder,
      parcels,
      principals: new PrincipalCache(credentials),
      connections,
      silenceWatch,
      redis,
      keys,
      ingestMetrics,
      log,
      metrics,
      corsOrigins: config.CORS_ORIGINS,
      trustedProxies: config.TRUSTED_PROXIES,
    });
  },
});
