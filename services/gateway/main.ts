import { Credentials } from "shared/auth/credentials.ts";
import { Cache, type CacheResult } from "shared/cache/cache.ts";
import { PasswordHasher } from "shared/auth/password_hasher.ts";
import { deriveSecrets } from "shared/auth/server_secrets.ts";
import { SigningKeys } from "shared/auth/signing_keys.ts";
import { loadCity } from "shared/city/load_city.ts";
import { speedOnlyInDemo } from "shared/config/fields.ts";
import { createOutboxNotifier } from "shared/outbox/notifier.ts";
import { connectRedis, connectRedisBlocking, startRedis } from "shared/redis/connect.ts";
import { redisKeys } from "shared/redis/keys.ts";
import { forEachPartition } from "shared/regions/partitions.ts";
import { Regions } from "shared/regions/region.ts";
import { createEmbeddedRouter } from "shared/routing/embedded_router.ts";
import { runService } from "shared/service/run_service.ts";
import { connectSql } from "shared/sql/connect.ts";
import { requireSchema } from "shared/sql/migrate.ts";
import { SCHEMA_VERSION } from "shared/sql/schema_version.ts";
import { drawableMap } from "shared/streets/drawable_map.ts";
import { createApp } from "./app.ts";
import { gatewayFields } from "./config.ts";
import { createGatewayMetrics } from "./metrics.ts";
import { strongTag } from "./middleware/http_cache.ts";
import { createLimits } from "./middleware/limits.ts";
import { NearestCouriers } from "./nearest_couriers.ts";
import { OrderCache } from "./order_cache.ts";
import { OrderReads } from "./order_reads.ts";
import type { RegionStreets } from "./deps.ts";
import { followOrders } from "./follow_orders.ts";
import { limitPolicies } from "./limit_config.ts";
import { PlacementWriter } from "./write_placements.ts";
import { Zones } from "./zones.ts";

/**
 * Requests of a busy time set out together, in groups this far apart, and are then read and written
 * together all the way: at 700 orders/s that halves what an order costs.
 */
const REQUEST_PACE_MS = 5;
const ASSETS = new URL("../console/public/", import.meta.url);

await runService({
  name: "gateway",
  fields: gatewayFields,
  rules: [speedOnlyInDemo],
  start: async ({ config, log, metrics, health, onStop }) => {
    const sql = connectSql(config.DATABASE_URL, { applicationName: "gateway", max: 10 });
    onStop("postgres", () => sql.end({ timeout: 2 }));
    await requireSchema(sql, SCHEMA_VERSION);
    const redis = connectRedis(config.REDIS_URL, { name: "gateway", log, isPipelined: true });
    onStop("redis", () => Promise.resolve(redis.disconnect()));
    await startRedis(redis);
    const hasher = new PasswordHasher();
    onStop("password hasher", () => Promise.resolve(hasher.close()));
    health.add("postgres", () => sql`select 1`, { required: true });
    // Orders go on without Redis (DESIGN §11), so it only degrades.
    health.add("redis", () => redis.ping(), { required: false });
    const keys = redisKeys(config.REDIS_KEY_PREFIX);
    const secrets = await deriveSecrets(config.SECRET_KEY);
    const signingKeys = new SigningKeys({ sql, secrets, log });
    // Now and not at the first token: verifiers that look meanwhile find it.
    await signingKeys.current();
    const tokenIssuer = config.TOKEN_ISSUER;
    const paceMs = REQUEST_PACE_MS;
    const credentials = new Credentials({ sql, redis, keys, log, tokenIssuer, paceMs });
    const stopping = new AbortController();
    const following = credentials.run(stopping.signal);
    onStop("credentials", async () => {
      stopping.abort();
      await following;
    });
    const publicUrl = config.PUBLIC_URL.replace(/\/$/, "");
    const counters = createGatewayMetrics(metrics.registry);
    const onRead = (cache: string, result: CacheResult) =>
      counters.cacheReads.inc({ cache: cache.replace(/-\d+$/, ""), result });
    const cache = new Cache({ redis, keys, onRead });
    const orderCache = new OrderCache(cache, sql);
    const { signal } = stopping;
    const followingOrders = forEachPartition(
      { sql, log, signal },
      ({ partition }) => followOrders({ redis, keys, partition, orders: orderCache, log, signal }),
    );
    onStop("changed orders", () => {
      stopping.abort();
      return followingOrders;
    });
    const nearest = new NearestCouriers({
      sql,
      redis,
      keys,
      log,
      metrics: counters,
      openBlocking: () => connectRedisBlocking(config.REDIS_URL, { name: "gateway-streams", log }),
    });
    onStop("courier grids", () => nearest.close());
    return createApp({
      sql,
      cache,
      orderCache,
      reads: new OrderReads(sql),
      placements: new PlacementWriter({
        sql,
        publicUrl,
        onGroup: (placements) => counters.placementGroups.observe(placements),
      }),
      limits: createLimits(limitPolicies(config), { redis, keys, metrics: counters }),
      redis,
      keys,
      credentials,
      signingKeys,
      hasher,
      secrets,
      regions: new Regions(sql),
      zones: new Zones(sql),
      nearest,
      streets: await loadStreets(config.CITIES),
      notifyOutbox: createOutboxNotifier(sql, log),
      log,
      metrics,
      publicUrl,
      trackerUrl: config.TRACKER_URL.replace(/\/$/, ""),
      corsOrigins: config.CORS_ORIGINS,
      trustedProxies: config.TRUSTED_PROXIES,
      speed: config.SPEED,
      demoPassword: config.HEXMILE_DEMO ? config.DEMO_PASSWORD : undefined,
      readAsset,
    });
  },
});

async function loadStreets(folders: readonly string[]): Promise<Map<string, RegionStreets>> {
  const streets = new Map<string, RegionStreets>();
  for (const folder of folders) {
    const city = await loadCity(folder);
    const mapGzip = await gzip(JSON.stringify(drawableMap(city.network)));
    streets.set(city.region.id, {
      router: createEmbeddedRouter(city.network, { warmUp: ["motorcycle"] }),
      mapGzip,
      mapTag: await strongTag(mapGzip),
      attribution: city.attribution,
    });
  }
  return streets;
}

async function gzip(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Names are checked by the route, so they cannot leave the folder. */
async function readAsset(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(new URL(name, ASSETS));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
