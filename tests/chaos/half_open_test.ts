import { eventually } from "../harness/eventually.ts";
import { ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";

const LINKS = [
  "matcher>redis",
  "tracker>redis",
  "ingest>redis",
  "keeper>redis",
  "gateway>redis",
] as const;
const ORDERS = 6;
/** A read that blocks is given up after 4 s, a command after 2 s; nobody may wait for ever. */
const NOTICED_MS = 20_000;

Deno.test({
  name: "half-open connections to Redis are noticed and break no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "half-open",
      links: LINKS,
      orders: ORDERS,
      watchersDrop: false,
      inject: async (world) => {
        await ordersPlaced(world, ORDERS);
        for (const name of LINKS) {
          // Two ways to be half-open: nothing comes back, or nothing gets through either.
          const isSilentOnly = world.random() < 0.5;
          if (isSilentOnly) world.link(name).cut("toClient");
          else world.link(name).cut("toClient", "toTarget");
        }
        await eventually(
          "every half-open connection is given up",
          () => LINKS.every((name) => world.link(name).halfOpen === 0),
          NOTICED_MS,
        ).catch((error) => {
          const left = LINKS.map((name) => `${name} ${world.link(name).halfOpen}`);
          throw new Error(`${error.message}; left: ${left.join(", ")}`);
        });
        return {};
      },
    });
  },
});
