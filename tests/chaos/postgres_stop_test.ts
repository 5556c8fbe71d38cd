import { killServer, randomMoment } from "./faults.ts";
import { runFault } from "./run_fault.ts";

Deno.test("an immediate stop of Postgres and its restart break no promise", async () => {
  await runFault({
    name: "postgres-stop",
    orders: 7,
    meanIntervalMs: 1_000,
    inject: async (world) => {
      for (let stop = 0; stop < 2; stop++) {
        console.log(`immediate stop of Postgres at ${await randomMoment(world)}`);
        // SIGQUIT is what pg_ctl -m immediate sends: no checkpoint, recovery at the next start.
        await killServer(world, "postgres", "SIGQUIT");
      }
      return {};
    },
  });
});
