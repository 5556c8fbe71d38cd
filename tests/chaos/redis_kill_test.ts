import { killServer, randomMoment } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";

Deno.test({
  name: "SIGKILL of Redis with an append-only file breaks no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "redis-kill",
      orders: 7,
      meanIntervalMs: 1_000,
      inject: async (world) => {
        for (let kill = 0; kill < 2; kill++) {
          console.log(`SIGKILL of Redis at ${await randomMoment(world)}`);
          await killServer(world, "redis", "SIGKILL");
        }
        return {};
      },
    });
  },
});
