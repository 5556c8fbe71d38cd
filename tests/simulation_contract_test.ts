/** The contract of the servers, held against the doubles; the same on real ones is in integration. */
import { holdPostgresContract } from "./simulation/contract/postgres_contract.ts";
import { holdRedisContract } from "./simulation/contract/redis_contract.ts";
import { type ContractStores, openDoubles } from "./simulation/contract/stores.ts";

function onDoubles(name: string, use: (stores: ContractStores) => Promise<void>): void {
  Deno.test(`on the doubles: ${name}`, async () => {
    const stores = await openDoubles();
    try {
      await use(stores);
    } finally {
      await stores.close();
    }
  });
}

holdPostgresContract(onDoubles);
holdRedisContract(onDoubles);
