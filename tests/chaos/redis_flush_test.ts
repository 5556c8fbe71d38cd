import { randomMoment } from "./faults.ts";
import { runFault } from "./run_fault.ts";

const FLUSHES = 3;

Deno.test("FLUSHALL under load breaks no promise", async () => {
  await runFault({
    name: "redis-flush",
    orders: 7,
    meanIntervalMs: 1_000,
    inject: async (world) => {
      for (let flush = 0; flush < FLUSHES; flush++) {
        console.log(`FLUSHALL at ${await randomMoment(world)}`);
        await world.redis.flushall();
      }
      return { isRedisWiped: true };
    },
  });
});
