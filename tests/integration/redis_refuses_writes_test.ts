/** A Redis that is there and takes no writes: no memory left, a replica now, without its replicas. */
import assert from "node:assert/strict";
import { silentLog } from "shared/log/log.ts";
import { connectRedis, type Redis, startRedis } from "shared/redis/connect.ts";
import { takesWrites } from "shared/redis/takes_writes.ts";
import { CourierIndex, fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { insertCourier, insertRegion } from "../harness/fixtures.ts";
import { Ingest } from "../harness/ingest_world.ts";
import { withOwnRedis } from "../harness/own_redis.ts";
import { redisWith } from "../harness/stand_ins.ts";
import { withStores } from "../harness/with_stores.ts";

interface Refusal {
  readonly begin: (redis: Redis) => Promise<unknown>;
  readonly end: (redis: Redis) => Promise<unknown>;
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "has no memory left": {
    begin: (redis) => redis.config("SET", "maxmemory", "100000"),
    end: (redis) => redis.config("SET", "maxmemory", "0"),
  },
  "misses its replicas": {
    begin: (redis) => redis.config("SET", "min-replicas-to-write", "1"),
    end: (redis) => redis.config("SET", "min-replicas-to-write", "0"),
  },
};

async function withConnection(url: string, use: (redis: Redis) => Promise<void>): Promise<void> {
  const redis = connectRedis(url, { name: "own", log: silentLog });
  try {
    await startRedis(redis);
    await use(redis);
  } finally {
    redis.disconnect();
  }
}

for (const [what, { begin, end }] of Object.entries(REFUSALS)) {
  Deno.test(`ingest stays with Postgres while Redis answers and ${what}, and comes back by itself`, async () => {
    await withOwnRedis((url) =>
      withConnection(url, (redis) =>
        withStores(async (stores) => {
          await insertRegion(stores.sql);
          let scripts = 0;
          const ingest = new Ingest(
            stores,
            redisWith(redis, {
              evalsha: (args, real) => {
                scripts++;
                return real(...args);
              },
            }),
          );
          const index = new CourierIndex(stores, redis);
          await using background = new Background();
          background.run((signal) => ingest.recorder.degraded.run(signal));
          const id = await insertCourier(stores.sql);
          const token = await ingest.token(id);
          const { body } = await ingest.post(token, fixAt(PICKUP, 9_000));
          assert.deepEqual(body, { accepted: true });

          await begin(redis);
          await assert.rejects(takesWrites(redis), /^ReplyError: (OOM|NOREPLICAS) /);
          assert.equal(await redis.ping(), "PONG");
          // Each waits for the write of its second: three of them see two rounds of the loop.
          const before = scripts;
          const last = fixAt(northOfPickup(20), 4_000);
          for (const fix of [fixAt(PICKUP, 6_000), fixAt(PICKUP, 5_000), last]) {
            assert.deepEqual((await ingest.post(token, fix)).body, {
              accepted: true,
              degraded: true,
            });
          }
          assert.equal(scripts, before + 1, "it took an answer for a write");

          await end(redis);
          assert.equal(await takesWrites(redis), true);
          await eventually(
            "Redis has what was acknowledged",
            async () => (await index.latest(id))?.recordedAtMs === last.recordedAtMs,
          );
        }))
    );
  });
}
