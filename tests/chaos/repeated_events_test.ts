import { pause } from "shared/clock/timeout.ts";
import { isTerminal, type OrderState } from "shared/orders/lifecycle.ts";
import { partitionOf } from "shared/redis/keys.ts";
import { eventually } from "../harness/eventually.ts";
import { ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";
import type { ChaosWorld } from "./world.ts";

const ORDERS = 6;
const REPEATS = 3;
const BETWEEN_MS = 1_500;
const ALL_ENDED_MS = 60_000;

Deno.test({
  name: "events that stand on the stream several times break no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "repeated-events",
      orders: ORDERS,
      meanIntervalMs: 800,
      watchersDrop: false,
      inject: async (world) => {
        for (let repeat = 1; repeat <= REPEATS; repeat++) {
          await ordersPlaced(world, Math.min(ORDERS, repeat + 2));
          // What a relay does that died between appending and marking, only worse.
          await repeatAll(world, (entries) => entries);
          await pause(BETWEEN_MS);
        }
        await eventually("all orders have ended", () => haveEnded(world), ALL_ENDED_MS);
        // The newest status of each courier stays, in whatever order they come again.
        await repeatAll(
          world,
          (entries) => entries.filter((entry) => entry.includes('"courier.')).reverse(),
        );
        return {};
      },
    });
  },
});

/** Appends entries of the event stream once more, each as its fields. */
async function repeatAll(
  { redis, keys, city }: ChaosWorld,
  choose: (events: string[]) => string[],
): Promise<void> {
  const stream = keys.events(partitionOf(city.region.id, 0));
  const entries = await redis.xrange(stream, "-", "+");
  const events = entries.map(([, fields]) => fields[fields.indexOf("event") + 1] ?? "");
  for (const event of choose(events)) {
    const { id } = JSON.parse(event) as { id: string };
    await redis.xadd(stream, "*", "id", id, "event", event);
  }
}

async function haveEnded({ sql, customers }: ChaosWorld): Promise<boolean> {
  const orders = await sql<{ status: OrderState }[]>`select status from orders`;
  return customers.placed.length === ORDERS && orders.every(({ status }) => isTerminal(status));
}
