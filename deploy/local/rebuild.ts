/** `deno task rebuild`: rebuilds what Redis holds from Postgres, as keeper does after a loss. */
import { createLog } from "shared/log/log.ts";
import { rebuildRedis } from "shared/rebuild/rebuild.ts";
import { connectRedis } from "shared/redis/connect.ts";
import { redisKeys } from "shared/redis/keys.ts";
import { connectSql } from "shared/sql/connect.ts";
import { reasonOf } from "./setup_error.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<number> {
  const databaseUrl = Deno.env.get("DATABASE_URL");
  const redisUrl = Deno.env.get("REDIS_URL");
  if (!databaseUrl || !redisUrl) {
    console.error("Cannot rebuild: DATABASE_URL and REDIS_URL must be set");
    return EXIT_USAGE;
  }
  const log = createLog({ service: "rebuild", level: "error", format: "auto" });
  const sql = connectSql(databaseUrl, { applicationName: "hexmile-rebuild", max: 2 });
  const redis = connectRedis(redisUrl, { name: "hexmile-rebuild", log });
  try {
    await redis.connect();
    const keys = redisKeys(Deno.env.get("REDIS_KEY_PREFIX") ?? "");
    const report = await rebuildRedis({ sql, redis, keys, log });
    console.log(
      `generation ${report.generation}: ${report.partitions} partitions, ` +
        `${report.changes} changes to publish again, ${report.couriers} couriers`,
    );
    return 0;
  } catch (error) {
    console.error(`Cannot rebuild: ${reasonOf(error)}`);
    return EXIT_FAILED;
  } finally {
    redis.disconnect();
    await sql.end({ timeout: 2 });
  }
}

Deno.exit(await main());
