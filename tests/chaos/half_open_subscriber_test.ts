import { eventually } from "../harness/eventually.ts";
import { ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";

const ORDERS = 6;
const NOTICED_MS = 20_000;

Deno.test({
  name: "a tracker whose Redis falls silent while nobody comes or goes notices it",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "half-open-subscriber",
      links: ["tracker>redis"],
      orders: ORDERS,
      meanIntervalMs: 200,
      watchersDrop: false,
      inject: async (world) => {
        await ordersPlaced(world, ORDERS);
        // From here on nobody subscribes any more: no answer is owed on that connection.
        await eventually(
          "everybody watches",
          () =>
            world.watchers.every(({ connections }) => (connections.at(-1)?.frames.length ?? 0) > 0),
        );
        const link = world.link("tracker>redis");
        link.cut("toClient");
        await eventually("the silence is noticed", () => link.halfOpen === 0, NOTICED_MS);
        return {};
      },
    });
  },
});
