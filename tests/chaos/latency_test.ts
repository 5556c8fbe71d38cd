import { ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";
import type { LinkName } from "./world.ts";

const LINKS: readonly LinkName[] = [
  "gateway>postgres",
  "matcher>postgres",
  "keeper>postgres",
  "tracker>postgres",
  "gateway>redis",
  "matcher>redis",
  "keeper>redis",
  "tracker>redis",
  "ingest>redis",
];
const ORDERS = 6;

Deno.test({
  name: "stores that answer 20 to 100 ms late break no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "latency",
      links: LINKS,
      orders: ORDERS,
      meanIntervalMs: 1_500,
      inject: async (world) => {
        // In each direction, so a round trip takes twice that.
        for (const name of LINKS) world.link(name).slow(10, 40);
        await ordersPlaced(world, ORDERS);
        return {};
      },
    });
  },
});
