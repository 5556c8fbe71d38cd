import { ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";

const ORDERS = 7;

Deno.test({
  name: "a Redis without memory, which evicts nothing, breaks no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "redis-full",
      orders: ORDERS,
      meanIntervalMs: 1_500,
      inject: async (world) => {
        // Less than what is used already: every write is refused from now on.
        await world.redis.config("SET", "maxmemory", "1mb");
        // Orders are accepted nevertheless: Postgres is the truth.
        await ordersPlaced(world, ORDERS);
        await world.redis.config("SET", "maxmemory", "0");
        return {};
      },
    });
  },
});
