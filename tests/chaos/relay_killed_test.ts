import assert from "node:assert/strict";
import { partitionOf } from "shared/redis/keys.ts";
import { eventually } from "../harness/eventually.ts";
import { killService, ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";
import type { ChaosWorld } from "./world.ts";

const ORDERS = 6;
const KILLS = 2;
const BETWEEN_TIMEOUT_MS = 20_000;

Deno.test({
  name: "a relay killed between append and mark breaks no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "relay-killed",
      orders: ORDERS,
      meanIntervalMs: 1_500,
      inject: async (world) => {
        const killed: string[] = [];
        while (killed.length < KILLS) {
          const appended = await killBetween(world);
          console.log(`SIGKILL of keeper with ${appended} events appended and not marked`);
          killed.push("keeper");
        }
        await ordersPlaced(world, ORDERS);
        return { killed };
      },
    });
  },
});

/**
 * Kills keeper while its relay has appended what it has not marked; how many events these were. A
 * mark waits for whoever raises the generation: that is how it is held up, for as long as it takes.
 */
async function killBetween(world: ChaosWorld): Promise<number> {
  const { sql } = world;
  return await sql.begin(async (tx) => {
    // It is held for longer than a transaction of ours may otherwise do nothing.
    await tx`set local idle_in_transaction_session_timeout = 0`;
    await tx`select 1 from redis_generation for update`;
    const appended = await eventually(
      "the relay has appended and waits",
      async () => {
        const count = await appendedUnmarked(world);
        return count > 0 && (await waitingMarks(world)).length > 0 ? count : undefined;
      },
      BETWEEN_TIMEOUT_MS,
    );
    const pids = await waitingMarks(world);
    await killService(world, "keeper");
    // Postgres would else do the dead one's statement as soon as the lock is free.
    const ended = await sql`
      select pg_terminate_backend(pid) from unnest(${pids}::integer[]) pid`;
    assert.equal(ended.length, pids.length);
    return appended;
  });
}

/** Events on the stream that the outbox does not know as published. */
async function appendedUnmarked({ sql, redis, keys, city }: ChaosWorld): Promise<number> {
  const entries = await redis.xrange(keys.events(partitionOf(city.region.id, 0)), "-", "+");
  const ids = entries.map(([, fields]) => fields[fields.indexOf("id") + 1] ?? "");
  const rows = await sql`
    select 1 from outbox_events where published_at is null and event_id = any(${ids}::uuid[])`;
  return rows.length;
}

async function waitingMarks({ sql }: ChaosWorld): Promise<number[]> {
  const rows = await sql<{ pid: number }[]>`
    select pid from pg_stat_activity
    where wait_event_type = 'Lock' and query like '%redis_generation%' and pid <> pg_backend_pid()`;
  return rows.map(({ pid }) => pid);
}
