import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";
import type { ChaosWorld } from "./world.ts";

const PROCESSES = ["gateway", "matcher", "keeper", "ingest", "tracker"] as const;
const ORDERS = 6;

/** See moved_clock.ts. */
const JUMPS = [
  { name: "ahead", signal: "SIGUSR2" },
  { name: "back", signal: "SIGHUP" },
] as const;

for (const { name, signal } of JUMPS) {
  Deno.test({
    name: `wall clocks of all services that jump five minutes ${name} break no promise`,
    ignore: !RUNS_ALL,
    fn: async () => {
      await runFault({
        name: `clock-${name}`,
        orders: ORDERS,
        meanIntervalMs: 1_500,
        movableClocks: PROCESSES,
        inject: async (world) => {
          for (const process of PROCESSES) {
            assert.ok(world.supervisor.kill(process, signal));
            await eventually(
              `the clock of ${process} has jumped`,
              () => hasJumped(world, process),
            );
          }
          await ordersPlaced(world, ORDERS);
          // They stay wrong: all that is under way must come to its end nevertheless.
          return {};
        },
      });
    },
  });
}

function hasJumped({ logLines }: ChaosWorld, process: string): boolean {
  return logLines.some((line) => line.startsWith(`${process} `) && line.includes("clock is moved"));
}
