/** Private, durable servers of a bench, in a folder that is removed afterwards. */
import { join } from "node:path";
import { connectSql } from "shared/sql/connect.ts";
import { migrate } from "shared/sql/migrate.ts";
import { chooseLocalPlace, PROJECT_DIR } from "../../../deploy/local/data_dir.ts";
import type { KeptProcess } from "../../../deploy/local/kept_process.ts";
import { startServers } from "../../../deploy/local/servers.ts";

/** The stores of a bench. */
export interface BenchStores {
  readonly databaseUrl: string;
  /** Superuser on another database of the same server. */
  readonly adminDatabaseUrl: string;
  readonly redisUrl: string;
  /** Postgres and Redis, for their CPU time. */
  readonly pids: Readonly<Record<string, number>>;
  /** For faults; it is started again by itself, on the same port with the same data. */
  readonly redis: KeptProcess;
}

const DATABASE = "hexmile_bench";

/**
 * Runs `work` with a migrated database and an empty Redis: every commit waits for the disk, Redis
 * appends to its file and flushes it each second.
 */
export async function withBenchStores(
  name: string,
  stop: AbortSignal,
  work: (stores: BenchStores) => Promise<void>,
): Promise<void> {
  const place = await chooseLocalPlace({ name: `bench-${name}-${Deno.pid}` });
  try {
    const servers = await startServers({ place, durable: true, say: console.log, signal: stop });
    try {
      const databaseUrl = await createDatabase(servers.adminDatabaseUrl);
      const { adminDatabaseUrl, redisUrl, redis } = servers;
      if (redis === undefined) throw new Error("a bench needs a Redis of its own");
      await work({ databaseUrl, adminDatabaseUrl, redisUrl, redis, pids: servers.pids() });
    } finally {
      await servers.stop();
    }
  } finally {
    await Deno.remove(place.dataDir, { recursive: true });
  }
}

async function createDatabase(adminUrl: string): Promise<string> {
  const admin = connectSql(adminUrl, { applicationName: "bench", max: 1 });
  await admin`create database ${admin(DATABASE)}`;
  await admin.end({ timeout: 5 });
  const url = new URL(adminUrl);
  url.pathname = `/${DATABASE}`;
  const folder = join(PROJECT_DIR, "migrations");
  await migrate({ databaseUrl: url.href, folder, log: () => {} });
  return url.href;
}
