import assert from "node:assert/strict";
import { pause } from "shared/clock/timeout.ts";
import { eventually } from "../harness/eventually.ts";
import { ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";
import type { ChaosWorld } from "./world.ts";

const ORDERS = 8;
const TRIES = 6;
const STOPPED = ["tracker", "ingest"] as const;
/** A lease lives 6 s: they must still own their work when they go on. */
const LONGEST_STOP_MS = 3_000;
/** Time to read, to fail and to try again. */
const REFUSED_MS = 2_000;

Deno.test({
  name: "consumers that find a backlog and a Redis that takes no effect break no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "effects-refused",
      orders: ORDERS,
      meanIntervalMs: 1_200,
      watchersDrop: false,
      inject: async (world) => {
        let refused = false;
        for (let attempt = 0; attempt < TRIES && !refused; attempt++) {
          refused = await refuseBacklog(world);
        }
        assert.ok(refused, `no order moved in ${TRIES} tries`);
        await ordersPlaced(world, ORDERS);
        return {};
      },
    });
  },
});

/**
 * Stops the consumers until an order has moved, then lets them go on without memory in Redis:
 * reading and acknowledging still work there, effects are refused.
 */
async function refuseBacklog({ supervisor, redis, sql }: ChaosWorld): Promise<boolean> {
  const published = async () => {
    const rows = await sql`
      select 1 from outbox_events where type = 'order.status_changed' and published_at is not null`;
    return rows.length;
  };
  for (const name of STOPPED) assert.ok(supervisor.kill(name, "SIGSTOP"));
  const before = await published();
  let hasBacklog = false;
  try {
    await eventually("an order moves", async () => await published() > before, LONGEST_STOP_MS);
    hasBacklog = true;
    await redis.config("SET", "maxmemory", "1mb");
  } catch {
    // They must go on before they lose their leases.
  } finally {
    for (const name of STOPPED) supervisor.kill(name, "SIGCONT");
  }
  if (hasBacklog) await pause(REFUSED_MS);
  await redis.config("SET", "maxmemory", "0");
  return hasBacklog;
}
