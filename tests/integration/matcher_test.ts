import assert from "node:assert/strict";
import { goOffline, goOnline } from "shared/orders/courier_shift.ts";
import { acceptOffer, expireOffer, rejectOffer } from "shared/orders/offers.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { fixAt, northOfPickup } from "../harness/couriers.ts";
import { eventually } from "../harness/eventually.ts";
import { Gate } from "../harness/gate.ts";
import {
  MATCHER_LEASE,
  type MatcherWorld,
  type OfferRow,
  type RunningMatcher,
  withMatcherWorld,
} from "../harness/matcher_world.ts";
import { expireLease, PARTITION } from "../harness/outbox.ts";
import { redisWith } from "../harness/stand_ins.ts";

/** What only the old owner heard is read again every 30 s. */
const HEALED_BOUND_MS = 35_000;

/** Enough ticks to be sure that nothing more was decided: the matcher has read up to here. */
async function settled(world: MatcherWorld): Promise<void> {
  const { redis, keys, sql } = world.stores;
  await eventually("all events are published and read", async () => {
    const waiting = await sql`select 1 from outbox where published_at is null limit 1`;
    if (waiting.length > 0) return false;
    const groups = await redis.xinfo("GROUPS", keys.events(PARTITION)) as unknown[][];
    const group = groups.find((flat) => flat.includes("matcher")) ?? [];
    const [last] = await redis.xrevrange(keys.events(PARTITION), "+", "-", "COUNT", 1);
    return group[group.indexOf("pending") + 1] === 0 &&
      group[group.indexOf("last-delivered-id") + 1] === last?.[0];
  });
}

async function reject(world: MatcherWorld, { id, courierId }: OfferRow): Promise<void> {
  const outcome = await rejectOffer(world.stores.sql, { offerId: id, courierId }, "not now");
  assert.ok(outcome.ok);
  world.tellRelay();
}

Deno.test("dispatchPartition() asks the nearest available courier and tells why", async () => {
  await withMatcherWorld(async (world) => {
    const far = await world.index.addCourier({ at: northOfPickup(900) });
    const near = await world.index.addCourier({ at: northOfPickup(300) });
    const busy = await world.index.addCourier({ status: "busy", at: northOfPickup(10) });
    const paused = await world.index.addCourier({ status: "paused", at: northOfPickup(20) });
    const nowhere = await insertCourier(world.stores.sql);
    const tooFar = await world.index.addCourier({ at: northOfPickup(10_500) });
    world.startMatcher();
    const orderId = await world.placeOrder();
    const offer = await world.offered(orderId);
    assert.equal(offer.courierId, near);
    assert.equal(offer.distanceToPickupM, 300);
    assert.equal(offer.attempt, 1);
    const decisions = await world.stores.sql`
      select region, courier_id, policy, policy_version, explanation from decisions
      where order_id = ${orderId}`;
    assert.deepEqual([...decisions], [{
      region: "testville",
      courierId: near,
      policy: "nearest",
      policyVersion: 1,
      explanation: {
        policy: "nearest",
        candidates: [
          { courierId: near, distanceM: 300 },
          { courierId: far, distanceM: 900 },
        ],
        excluded: { no_position: 1, too_far: 1 },
        runnerUpBehindM: 600,
      },
    }]);
    assert.ok([busy, paused, nowhere, tooFar].every((id) => id !== offer.courierId));
  });
});

Deno.test("dispatchPartition() finds the one free courier 2.2 km away behind 40 busy ones", async () => {
  await withMatcherWorld(async (world) => {
    for (let index = 0; index < 40; index++) {
      await world.index.addCourier({ status: "busy", at: northOfPickup(10 + index) });
    }
    const free = await world.index.addCourier({ at: northOfPickup(2_200) });
    world.startMatcher();
    const offer = await world.offered(await world.placeOrder());
    assert.equal(offer.courierId, free);
    assert.equal(offer.distanceToPickupM, 2_200);
  });
});

Deno.test("dispatchPartition() asks the next courier after a reject, and never the same one again", async () => {
  await withMatcherWorld(async (world) => {
    const first = await world.index.addCourier({ at: northOfPickup(100) });
    const second = await world.index.addCourier({ at: northOfPickup(200) });
    world.startMatcher();
    const orderId = await world.placeOrder();
    const offer = await world.offered(orderId);
    assert.equal(offer.courierId, first);
    await reject(world, offer);
    const next = await world.offered(orderId, 2);
    assert.equal(next.courierId, second);
    await reject(world, next);
    await settled(world);
    // A third, who comes later, is asked; the two who declined are not.
    const third = await world.index.addCourier({ status: "offline", at: northOfPickup(900) });
    assert.ok((await goOnline(world.stores.sql, third)).ok);
    await world.index.availability.applyStatus(third, "available", 2);
    await world.index.fix(third, fixAt(northOfPickup(900)));
    world.tellRelay();
    assert.equal((await world.offered(orderId, 3)).courierId, third);
    const asked = (await world.offersOf(orderId)).map(({ courierId }) => courierId);
    assert.deepEqual(asked, [first, second, third]);
  });
});

Deno.test("dispatchPartition() asks somebody else when an offer lapsed or its courier left", async () => {
  await withMatcherWorld(async (world) => {
    const { sql } = world.stores;
    const [first, second, third] = [
      await world.index.addCourier({ at: northOfPickup(100) }),
      await world.index.addCourier({ at: northOfPickup(200) }),
      await world.index.addCourier({ at: northOfPickup(300) }),
    ];
    world.startMatcher();
    const orderId = await world.placeOrder();
    const lapsing = await world.offered(orderId);
    assert.equal(lapsing.courierId, first);
    await sql.begin((tx) => expireOffer(tx, lapsing.id));
    world.tellRelay();
    const withdrawn = await world.offered(orderId, 2);
    assert.equal(withdrawn.courierId, second);
    assert.ok((await goOffline(sql, second)).ok);
    world.tellRelay();
    const last = await world.offered(orderId, 3);
    assert.equal(last.courierId, third);
    assert.ok((await acceptOffer(sql, { offerId: last.id, courierId: third })).ok);
    const statuses = (await world.offersOf(orderId)).map(({ status }) => status);
    assert.deepEqual(statuses, ["expired", "withdrawn", "accepted"]);
  });
});

Deno.test("dispatchPartition() gives a courier one offer at a time and the waiting order afterwards", async () => {
  await withMatcherWorld(async (world) => {
    const courier = await world.index.addCourier({ at: northOfPickup(100) });
    world.startMatcher();
    const first = await world.placeOrder();
    const second = await world.placeOrder();
    const offer = await world.offered(first);
    assert.equal(offer.courierId, courier);
    await settled(world);
    assert.deepEqual(await world.offersOf(second), []);
    await reject(world, offer);
    assert.equal((await world.offered(second)).courierId, courier);
    assert.equal((await world.offersOf(first)).length, 1);
  });
});

Deno.test("dispatchPartition() does not ask a courier who has been silent for 45 s", async () => {
  await withMatcherWorld(async (world) => {
    const { sql } = world.stores;
    const silent = await world.index.addCourier({ at: northOfPickup(10) });
    await world.index.age(silent, 45_500);
    const heard = await world.index.addCourier({ at: northOfPickup(800) });
    world.startMatcher();
    const orderId = await world.placeOrder();
    assert.equal((await world.offered(orderId)).courierId, heard);
    const [decision] = await sql<{ explanation: { excluded: unknown } }[]>`
      select explanation from decisions where order_id = ${orderId}`;
    assert.deepEqual(decision?.explanation.excluded, { silent: 1 });
  });
});

Deno.test("dispatchPartition() asks a courier who stands still and of whom the stream has nothing left", async () => {
  await withMatcherWorld(async (world) => {
    const { redis, keys } = world.stores;
    const still = await world.index.addCourier({ at: northOfPickup(200) });
    await redis.xtrim(keys.positions(PARTITION), "MAXLEN", 0);
    world.startMatcher();
    assert.equal((await world.offered(await world.placeOrder())).courierId, still);
  });
});

Deno.test("dispatchPartition() serves an order that was placed while no matcher ran", async () => {
  await withMatcherWorld(async (world) => {
    await world.index.addCourier({ at: northOfPickup(100) });
    await world.index.addCourier({ at: northOfPickup(200) });
    const first = world.startMatcher("first");
    await world.offered(await world.placeOrder());
    await first.stop();
    const waiting = await world.placeOrder();
    world.startMatcher("second");
    assert.equal((await world.offered(waiting)).distanceToPickupM, 200);
  });
});

Deno.test("dispatchPartition() of a matcher that died without a word is taken over when its lease ends", async () => {
  await withMatcherWorld(async (world) => {
    await world.index.addCourier({ at: northOfPickup(100) });
    await world.stores.sql`
      insert into leases (name, owner, fence, expires_at)
      values (${MATCHER_LEASE}, 'killed', 7, clock_timestamp() + interval '2 seconds')`;
    const orderId = await world.placeOrder();
    const startedAtMs = performance.now();
    world.startMatcher();
    await world.offered(orderId);
    const tookMs = performance.now() - startedAtMs;
    assert.ok(tookMs >= 1_800, `it did not wait for the lease: ${Math.round(tookMs)} ms`);
    const [lease] = await world.stores.sql`select owner, fence from leases
      where name = ${MATCHER_LEASE}`;
    assert.deepEqual(lease, { owner: "matcher", fence: "8" });
  });
});

async function assertNoDoubleOffers(world: MatcherWorld, orderCount: number): Promise<void> {
  const { sql } = world.stores;
  const offers = await sql<OfferRow[]>`select order_id, courier_id, status from offers`;
  assert.equal(offers.length, orderCount);
  assert.equal(new Set(offers.map(({ orderId }) => orderId)).size, orderCount);
  assert.equal(new Set(offers.map(({ courierId }) => courierId)).size, orderCount);
  const made = await sql`select 1 from outbox_events where type = 'offer.made'`;
  assert.equal(made.length, orderCount);
  assert.equal((await sql`select 1 from decisions`).length, orderCount);
}

Deno.test("dispatchPartition() in two matchers makes one offer per order and courier", async () => {
  await withMatcherWorld(async (world) => {
    const count = 20;
    for (let index = 0; index < count; index++) {
      await world.index.addCourier({ at: northOfPickup(100 + index * 10) });
    }
    const matchers = [world.startMatcher("a"), world.startMatcher("b")];
    const orderIds: string[] = [];
    for (let index = 0; index < count; index++) orderIds.push(await world.placeOrder());
    for (const orderId of orderIds) await world.offered(orderId);
    await settled(world);
    await assertNoDoubleOffers(world, count);
    const made = await Promise.all(matchers.map((matcher) => matcher.offersMade()));
    assert.deepEqual(made.sort((a, b) => a - b), [0, count], "only the owner decides");
  });
});

/** Two matchers, the first of which does not know yet that its lease has passed to the second. */
async function withOutlivedMatcher(
  use: (world: MatcherWorld, old: RunningMatcher, successor: RunningMatcher) => Promise<void>,
): Promise<void> {
  await withMatcherWorld(async (world) => {
    for (let index = 0; index < 20; index++) {
      await world.index.addCourier({ at: northOfPickup(100 + index * 10) });
    }
    const old = world.startMatcher("old");
    await world.offered(await world.placeOrder());
    const successor = world.startMatcher("successor");
    const { sql } = world.stores;
    await eventually("the successor owns the partition", async () => {
      const [lease] = await sql<{ owner: string }[]>`
        select owner from leases where name = ${MATCHER_LEASE} and expires_at > clock_timestamp()`;
      if (lease?.owner === "old") await expireLease(sql, MATCHER_LEASE);
      return lease?.owner === "successor";
    });
    await use(world, old, successor);
  });
}

Deno.test("dispatchPartition() of a matcher that outlives its lease writes nothing", async () => {
  await withOutlivedMatcher(async (world, old) => {
    const made = await old.offersMade();
    const orderIds: string[] = [];
    for (let index = 0; index < 5; index++) orderIds.push(await world.placeOrder());
    await eventually("somebody made an offer", async () => {
      const offers = await Promise.all(orderIds.map((orderId) => world.offersOf(orderId)));
      return offers.some((rows) => rows.length > 0);
    });
    assert.equal(await old.offersMade(), made);
    const offers = await world.stores.sql<OfferRow[]>`select order_id, courier_id from offers`;
    assert.equal(new Set(offers.map(({ orderId }) => orderId)).size, offers.length);
    assert.equal(new Set(offers.map(({ courierId }) => courierId)).size, offers.length);
  });
});

Deno.test("dispatchPartition() serves every order though a matcher outlives its lease for a while", async () => {
  await withOutlivedMatcher(async (world) => {
    const orderIds: string[] = [];
    for (let index = 0; index < 8; index++) orderIds.push(await world.placeOrder());
    const withoutOffer = async () => {
      const offers = await Promise.all(orderIds.map((orderId) => world.offersOf(orderId)));
      return offers.filter((rows) => rows.length === 0).length;
    };
    await eventually("all are offered", async () => await withoutOffer() === 0, HEALED_BOUND_MS)
      .catch(() => undefined);
    assert.equal(await withoutOffer(), 0, `orders of ${orderIds.length} that wait for ever`);
  });
});

Deno.test("dispatchPartition() decides only once it has read where everybody is", async () => {
  await withMatcherWorld(async (world) => {
    const far = await world.index.addCourier({ at: northOfPickup(3_000) });
    const near = await world.index.addCourier({ at: northOfPickup(100) });
    const orderId = await world.placeOrder();
    const goOn = new Gate();
    let opened = 0;
    let isRead = false;
    const openBlocking = () => {
      const connection = world.stores.openBlocking();
      if (++opened !== 2) return connection;
      return redisWith(connection, {
        hmgetBuffer: async (args, real) => {
          isRead = true;
          await goOn.passed();
          return await real(...args);
        },
      });
    };
    world.startMatcher("matcher", openBlocking);
    await eventually("they are being read", () => isRead);
    await eventually("a decision", async () => (await world.offersOf(orderId)).length > 0, 500)
      .catch(() => undefined);
    goOn.open();
    const { courierId } = await world.offered(orderId);
    assert.equal(courierId, near, courierId === far ? "it asked the far one" : "a stranger");
  });
});
