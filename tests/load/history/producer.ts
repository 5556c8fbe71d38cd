/** Entries of the positions stream as ingest's script writes them, from couriers on the streets. */
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { pause } from "shared/clock/timeout.ts";
import { createLog } from "shared/log/log.ts";
import { connectRedis, startRedis } from "shared/redis/connect.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import { readSettings, stopped, tell, told } from "../harness/child.ts";
import { MIDDLE, REGION } from "../ingest/settings.ts";
import { type BenchCouriers, FIX_EVERY_MS, type HistorySettings } from "./settings.ts";

/** Fixes of one flush of ingest. */
const ENTRY_FIXES = 50;
const ENTRIES_AT_ONCE = 20;
const DEGREES_PER_M = 1 / 111_195;
/** Three kinds of couriers: standing, walking, riding. */
const SPEEDS_MPS = [0, 1.5, 7];
/** Of a turn by a right angle at a fix: a block takes a courier some 20 s. */
const TURN = 0.15;
const NOISE_M = 3;

const { redisUrl, prefix, couriersFile, ratePerS, fixesEach } = readSettings<HistorySettings>();
const { ids, carrying } = JSON.parse(await Deno.readTextFile(couriersFile)) as BenchCouriers;
const busy = new Set(carrying);
const random = createSeededRandom(1);
const couriers = ids.map((id, index) => ({
  id,
  status: busy.has(id) ? "busy" : "available",
  speedMps: SPEEDS_MPS[index % SPEEDS_MPS.length] ?? 0,
  heading: random() * 2 * Math.PI,
  north: random() * 20_000 - 10_000,
  east: random() * 20_000 - 10_000,
}));

/** An entry of couriers from `start` on, all of whom have moved on by three seconds. */
function entryOf(start: number, atMs: number): string {
  const elements: string[] = [];
  for (const courier of couriers.slice(start, start + ENTRY_FIXES)) {
    if (random() < TURN) courier.heading += random() < 0.5 ? Math.PI / 2 : -Math.PI / 2;
    const wayM = courier.speedMps * FIX_EVERY_MS / 1_000;
    courier.north += Math.cos(courier.heading) * wayM;
    courier.east += Math.sin(courier.heading) * wayM;
    const noise = () => (random() - 0.5) * 2 * NOISE_M;
    const lat = MIDDLE.lat + (courier.north + noise()) * DEGREES_PER_M;
    const lon = MIDDLE.lon + (courier.east + noise()) * DEGREES_PER_M * 1.87;
    const fix = `[${atMs - 40},${lat.toFixed(7)},${lon.toFixed(7)},5,90,${courier.speedMps}]`;
    elements.push(`{"c":"${courier.id}","s":"${courier.status}","v":1,"r":0,"f":[${fix}],"k":"a"}`);
  }
  return `[${elements.join(",")}]`;
}

const log = createLog({ service: "producer", level: "warn", format: "pretty" });
const redis = connectRedis(redisUrl, { name: "bench-producer", log });
await startRedis(redis);
const stream = redisKeys(prefix).positions(partitionOf(REGION, 0));
const perRound = Math.ceil(couriers.length / ENTRY_FIXES);
const entries = perRound * fixesEach;
tell("ready");
await told();
tell("started");
const startedMs = Date.now();
// Without a rate the entries are a backlog: they were made as if they had come at their times.
const backlogMs = startedMs - fixesEach * FIX_EVERY_MS;
for (let entry = 0; entry < entries; entry += ENTRIES_AT_ONCE) {
  const pipeline = redis.pipeline();
  for (let next = entry; next < Math.min(entries, entry + ENTRIES_AT_ONCE); next++) {
    const dueMs = Math.floor(next / perRound) * FIX_EVERY_MS + (next % perRound) / perRound *
        FIX_EVERY_MS;
    const atMs = Math.round(ratePerS === 0 ? backlogMs + dueMs : Date.now());
    const text = entryOf((next % perRound) * ENTRY_FIXES, atMs);
    pipeline.xadd(stream, `${ratePerS === 0 ? atMs : Date.now()}-*`, "at", atMs, "couriers", text);
  }
  const answers = await pipeline.exec();
  const failed = answers?.find(([error]) => error !== null);
  if (failed !== undefined) throw failed[0];
  if (ratePerS === 0) continue;
  const aheadMs = (entry + ENTRIES_AT_ONCE) * ENTRY_FIXES / ratePerS * 1_000 -
    (Date.now() - startedMs);
  if (aheadMs > 0) await pause(aheadMs);
}
tell("done", couriers.length * fixesEach);
await stopped();
redis.disconnect();
