import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { ordersPlaced } from "./faults.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";
import type { ChaosWorld } from "./world.ts";

const ORDERS = 8;
const FREEZES = 2;
const TRIES = 8;
const OFFER_TIMEOUT_MS = 30_000;

Deno.test({
  name: "couriers whose phones freeze for longer than an offer lives break no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "frozen-phones",
      orders: ORDERS,
      meanIntervalMs: 1_500,
      inject: async (world) => {
        let freezes = 0;
        for (let attempt = 0; attempt < TRIES && freezes < FREEZES; attempt++) {
          if (await freeze(world)) freezes++;
        }
        assert.equal(freezes, FREEZES, `offers left without an answer in ${TRIES} tries`);
        await ordersPlaced(world, ORDERS);
        return {};
      },
    });
  },
});

/** Freezes all phones while an offer waits; false when its answer was under way already. */
async function freeze({ supervisor, sql }: ChaosWorld): Promise<boolean> {
  const waiting = await eventually("an offer waits", async () => {
    const rows = await sql<{ id: string }[]>`select id from offers where status = 'pending'`;
    return rows.length > 0 ? rows.map(({ id }) => id) : undefined;
  }, OFFER_TIMEOUT_MS);
  assert.ok(supervisor.kill("simulator", "SIGSTOP"));
  try {
    // Nobody answers any more: only a timer can end these.
    await eventually("they are overdue", async () => {
      const live = await sql`
        select 1 from offers where id = any(${waiting}::uuid[]) and status = 'pending'
          and expires_at > clock_timestamp()`;
      return live.length === 0;
    }, OFFER_TIMEOUT_MS);
    const unanswered = await sql`
      select 1 from offers where id = any(${waiting}::uuid[])
        and expires_at <= clock_timestamp() and status in ('pending', 'expired')`;
    return unanswered.length > 0;
  } finally {
    supervisor.kill("simulator", "SIGCONT");
  }
}
