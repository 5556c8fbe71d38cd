import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { Availability } from "shared/availability/availability.ts";
import {
  HIDDEN_AFTER_MS,
  OFFLINE_AFTER_MS,
  RETURN_AFTER_MS,
} from "shared/availability/cleaning.ts";
import { POSITIONS_PATH } from "shared/live_api/ingest_routes.ts";
import { silentLog } from "shared/log/log.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import { createKeeperMetrics } from "../../services/keeper/metrics.ts";
import { SilenceJudge, sweepOnce, type SweepOptions } from "../../services/keeper/sweep_silent.ts";
import { CourierIndex, fixAt, PICKUP } from "../harness/couriers.ts";
import { eventually } from "../harness/eventually.ts";
import { insertCourier, insertRegion } from "../harness/fixtures.ts";
import { Ingest } from "../harness/ingest_world.ts";
import { PARTITION_WORK } from "../harness/matcher_world.ts";
import { openRelay, PARTITION, readPublished, relayAll } from "../harness/outbox.ts";
import { frameBytes, openRawSocket } from "../harness/raw_socket.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

/** Keeper's sweep of the test region, on a clock that the test moves. */
class Sweeper {
  readonly availability: Availability;
  readonly index: CourierIndex;
  readonly #stores: TestStores;
  readonly #options: SweepOptions;
  readonly #judge = new SilenceJudge();
  #nowMs = 0;

  constructor(stores: TestStores) {
    this.#stores = stores;
    this.index = new CourierIndex(stores);
    this.availability = this.index.availability;
    this.#options = {
      sql: stores.sql,
      log: silentLog,
      metrics: createKeeperMetrics(new Registry()),
      signal: new AbortController().signal,
      availability: this.availability,
      notifyOutbox: () => {},
    };
  }

  /** One sweep, `afterMs` later than the last. */
  async sweep(afterMs = 5_000): Promise<void> {
    this.#nowMs += afterMs;
    await sweepOnce(this.#options, PARTITION_WORK, this.#judge, this.#nowMs);
  }

  /** Sweeps every 5 s until silence is believed. */
  async listenLongEnough(): Promise<void> {
    for (let ms = 0; ms <= OFFLINE_AFTER_MS; ms += 5_000) await this.sweep();
  }

  /** A courier on shift that was heard `agoMs` ago; its id. */
  async courier(status: CourierStatus, agoMs: number): Promise<string> {
    const { sql } = this.#stores;
    const id = await insertCourier(sql, { status });
    await this.availability.applyStatus(id, status, 1);
    await this.index.fix(id, fixAt(PICKUP, 10_000));
    await this.heard(id, agoMs);
    return id;
  }

  /** Moves the time at which Redis heard the courier. */
  async heard(courierId: string, agoMs: number): Promise<void> {
    await this.index.age(courierId, agoMs);
  }

  async isIndexed(courierId: string): Promise<boolean> {
    return await this.index.isIndexed(courierId);
  }

  async status(courierId: string): Promise<unknown> {
    const [row] = await this.#stores.sql`select status from couriers where id = ${courierId}`;
    return row?.["status"];
  }
}

async function withSweeper(
  use: (sweeper: Sweeper, stores: TestStores) => Promise<void>,
): Promise<void> {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    await use(new Sweeper(stores), stores);
  });
}

/** What ingest does with the events of couriers. */
async function consumeAvailability(stores: TestStores, availability: Availability): Promise<void> {
  await relayAll(await openRelay(stores));
  for (const event of await readPublished(stores.redis, stores)) {
    if (event.type !== "courier.availability_changed") continue;
    const { courierId, status, courierVersion } = event.data;
    await availability.applyStatus(courierId, status, courierVersion);
  }
}

Deno.test("sweepOnce() hides a courier after 45 s of silence and takes it offline after 120 s", async () => {
  await withSweeper(async (sweeper) => {
    const fresh = await sweeper.courier("available", HIDDEN_AFTER_MS - 10_000);
    const quiet = await sweeper.courier("available", HIDDEN_AFTER_MS + 1_000);
    const late = await sweeper.courier("available", OFFLINE_AFTER_MS - 10_000);
    const silent = await sweeper.courier("available", OFFLINE_AFTER_MS + 1_000);
    const busy = await sweeper.courier("busy", OFFLINE_AFTER_MS + 1_000);
    await sweeper.listenLongEnough();
    const states = await Promise.all(
      [fresh, quiet, late, silent, busy].map(async (id) => [
        await sweeper.isIndexed(id),
        await sweeper.status(id),
      ]),
    );
    assert.deepEqual(states, [
      [true, "available"],
      [false, "available"],
      [false, "available"],
      [false, "offline"],
      [false, "offline"],
    ]);
  });
});

Deno.test("a phone whose socket is half open is hidden after 45 s and off shift after 120 s", async () => {
  await withSweeper(async (sweeper, stores) => {
    const ingest = new Ingest(stores);
    await using server = ingest.listen();
    const id = await insertCourier(stores.sql);
    const url = `${server.url.replace("http", "ws")}${POSITIONS_PATH}`;
    const headers = { authorization: `Bearer ${await ingest.token(id)}` };
    // Nothing is ever read from it, and no frame but one is sent: the network is gone.
    const { status, connection } = await openRawSocket(url, headers);
    assert.equal(status, 101);
    try {
      const frame = JSON.stringify(["f", 1, [Date.now() - 1_000, PICKUP.lat, PICKUP.lon]]);
      await connection.write(frameBytes(1, new TextEncoder().encode(frame)));
      await eventually("its fix is there", () => sweeper.isIndexed(id));
      await sweeper.listenLongEnough();
      assert.equal(await sweeper.isIndexed(id), true, "it was heard just now");
      await sweeper.heard(id, HIDDEN_AFTER_MS + 1_000);
      await sweeper.sweep();
      assert.equal(await sweeper.isIndexed(id), false);
      assert.equal(await sweeper.status(id), "available");
      await sweeper.heard(id, OFFLINE_AFTER_MS + 1_000);
      await sweeper.sweep();
      assert.equal(await sweeper.status(id), "offline");
      await consumeAvailability(stores, sweeper.availability);
      // To the process the socket is still open: what counts is what is heard.
      assert.equal((await ingest.metrics.sockets.get()).values[0]?.value, 1);
      const { codes } = await ingest.recorder.record(id, [fixAt(PICKUP)]);
      assert.deepEqual(codes, ["off_shift"]);
      assert.equal(await sweeper.isIndexed(id), false);
    } finally {
      connection.close();
    }
  });
});

Deno.test("sweepOnce() lets a hidden courier back once it has been heard for 5 s", async () => {
  await withSweeper(async (sweeper) => {
    const id = await sweeper.courier("available", HIDDEN_AFTER_MS + 1_000);
    await sweeper.sweep();
    assert.equal(await sweeper.isIndexed(id), false);
    assert.equal(await sweeper.index.fix(id, fixAt(PICKUP)), "accepted");
    assert.equal(await sweeper.isIndexed(id), false, "heard once");
    await sweeper.index.comeBack(id, RETURN_AFTER_MS + 1);
    assert.equal(await sweeper.index.heartbeat(id), "accepted");
    assert.equal(await sweeper.isIndexed(id), true);
    await sweeper.sweep();
    assert.equal(await sweeper.isIndexed(id), true);
  });
});

Deno.test("sweepOnce() leaves index and Postgres agreed after the event was consumed", async () => {
  await withSweeper(async (sweeper, stores) => {
    const silent = await sweeper.courier("available", OFFLINE_AFTER_MS + 1_000);
    const heard = await sweeper.courier("available", 0);
    await sweeper.listenLongEnough();
    await sweeper.heard(heard, 0);
    await consumeAvailability(stores, sweeper.availability);
    assert.equal(await sweeper.status(silent), "offline");
    const { redis, keys } = stores;
    assert.deepEqual(await sweeper.index.known(silent), ["offline", 2]);
    assert.deepEqual(await redis.zrange(keys.couriersGeo(PARTITION), 0, "-1"), [heard]);
    assert.deepEqual(await redis.zrange(keys.couriersSeen(PARTITION), 0, "-1"), [heard]);
    assert.equal(await sweeper.index.fix(silent, fixAt(PICKUP)), "off_shift");
    assert.equal(await sweeper.isIndexed(silent), false);
  });
});

Deno.test("sweepOnce() takes nobody offline in the first two minutes, nor after an outage", async () => {
  await withSweeper(async (sweeper) => {
    const first = await sweeper.courier("available", 10 * OFFLINE_AFTER_MS);
    for (let ms = 0; ms < OFFLINE_AFTER_MS; ms += 5_000) await sweeper.sweep();
    assert.equal(await sweeper.status(first), "available", "mute for the first 120 s");
    await sweeper.sweep();
    assert.equal(await sweeper.status(first), "offline");
    const second = await sweeper.courier("available", 10 * OFFLINE_AFTER_MS);
    // Redis was away for 20 s: no sweep could be made.
    await sweeper.sweep(20_000);
    assert.equal(await sweeper.isIndexed(second), false, "hiding needs no belief");
    for (let ms = 5_000; ms < OFFLINE_AFTER_MS; ms += 5_000) await sweeper.sweep();
    assert.equal(await sweeper.status(second), "available", "mute for 120 s after the outage");
    await sweeper.sweep();
    assert.equal(await sweeper.status(second), "offline");
  });
});

Deno.test("sweepOnce() takes nobody offline because Redis lost its memory", async () => {
  await withSweeper(async (sweeper, stores) => {
    const ids = [];
    for (let index = 0; index < 5; index++) ids.push(await sweeper.courier("available", 1_000));
    await sweeper.listenLongEnough();
    const { redis, keys } = stores;
    await redis.del(
      keys.couriersSeen(PARTITION),
      keys.couriersGeo(PARTITION),
      keys.couriers(PARTITION),
    );
    for (let turn = 0; turn < 3; turn++) await sweeper.sweep();
    const statuses = await Promise.all(ids.map((id) => sweeper.status(id)));
    assert.deepEqual(new Set(statuses), new Set(["available"]));
    assert.equal(await redis.zcard(keys.couriersSeen(PARTITION)), 5, "their silence counts anew");
    // Those who stay silent from then on are taken offline like everybody else.
    const [gone = ""] = ids;
    await sweeper.heard(gone, OFFLINE_AFTER_MS + 1_000);
    await sweeper.sweep();
    assert.equal(await sweeper.status(gone), "offline");
  });
});

Deno.test("sweepOnce() tells Redis again what Postgres has decided before", async () => {
  await withSweeper(async (sweeper, stores) => {
    const id = await sweeper.courier("available", OFFLINE_AFTER_MS + 1_000);
    // The event of this change never reached Redis.
    await stores.sql`update couriers set status = 'offline', version = 2 where id = ${id}`;
    await sweeper.listenLongEnough();
    const { redis, keys } = stores;
    assert.deepEqual(await sweeper.index.known(id), ["offline", 2]);
    assert.equal(await redis.zscore(keys.couriersSeen(PARTITION), id), null);
    assert.equal((await stores.sql`select 1 from outbox`).length, 0);
  });
});

Deno.test("sweepOnce() forgets a courier that Postgres does not know", async () => {
  await withSweeper(async (sweeper, { redis, keys }) => {
    const id = crypto.randomUUID();
    await sweeper.availability.applyStatus(id, "available", 1);
    await sweeper.index.fix(id, fixAt(PICKUP));
    await sweeper.heard(id, OFFLINE_AFTER_MS + 1_000);
    await sweeper.listenLongEnough();
    assert.equal(await redis.zscore(keys.couriersSeen(PARTITION), id), null);
    assert.equal(await redis.hexists(keys.couriers(PARTITION), id), 0);
  });
});

Deno.test("sweepSilent() hides every silent courier, however many there are", async () => {
  await withSweeper(async (sweeper, stores) => {
    const { redis, keys } = stores;
    const count = 700;
    const ids = Array.from({ length: count }, () => crypto.randomUUID());
    for (const id of ids) await sweeper.availability.applyStatus(id, "available", 1);
    for (const id of ids) await sweeper.index.fix(id, fixAt(PICKUP));
    assert.equal(await redis.zcard(keys.couriersGeo(PARTITION)), count);
    for (const id of ids) await sweeper.heard(id, HIDDEN_AFTER_MS + 1_000);
    // Some sweeps, as keeper makes them every 5 s.
    for (let turn = 0; turn < 5; turn++) await sweeper.availability.sweepSilent();
    assert.equal(await redis.zcard(keys.couriersGeo(PARTITION)), 0);
  });
});
