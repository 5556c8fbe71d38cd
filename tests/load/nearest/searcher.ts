/**
 * A process that holds the grid: it loads it from Redis and Postgres, follows the streams as any
 * process does, and searches as fast as it can, in slices between which the event loop runs.
 */
import { Availability } from "shared/availability/availability.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { distanceM } from "shared/geo/distance.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { silentLog } from "shared/log/log.ts";
import { CourierFollower } from "shared/nearest/courier_follower.ts";
import { CourierProfiles } from "shared/nearest/courier_profiles.ts";
import { LiveCouriers } from "shared/nearest/live_couriers.ts";
import type { CourierFilter } from "shared/nearest/nearest_couriers.ts";
import { connectRedis, connectRedisBlocking } from "shared/redis/connect.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import { connectSql } from "shared/sql/connect.ts";
import { readSettings, stopped, tell, told } from "../harness/child.ts";
import { REGION } from "../ingest/settings.ts";
import {
  LIMIT,
  type LoadFigures,
  type Phase,
  quantile,
  randomPlace,
  type SearcherSettings,
  type SearchFigures,
} from "./settings.ts";

const SLICE_MS = 3;
const MARKERS = 20;
/** Each marker stays below the limit of one fix a second with its burst. */
const MARK_EVERY_MS = 20;

const settings = readSettings<SearcherSettings>();
const sql = connectSql(settings.databaseUrl, { applicationName: "searcher", max: 2 });
const redis = connectRedisBlocking(settings.redisUrl, { name: "searcher", log: silentLog });
const marking = connectRedis(settings.redisUrl, { name: "marker", log: silentLog });
await Promise.all([redis.connect(), marking.connect()]);
const keys = redisKeys(settings.prefix);
const partition = partitionOf(REGION, 0);
const stopping = new AbortController();
const live = new LiveCouriers();
const profiles = new CourierProfiles({ sql, region: REGION, shard: 0, live, log: silentLog });
const follower = new CourierFollower(live, {
  keys,
  partition,
  redis,
  log: silentLog,
  signal: stopping.signal,
  profiles,
});
const random = createSeededRandom(20);
const ids = (await sql<{ id: string }[]>`select id from couriers`).map(({ id }) => id);

/**
 * Lets others run. Not by setImmediate: while one is always pending, Deno takes some 60 turns for
 * each exchange with Redis.
 */
function others(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** The same by looking at everybody, through nothing but each courier's own place. */
function countMismatches(phase: Phase): number {
  const center = randomPlace(random);
  const nowMs = performance.now();
  const found = live.nearest({ center, radiusM: phase.radiusM, limit: LIMIT, filter: {} }, nowMs);
  const all = ids.flatMap((id) => {
    const place = live.find(id);
    if (place === undefined) return [];
    const lengthM = distanceM(center, place.point);
    return lengthM <= phase.radiusM ? [{ id, lengthM }] : [];
  }).sort((a, b) => a.lengthM - b.lengthM || (a.id < b.id ? -1 : 1)).slice(0, LIMIT);
  const isSame = all.length === found.length &&
    all.every(({ id, lengthM }, index) =>
      found[index]?.profile.id === id && found[index]?.distanceM === lengthM
    );
  return isSame ? 0 : 1;
}

/** Sends fixes of couriers of its own until the time is over; how long each took to be seen. */
async function watchMarkers(untilMs: number): Promise<number[]> {
  const availability = new Availability(marking, keys, partition);
  const markers = Array.from({ length: MARKERS }, () => uuidv7());
  for (const id of markers) await availability.applyStatus(id, "available", 1);
  const visibleMs: number[] = [];
  let lat = 10;
  for (let turn = 0; performance.now() < untilMs; turn++) {
    const courierId = markers[turn % MARKERS] ?? "";
    lat += 1e-5;
    const fix = { lat, lon: 10, recordedAtMs: Date.now() };
    await availability.applyHeard([{ courierId, maxSpeedMps: 60, fixes: [fix] }]);
    const ackedMs = performance.now();
    while (live.find(courierId)?.point.lat !== lat && performance.now() < untilMs + 5_000) {
      await others();
    }
    visibleMs.push(performance.now() - ackedMs);
    await new Promise((resolve) => setTimeout(resolve, MARK_EVERY_MS));
  }
  return visibleMs;
}

async function run(phase: Phase): Promise<{ count: number; figures: SearchFigures }> {
  const { kind, radiusM, isRare } = phase;
  const filter: CourierFilter = isRare ? { skills: ["medicine"] } : {};
  const untilMs = performance.now() + phase.seconds * 1_000;
  const marked = kind === "visible" ? watchMarkers(untilMs) : Promise.resolve([]);
  const tookUs: number[] = [];
  const pausesMs: number[] = [];
  let found = 0;
  let mismatches = 0;
  let count = 0;
  while (performance.now() < untilMs) {
    const sliceEndMs = performance.now() + SLICE_MS;
    do {
      count++;
      if (kind === "check") mismatches += countMismatches(phase);
      else {
        const center = randomPlace(random);
        const startMs = performance.now();
        const couriers = live.nearest({ center, radiusM, limit: LIMIT, filter }, startMs);
        tookUs.push((performance.now() - startMs) * 1_000);
        found += couriers.length;
      }
    } while (performance.now() < sliceEndMs);
    const yieldedMs = performance.now();
    await others();
    pausesMs.push(performance.now() - yieldedMs);
  }
  const took = Float64Array.from(tookUs).sort();
  const pauses = Float64Array.from(pausesMs).sort();
  const visible = Float64Array.from(await marked).sort();
  return {
    count,
    figures: {
      p50Us: quantile(took, 0.5),
      p99Us: quantile(took, 0.99),
      maxUs: took.at(-1) ?? NaN,
      pauseP99Ms: quantile(pauses, 0.99),
      pauseMaxMs: pauses.at(-1) ?? NaN,
      found,
      mismatches,
      visibleP50Ms: quantile(visible, 0.5),
      visibleP99Ms: quantile(visible, 0.99),
      visibleMaxMs: visible.at(-1) ?? NaN,
    },
  };
}

const startMs = performance.now();
await follower.load();
const loadMs = performance.now() - startMs;
const followed = follower.follow();
const againMs = performance.now();
await profiles.load();
const figures: LoadFigures = { loadMs, profilesMs: performance.now() - againMs };
tell("ready", live.count, figures);
for (const phase of settings.phases) {
  await told();
  tell("started");
  const { count, figures } = await run(phase);
  tell("done", count, figures);
}
await stopped();
stopping.abort();
await followed;
marking.disconnect();
await sql.end({ timeout: 2 });
