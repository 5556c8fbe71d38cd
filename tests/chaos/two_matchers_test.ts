import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { leaseOf, ownerOf, randomPause } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";

const CHANGES = 8;

Deno.test({
  name: "two matchers that take one region from each other break no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "two-matchers",
      // All the while, so that each change of owner meets an order that wants an offer.
      orders: 24,
      meanIntervalMs: 800,
      extra: { "matcher-2": "matcher" },
      inject: async (world) => {
        let fence = 0;
        for (let change = 0; change < CHANGES; change++) {
          const owner = await eventually("somebody dispatches", async () => {
            const now = await ownerOf(world, "matcher");
            return now !== undefined && now.fence > fence ? now : undefined;
          });
          fence = owner.fence;
          await randomPause(world, 2_000);
          // From here both may believe that the region is theirs.
          await world.sql`
            update leases set expires_at = clock_timestamp() - interval '1 millisecond'
            where name = ${leaseOf(world, "matcher")}`;
        }
        assert.ok(fence >= CHANGES);
        return {};
      },
    });
  },
});
