import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { withBenchStores } from "../load/harness/bench_stores.ts";
import { withCouriers } from "../load/ingest/seed.ts";
import { behindInRedis } from "../load/ingest_soak/checks.ts";
import { killIngest, restartRedis } from "../load/ingest_soak/faults.ts";
import { checkLedger } from "../load/ingest_soak/promises.ts";
import { SoakWorld } from "../load/ingest_soak/soak_world.ts";
import { partitionOf } from "shared/redis/keys.ts";
import { REGION } from "../load/ingest/settings.ts";

const COURIERS = 200;
/** The others post. */
const SOCKETS = 150;
/** These have an order. */
const isBusy = (courier: number) => courier % 2 === 1;
/** Each is 3 s: far more than the run takes. */
const MAX_SLOTS = 100;
const STARTED_TIMEOUT_MS = 30_000;

/** Waits until phones were answered that many fixes more. */
async function acknowledged(world: SoakWorld, fixes: number): Promise<void> {
  let seen = 0;
  await eventually(`${fixes} fixes are acknowledged`, async () => {
    seen += (await world.phonesFigures()).outcomes["accepted"] ?? 0;
    return seen >= fixes;
  }, STARTED_TIMEOUT_MS);
}

Deno.test("no acknowledged fix is lost by a SIGKILL of ingest and a clean restart of Redis", async () => {
  const seed = Number(Deno.env.get("CHAOS_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const stop = new AbortController();
  await withBenchStores("acknowledged-fixes", stop.signal, async (stores) => {
    await withCouriers(stores.databaseUrl, COURIERS, async (sendersFile) => {
      const settings = {
        sendersFile,
        sockets: SOCKETS,
        maxSlots: MAX_SLOTS,
        rampSlots: 1,
        seed,
        isBusy,
      };
      const world = await SoakWorld.start(stores, settings);
      try {
        await world.connect();
        await world.go();
        await acknowledged(world, COURIERS);
        const killed = await killIngest(world);
        await acknowledged(world, COURIERS / 2);
        const restarted = await restartRedis(world);
        await acknowledged(world, COURIERS / 2);
        assert.equal(killed.lost, 0);
        assert.equal(restarted.lost, 0);
        const ledger = await checkLedger(world);
        assert.ok(ledger.acknowledged >= COURIERS);
        assert.deepEqual([ledger.lostInRedis, ledger.lostOnStream], [0, 0]);
        assert.equal(ledger.lostInHistory, 0);
        assert.deepEqual(ledger.unfinished, { tracker: 0, history: 0 });
        await assertLossIsSeen(world);
      } finally {
        await world.stop();
      }
    }, isBusy);
  });
});

/** The checks themselves: of a courier whose state or history is taken away, they must say so. */
async function assertLossIsSeen(world: SoakWorld): Promise<void> {
  const { redis, keys, senders } = world;
  const newest = await world.newestAcknowledged();
  const phone = newest.findIndex((atMs) => atMs > 0);
  await redis.hdel(keys.couriers(partitionOf(REGION, 0)), senders[phone]?.id ?? "");
  assert.deepEqual(await behindInRedis(redis, keys, { senders, newest }), [phone]);
  const [row] = await world.sql<{ courierId: string }[]>`
    delete from courier_positions where carrying and courier_id = (
      select courier_id from courier_positions where carrying limit 1
    ) returning courier_id`;
  const carrier = senders.findIndex(({ id }) => id === row?.courierId);
  assert.deepEqual(await world.behindInHistory(), [carrier]);
}
