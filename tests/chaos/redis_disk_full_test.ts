import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";
import { whyNoSmallDisk } from "./small_disk.ts";
import type { ChaosWorld } from "./world.ts";

const ORDERS = 7;
/** Redis notices at its next flush, and that space is back at the one after. */
const NOTICED_MS = 20_000;

const hindrance = RUNS_ALL ? whyNoSmallDisk() : undefined;
if (hindrance !== undefined) console.log(`no test of a full disk: ${hindrance} (it needs root)`);

Deno.test({
  name: "a Redis whose disk is full breaks no promise",
  ignore: !RUNS_ALL || hindrance !== undefined,
  fn: async () => {
    await runFault({
      name: "redis-disk-full",
      orders: ORDERS,
      meanIntervalMs: 1_500,
      hasSmallRedisDisk: true,
      inject: async (world) => {
        world.redisDisk.fill();
        try {
          await eventually("Redis cannot write", () => says(world, "err"), NOTICED_MS);
          // Orders are accepted nevertheless: Postgres is the truth, and the relay waits.
          await ordersPlaced(world, ORDERS);
          const waiting = await world.sql`select 1 from outbox where published_at is null`;
          assert.ok(waiting.length > 0, "events are published without a disk");
          assert.ok(await says(world, "err"));
        } finally {
          world.redisDisk.free();
        }
        await eventually("Redis can write again", () => says(world, "ok"), NOTICED_MS);
        return {};
      },
    });
  },
});

async function says({ redis }: ChaosWorld, status: "ok" | "err"): Promise<boolean> {
  return (await redis.info("persistence")).includes(`aof_last_write_status:${status}`);
}
