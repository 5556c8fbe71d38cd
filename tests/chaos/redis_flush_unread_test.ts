import assert from "node:assert/strict";
import { partitionOf } from "shared/redis/keys.ts";
import { eventually } from "../harness/eventually.ts";
import { ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";
import type { ChaosWorld } from "./world.ts";

const ORDERS = 6;
const DELIVERY_TIMEOUT_MS = 30_000;

Deno.test({
  name: "FLUSHALL of an order's end that the tracker has not read yet breaks no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "redis-flush-unread",
      orders: ORDERS,
      // Whoever reconnects gets a snapshot; here the track itself has to mend.
      watchersDrop: false,
      inject: async (world) => {
        await ordersPlaced(world, ORDERS);
        assert.ok(world.supervisor.kill("tracker", "SIGSTOP"));
        try {
          await eventually(
            "an order's end waits for the tracker",
            async () => (await unreadByTracker(world)).includes("delivery.completed"),
            DELIVERY_TIMEOUT_MS,
          );
          await world.redis.flushall();
        } finally {
          world.supervisor.kill("tracker", "SIGCONT");
        }
        return { isRedisWiped: true };
      },
    });
  },
});

/** Types of the events that no read of the tracker has fetched, not even one under way. */
async function unreadByTracker({ redis, keys, city }: ChaosWorld): Promise<string[]> {
  const stream = keys.events(partitionOf(city.region.id, 0));
  const groups = await redis.xinfo("GROUPS", stream) as unknown[][];
  const group = groups.find((flat) => flat.includes("tracker"));
  const readTo = group?.[group.indexOf("last-delivered-id") + 1];
  if (readTo === undefined) return [];
  const entries = await redis.xrange(stream, `(${readTo}`, "+");
  return entries.map(([, fields]) => {
    const { type } = JSON.parse(fields[fields.indexOf("event") + 1] ?? "{}") as { type?: string };
    return type ?? "";
  });
}
