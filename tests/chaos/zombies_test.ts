import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { type OwnedWork, ownerOf, successorOf } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";

const OWNED: readonly OwnedWork[] = ["matcher", "tracker", "ingest", "keeper"];

Deno.test({
  name: "all owners stopped for longer than their leases and continued break no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "zombies",
      orders: 8,
      meanIntervalMs: 2_000,
      extra: Object.fromEntries(OWNED.map((work) => [`${work}-2`, work])),
      inject: async (world) => {
        const stopped: string[] = [];
        const stop = (name: string) => {
          assert.ok(world.supervisor.kill(name, "SIGSTOP"));
          stopped.push(name);
        };
        try {
          const owners = await Promise.all(OWNED.map(async (work) => {
            const owner = await eventually(`${work} has an owner`, () => ownerOf(world, work));
            return { work, owner };
          }));
          for (const { owner } of owners) stop(owner.name);
          // Its clients repeat what got no answer; all of it runs when it goes on.
          stop("gateway");
          for (const { work, owner } of owners) await successorOf(world, work, owner);
          await eventually(
            "a customer was left without an answer",
            () => world.history.count("unknown") > 0,
          );
        } finally {
          for (const name of stopped) world.supervisor.kill(name, "SIGCONT");
        }
        return {};
      },
    });
  },
});
