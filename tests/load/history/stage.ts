/** The stage as keeper runs it, in a process of its own, so that its CPU time is known. */
import { Registry } from "prom-client";
import { pause } from "shared/clock/timeout.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { createLog } from "shared/log/log.ts";
import { connectRedis, connectRedisBlocking, startRedis } from "shared/redis/connect.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import { readRegions } from "shared/regions/region.ts";
import { connectSql } from "shared/sql/connect.ts";
import { keepHistory } from "../../../services/keeper/keep_history.ts";
import { createKeeperMetrics } from "../../../services/keeper/metrics.ts";
import { readSettings, stopSignal, tell } from "../harness/child.ts";
import { REGION } from "../ingest/settings.ts";
import type { BenchCouriers, HistorySettings, StageFigures } from "./settings.ts";

const POLL_MS = 100;

const { databaseUrl, redisUrl, prefix, couriersFile, fixesEach } = readSettings<HistorySettings>();
const { ids } = JSON.parse(await Deno.readTextFile(couriersFile)) as BenchCouriers;
const log = createLog({ service: "history", level: "warn", format: "pretty" });
const signal = stopSignal();
const sql = connectSql(databaseUrl, { applicationName: "bench-history", max: 6 });
const redis = connectRedis(redisUrl, { name: "bench-history", log });
await startRedis(redis);
const metrics = createKeeperMetrics(new Registry());
const [region] = await readRegions(sql);
if (region === undefined) throw new Error("the bench has no region");
const keeping = keepHistory({
  sql,
  redis,
  keys: redisKeys(prefix),
  metrics,
  log,
  signal,
  owner: `bench:${uuidv7()}`,
  openBlocking: () => connectRedisBlocking(redisUrl, { name: "bench-history-read", log }),
}, { region, shard: 0, partition: partitionOf(REGION, 0) });
tell("ready");

const valueOf = async (metric: { get(): Promise<{ values: { value: number }[] }> }) =>
  (await metric.get()).values[0]?.value ?? 0;
let maxLagS = 0;
while (!signal.aborted) {
  await pause(POLL_MS, signal);
  maxLagS = Math.max(maxLagS, await valueOf(metrics.historyLag));
  const fixes = await valueOf(metrics.historyFixes);
  if (fixes < ids.length * fixesEach) continue;
  const rows = await valueOf(metrics.historyRows);
  const rssMb = Math.round(Deno.memoryUsage().rss / 2 ** 20);
  tell("done", fixes, { rows, maxLagS, rssMb } satisfies StageFigures);
  break;
}
await keeping;
await sql.end({ timeout: 2 });
redis.disconnect();
