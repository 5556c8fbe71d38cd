import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { ordersPlaced, ownerOf, successorOf } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";

Deno.test({
  name: "a matcher stopped for longer than its lease and continued breaks no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "zombie-matcher",
      orders: 6,
      meanIntervalMs: 1_200,
      extra: { "matcher-2": "matcher" },
      inject: async (world) => {
        const owner = await eventually("somebody dispatches", () => ownerOf(world, "matcher"));
        assert.ok(world.supervisor.kill(owner.name, "SIGSTOP"));
        try {
          const successor = await successorOf(world, "matcher", owner);
          assert.ok(successor.fence > owner.fence);
          // It wakes up while its successor is at work.
          await ordersPlaced(world, 5);
        } finally {
          world.supervisor.kill(owner.name, "SIGCONT");
        }
        return {};
      },
    });
  },
});
