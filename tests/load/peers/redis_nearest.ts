/**
 * The yardstick: GEOSEARCH of the 20 nearest, asked by one process with some searches under way, so
 * that Redis never waits. No attributes, no freshness: only places.
 */
import { Redis } from "ioredis";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import { readSettings, stopped, tell, told } from "../harness/child.ts";
import { REGION } from "../ingest/settings.ts";
import {
  LIMIT,
  quantile,
  randomPlace,
  type SearcherSettings,
  type SearchFigures,
} from "../nearest/settings.ts";

const IN_FLIGHT = 4;

const { redisUrl, prefix, phases } = readSettings<SearcherSettings>();
const redis = new Redis(redisUrl);
const geo = redisKeys(prefix).couriersGeo(partitionOf(REGION, 0));
const random = createSeededRandom(20);

async function search(radiusM: number): Promise<number> {
  const { lat, lon } = randomPlace(random);
  const found = await redis.geosearch(
    geo,
    "FROMLONLAT",
    lon,
    lat,
    "BYRADIUS",
    radiusM,
    "m",
    "ASC",
    "COUNT",
    LIMIT,
    "WITHDIST",
  );
  return found.length;
}

tell("ready", await redis.zcard(geo));
for (const { radiusM, seconds } of phases) {
  await told();
  tell("started");
  const untilMs = performance.now() + seconds * 1_000;
  const tookUs: number[] = [];
  let found = 0;
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (performance.now() < untilMs) {
      const startMs = performance.now();
      const count = await search(radiusM);
      found += count;
      tookUs.push((performance.now() - startMs) * 1_000);
    }
  }));
  const took = Float64Array.from(tookUs).sort();
  const figures: Pick<SearchFigures, "p50Us" | "p99Us" | "maxUs" | "found"> = {
    p50Us: quantile(took, 0.5),
    p99Us: quantile(took, 0.99),
    maxUs: took.at(-1) ?? NaN,
    found,
  };
  tell("done", tookUs.length, figures);
}
await stopped();
redis.disconnect();
