import { killService, randomMoment } from "./faults.ts";
import { runFault } from "./run_fault.ts";
import { SERVICES } from "./world.ts";

Deno.test("SIGKILL of every service at random moments breaks no promise", async () => {
  await runFault({
    name: "service-kills",
    orders: 8,
    meanIntervalMs: 1_800,
    inject: async (world) => {
      const names = [...SERVICES].map((name) => ({ name, at: world.random() }));
      const killed: string[] = [];
      for (const { name } of names.sort((a, b) => a.at - b.at)) {
        const moment = await randomMoment(world);
        console.log(`SIGKILL of ${name} at ${moment}`);
        await killService(world, name);
        killed.push(name);
      }
      return { killed };
    },
  });
});
