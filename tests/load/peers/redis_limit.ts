/**
 * The limit of batches: what Redis takes from one process that does nothing but write. For each 200
 * fixes one GEOADD of all, one HSET of four fields for each courier, and one XADD.
 */
import { Redis } from "ioredis";
import { readSettings, stopped, tell, told } from "../harness/child.ts";
import { FLUSH_FIXES, type LimitSettings, MIDDLE } from "../ingest/settings.ts";

const { redisUrl, prefix, couriers, points, fixes } = readSettings<LimitSettings>();
/** Flushes under way at once, so that Redis never waits. */
const IN_FLIGHT = 4;

const redis = new Redis(redisUrl);
const ids = Array.from({ length: couriers }, () => crypto.randomUUID());

async function flush(number: number): Promise<void> {
  const pipeline = redis.pipeline();
  const places: (string | number)[] = [];
  const streamed: string[] = [];
  for (let at = 0; at < FLUSH_FIXES; at++) {
    const id = ids[Math.floor((number * FLUSH_FIXES + at) / points) % couriers] ?? "";
    const lat = MIDDLE.lat + (at % 100) * 1e-4;
    const atMs = Date.now();
    places.push(MIDDLE.lon, lat, id);
    streamed.push(`["${id}",${atMs},${lat},${MIDDLE.lon},6.5,12.5,8.25]`);
    if (at % points === points - 1 || points === 1) {
      pipeline.hset(
        `${prefix}courier:${id}`,
        "lat",
        lat,
        "lon",
        MIDDLE.lon,
        "at",
        atMs,
        "acc",
        6.5,
      );
    }
  }
  pipeline.geoadd(`${prefix}geo`, ...places);
  pipeline.xadd(`${prefix}positions`, "*", "fixes", `[${streamed.join()}]`);
  await pipeline.exec();
}

async function flushAll(total: number): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (next < total) await flush(next++);
  }));
}

await flushAll(100);
tell("ready");
await told();
tell("started");
const flushes = Math.ceil(fixes / FLUSH_FIXES);
await flushAll(flushes);
tell("done", flushes * FLUSH_FIXES);
await stopped();
redis.disconnect();
