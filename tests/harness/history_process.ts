/** An owner of the position history as a process of its own, for tests that kill it. */
import { Registry } from "prom-client";
import { uuidv7 } from "shared/ids/uuid.ts";
import { silentLog } from "shared/log/log.ts";
import { connectRedis, connectRedisBlocking } from "shared/redis/connect.ts";
import { redisKeys } from "shared/redis/keys.ts";
import { readRegions } from "shared/regions/region.ts";
import { connectSql } from "shared/sql/connect.ts";
import { keepHistory } from "../../services/keeper/keep_history.ts";
import { createKeeperMetrics } from "../../services/keeper/metrics.ts";
import { PARTITION } from "./outbox.ts";

const [databaseUrl = "", redisUrl = "", prefix = ""] = Deno.args;
const name = "history-process";
const sql = connectSql(databaseUrl, { applicationName: name, max: 4 });
const redis = connectRedis(redisUrl, { name, log: silentLog });
await redis.connect();
const [region] = await readRegions(sql);
if (region === undefined) throw new Error("the world has no region");
await keepHistory({
  sql,
  redis,
  keys: redisKeys(prefix),
  metrics: createKeeperMetrics(new Registry()),
  log: silentLog,
  // It is killed, never asked to stop.
  signal: new AbortController().signal,
  owner: `test:${uuidv7()}`,
  openBlocking: () => connectRedisBlocking(redisUrl, { name, log: silentLog }),
  lingerMs: 30,
}, { region, shard: 0, partition: PARTITION });
