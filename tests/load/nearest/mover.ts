/**
 * Couriers on the move: a flush of 200 fixes at a time, at a fixed rate whatever the answers do, by
 * the script of ingest or by what Redis needs at least. First everybody once.
 */
import { Availability, type Heard } from "shared/availability/availability.ts";
import { isKept } from "shared/availability/fix.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import type { Point } from "shared/geo/point.ts";
import { silentLog } from "shared/log/log.ts";
import { connectRedis } from "shared/redis/connect.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import { readSettings, stopSignal, tell, told } from "../harness/child.ts";
import { FLUSH_FIXES, REGION, type Sender } from "../ingest/settings.ts";
import { type MoverFigures, type MoverSettings, randomPlace, step } from "./settings.ts";

const settings = readSettings<MoverSettings>();
const couriers = JSON.parse(await Deno.readTextFile(settings.couriersFile)) as Sender[];
const redis = connectRedis(settings.redisUrl, { name: "mover", log: silentLog });
await redis.connect();
const keys = redisKeys(settings.prefix);
const partition = partitionOf(REGION, 0);
const availability = new Availability(redis, keys, partition);
const random = createSeededRandom(30_000);
const places: Point[] = couriers.map(() => randomPlace(random));
let refused = 0;

async function flushByScript(indexes: readonly number[]): Promise<void> {
  const recordedAtMs = Date.now();
  const groups = indexes.map((index): Heard => ({
    courierId: couriers[index]?.id ?? "",
    maxSpeedMps: 60,
    fixes: [{ ...places[index] as Point, accuracyM: 6.5, headingDeg: 12.5, recordedAtMs }],
  }));
  for (const { codes } of await availability.applyHeard(groups)) {
    refused += codes.filter((code) => !isKept(code)).length;
  }
}

async function flushByGeoAdd(indexes: readonly number[]): Promise<void> {
  const members = indexes.flatMap((index) => {
    const { lat = 0, lon = 0 } = places[index] ?? {};
    return [lon, lat, couriers[index]?.id ?? ""];
  });
  await redis.geoadd(keys.couriersGeo(partition), ...members);
}

const flush = settings.by === "script" ? flushByScript : flushByGeoAdd;

function indexesOf(number: number): number[] {
  const start = number * FLUSH_FIXES;
  return Array.from({ length: FLUSH_FIXES }, (_, at) => (start + at) % couriers.length);
}

if (settings.by === "script") {
  for (let start = 0; start < couriers.length; start += 1_000) {
    const some = couriers.slice(start, start + 1_000);
    await Promise.all(some.map(({ id }) => availability.applyStatus(id, "available", 1)));
  }
}
const rounds = Math.ceil(couriers.length / FLUSH_FIXES);
for (let number = 0; number < rounds; number++) await flush(indexesOf(number));
tell("ready", couriers.length);
await told();
const signal = stopSignal();
refused = 0;
const startMs = performance.now();
const periodMs = 1_000 * FLUSH_FIXES / settings.movesPerS;
let lagMs = 0;
let moves = 0;
let next = 0;
tell("started");
while (!signal.aborted) {
  const dueMs = startMs + next * periodMs;
  const waitMs = dueMs - performance.now();
  if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
  lagMs = Math.max(lagMs, performance.now() - dueMs);
  const indexes = indexesOf(next++);
  for (const index of indexes) places[index] = step(places[index] as Point, random);
  await flush(indexes);
  moves += indexes.length;
}
const figures: MoverFigures = {
  movesPerS: moves / (performance.now() - startMs) * 1_000,
  refused,
  lagMs,
};
tell("done", moves, figures);
redis.disconnect();
