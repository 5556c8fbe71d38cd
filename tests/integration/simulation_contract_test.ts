/** The contract that the simulated servers keep, held against the real ones. */
import { holdPostgresContract } from "../simulation/contract/postgres_contract.ts";
import { holdRedisContract } from "../simulation/contract/redis_contract.ts";
import type { ContractStores } from "../simulation/contract/stores.ts";
import { withStores } from "../harness/with_stores.ts";

function onServers(name: string, use: (stores: ContractStores) => Promise<void>): void {
  Deno.test(`on the servers: ${name}`, async () => {
    await withStores(async ({ sql, redis, prefix, openBlocking }) => {
      await use({
        sql,
        redis,
        prefix,
        openRedis: async () => {
          const connection = openBlocking();
          await connection.connect();
          return connection;
        },
        isWaitingForLock: async () => {
          const waiting = await sql`
            select 1 from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'`;
          return waiting.length > 0;
        },
        close: () => Promise.resolve(),
      });
    });
  });
}

holdPostgresContract(onServers);
holdRedisContract(onServers);
