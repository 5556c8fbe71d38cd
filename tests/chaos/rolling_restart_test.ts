import assert from "node:assert/strict";
import { restartService } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";
import type { ChaosWorld, ServiceName } from "./world.ts";

/** In the order of a deployment: what others depend on first. */
const ROLLED: readonly ServiceName[] = ["keeper", "matcher", "ingest", "tracker", "gateway"];

Deno.test({
  name: "a rolling restart of every service, two instances each, under load breaks no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "rolling-restart",
      orders: 30,
      meanIntervalMs: 800,
      extra: Object.fromEntries(ROLLED.map((service) => [`${service}-2`, service])),
      balanced: ["gateway", "ingest", "tracker"],
      inject: async (world) => {
        const drained: string[] = [];
        for (const service of ROLLED) {
          for (const process of world.processesOf(service)) {
            await restartService(world, process);
            drained.push(process);
          }
        }
        assertNoServerError(world);
        assertReadinessFirst(world, drained);
        return { drained };
      },
    });
  },
});

/** A connection may break and be repeated; an instance that drains must not answer with an error. */
function assertNoServerError({ history }: ChaosWorld): void {
  const failed = history.attempts.filter(({ status }) => status !== null && status >= 500);
  assert.deepEqual(failed, []);
}

/** Every process said that it was stopping, stopped everything in time, and only then ended. */
function assertReadinessFirst({ logLines }: ChaosWorld, drained: readonly string[]): void {
  for (const process of drained) {
    const own = logLines.filter((line) => line.startsWith(`${process} `));
    const at = (message: string) =>
      own.findLastIndex((line) => line.includes(`"message":"${message}"`));
    assert.ok(at("stopping") !== -1 && at("stopping") < at("stopped"), `${process} did not drain`);
    assert.equal(at("did not drain in time"), -1, process);
  }
}
