/**
 * A real Postgres and a real Redis for one test file: a database of its own copied from the
 * migrated template, and a key prefix of its own. `deploy/local/run_tests.ts` starts the servers.
 */
import { silentLog } from "shared/log/log.ts";
import { connectRedis, connectRedisBlocking, type Redis } from "shared/redis/connect.ts";
import { type RedisKeys, redisKeys } from "shared/redis/keys.ts";
import { connectSql, type Sql } from "shared/sql/connect.ts";

/** The stores of one test file. */
export interface TestStores {
  readonly sql: Sql;
  readonly databaseUrl: string;
  readonly redis: Redis;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly keys: RedisKeys;
  /** A connection that a blocking read may hold; closed with the stores. */
  openBlocking(): Redis;
  close(): Promise<void>;
}

/** Opens the stores of a file. Close them in the file's last step. */
export async function openTestStores(): Promise<TestStores> {
  const adminUrl = required("TEST_ADMIN_DATABASE_URL");
  const template = required("TEST_TEMPLATE_DATABASE");
  const redisUrl = required("TEST_REDIS_URL");
  const name = `test_${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
  await asAdmin(adminUrl, async (admin) => {
    await admin`create database ${admin(name)} template ${admin(template)}`;
  });
  const databaseUrl = new URL(adminUrl);
  databaseUrl.pathname = `/${name}`;
  const sql = connectSql(databaseUrl.href, { applicationName: name, max: 10 });
  const prefix = `${name}:`;
  const opened: Redis[] = [];
  const keep = (redis: Redis) => {
    opened.push(redis);
    return redis;
  };
  const redis = keep(connectRedis(redisUrl, { name, log: silentLog }));
  await redis.connect();
  return {
    sql,
    databaseUrl: databaseUrl.href,
    redis,
    redisUrl,
    prefix,
    keys: redisKeys(prefix),
    openBlocking: () => keep(connectRedisBlocking(redisUrl, { name, log: silentLog })),
    close: async () => {
      await sql.end({ timeout: 5 });
      for (const connection of opened) connection.disconnect();
      await asAdmin(adminUrl, async (admin) => {
        await admin`drop database ${admin(name)} with (force)`;
      });
    },
  };
}

async function asAdmin(url: string, work: (admin: Sql) => Promise<void>): Promise<void> {
  const admin = connectSql(url, { applicationName: "hexmile-tests", max: 1 });
  try {
    await work(admin);
  } finally {
    await admin.end({ timeout: 5 });
  }
}

function required(name: string): string {
  const value = Deno.env.get(name);
  if (value === undefined) {
    throw new Error(`Cannot run: ${name} must be set: run deno task test:integration`);
  }
  return value;
}
