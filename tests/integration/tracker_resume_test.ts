/** Viewers that come back: what they missed, exactly, or an honest new beginning. */
import assert from "node:assert/strict";
import { goOffline } from "shared/orders/courier_shift.ts";
import { acceptOffer } from "shared/orders/offers.ts";
import { silentLog } from "shared/log/log.ts";
import { Channels } from "../../services/tracker/channels.ts";
import { TrackFollower } from "../../services/tracker/follow_track.ts";
import { TrackLog } from "../../services/tracker/track_log.ts";
import { assign, newOrder, offer, step } from "../harness/dispatch_world.ts";
import { eventually } from "../harness/eventually.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { Gate } from "../harness/gate.ts";
import { PARTITION } from "../harness/outbox.ts";
import { RedisLink } from "../harness/redis_link.ts";
import {
  fixesSeen,
  TestTracker,
  type TrackerWorld,
  withTrackerWorld,
} from "../harness/tracker_world.ts";

/** How soon viewers must learn that their tracker no longer hears Redis. */
const SILENCE_BOUND_MS = 15_000;

/** An order under way with a viewer that has seen the courier and two positions. */
async function underWay(world: TrackerWorld) {
  const orderId = await newOrder(world.dispatch, { kind: "parcel" });
  const courierId = await insertCourier(world.sql);
  await world.index.availability.applyStatus(courierId, "available", 1);
  const viewer = await world.view(orderId);
  await viewer.until(1);
  await assign(world.dispatch, orderId, courierId);
  await world.publish();
  await world.sendFix(courierId);
  await world.sendFix(courierId);
  await viewer.until(4);
  return { orderId, courierId, viewer };
}

Deno.test("a track resumes with exactly the frames that were missed, then goes on", async () => {
  await withTrackerWorld(async (world) => {
    const { orderId, courierId, viewer } = await underWay(world);
    await viewer.close();
    await step(world.dispatch, orderId, courierId, "pick_up");
    await world.publish();
    await world.sendFix(courierId);
    const again = await world.view(orderId, { since: viewer.cursor });
    await again.until(3);
    const [resumed] = again.frames;
    const [, , , last] = viewer.frames;
    assert.deepEqual(resumed, {
      type: "resumed",
      epoch: last?.epoch,
      seq: last?.seq,
      recovered: true,
    });
    await world.sendFix(courierId);
    await again.until(4);
    assert.deepEqual(again.story, ["resumed", "status picked_up", "position", "position"]);
    assert.equal(again.disorder, undefined);
    assert.deepEqual([...fixesSeen(viewer), ...fixesSeen(again)], [1, 2, 3, 4]);
  });
});

Deno.test("a track resumes with nothing for a viewer that missed nothing", async () => {
  await withTrackerWorld(async (world) => {
    const { orderId, courierId, viewer } = await underWay(world);
    const again = await world.view(orderId, { since: viewer.cursor });
    await again.until(1);
    assert.deepEqual(again.story, ["resumed"]);
    await world.sendFix(courierId);
    await again.until(2);
    assert.equal(again.disorder, undefined);
    assert.deepEqual(fixesSeen(again), [3]);
  });
});

Deno.test("a track answers reset with a snapshot to a place that it does not know", async () => {
  await withTrackerWorld(async (world) => {
    const { orderId, courierId, viewer } = await underWay(world);
    const [epoch] = viewer.cursor.split(":");
    for (const since of [`${crypto.randomUUID()}:2`, `2.${epoch}:2`, `${epoch}:999`]) {
      const again = await world.view(orderId, { since });
      const [reset] = await again.until(1);
      assert.equal(reset?.type, "reset", since);
      assert.equal(`${reset?.epoch}:${reset?.seq}`, viewer.cursor);
      assert.equal((reset?.["position"] as { speedMps: number }).speedMps, 2);
      assert.equal((reset?.["order"] as { id: string }).id, orderId);
    }
    const junk = await world.view(orderId, { since: "yesterday" });
    assert.equal((await junk.until(1))[0]?.type, "snapshot");
    await world.sendFix(courierId);
    await junk.until(2);
    assert.equal(junk.disorder, undefined);
  });
});

Deno.test("a track answers reset when its log was lost or cut, and never leaves a gap", async () => {
  await withTrackerWorld(async (world) => {
    const { orderId, courierId, viewer } = await underWay(world);
    const { redis, keys } = world.stores;
    const beginning = `${viewer.frames[0]?.epoch}:0`;
    await redis.xtrim(keys.track(PARTITION, orderId), "MAXLEN", 2);
    const cut = await world.view(orderId, { since: beginning });
    assert.equal((await cut.until(1))[0]?.type, "reset", "frame 1 is no longer there");
    const inside = await world.view(orderId, { since: beginning.replace(":0", ":1") });
    await inside.until(3);
    assert.deepEqual(inside.story, ["resumed", "position", "position"]);
    // Redis loses everything: those who are connected are told, and begin anew.
    await redis.del(
      keys.track(PARTITION, orderId),
      keys.trackMeta(PARTITION, orderId),
      keys.watch(PARTITION, orderId),
    );
    const anew = await world.view(orderId, { since: viewer.cursor });
    const [reset] = await anew.until(1);
    assert.equal(reset?.type, "reset");
    assert.notEqual(reset?.epoch, viewer.frames[0]?.epoch);
    await world.sendFix(courierId);
    await anew.until(2);
    assert.equal(anew.disorder, undefined);
    assert.deepEqual(await inside.untilClosed(), { code: 1012, reason: "the track began anew" });
  });
});

Deno.test("a viewer that missed a message is sent to resume instead of being left with a gap", async () => {
  await withTrackerWorld(async (world) => {
    const { orderId, courierId, viewer } = await underWay(world);
    const { redis, keys } = world.stores;
    // A frame that got its number, but was never heard here.
    await redis.hincrby(keys.trackMeta(PARTITION, orderId), "seq", 1);
    await world.sendFix(courierId);
    assert.deepEqual(await viewer.untilClosed(), {
      code: 1012,
      reason: "messages may have been missed",
    });
    assert.deepEqual(fixesSeen(viewer), [1, 2]);
    const again = await world.view(orderId, { since: viewer.cursor });
    assert.equal((await again.until(1))[0]?.type, "reset", "the log does not have it either");
  });
});

Deno.test("a track ends for a viewer who comes back after the end, whatever it has missed", async () => {
  await withTrackerWorld(async (world) => {
    const { orderId, courierId, viewer } = await underWay(world);
    const before = viewer.cursor;
    await step(world.dispatch, orderId, courierId, "pick_up");
    await step(world.dispatch, orderId, courierId, "depart");
    await step(world.dispatch, orderId, courierId, "deliver");
    await world.publish();
    assert.deepEqual(await viewer.untilClosed(), { code: 1000, reason: "delivered" });
    const missedAll = await world.view(orderId, { since: before });
    assert.deepEqual(await missedAll.untilClosed(), { code: 1000, reason: "delivered" });
    assert.deepEqual(missedAll.story, [
      "resumed",
      "status picked_up",
      "status in_transit",
      "status delivered",
    ]);
    // The close frame was lost on the way, not the last status.
    const missedNothing = await world.view(orderId, { since: viewer.cursor });
    assert.equal((await missedNothing.untilClosed()).code, 1000);
  });
});

Deno.test("an event stream shows the same frames and resumes by Last-Event-ID", async () => {
  await withTrackerWorld(async (world) => {
    const { orderId, courierId, viewer } = await underWay(world);
    const stream = await world.stream(orderId);
    assert.equal(stream.headers.get("content-type"), "text/event-stream");
    assert.equal(stream.headers.get("cache-control"), "private, no-store");
    await stream.until(1);
    await world.sendFix(courierId);
    await stream.until(2);
    assert.deepEqual(stream.story, ["snapshot", "position"]);
    assert.deepEqual(stream.ids, stream.frames.map(({ epoch, seq }) => `${epoch}:${seq}`));
    await stream.close();
    await step(world.dispatch, orderId, courierId, "pick_up");
    await world.publish();
    await world.sendFix(courierId);
    const again = await world.stream(orderId, { "last-event-id": stream.ids.at(-1) ?? "" });
    await again.until(3);
    assert.deepEqual(again.story, ["resumed", "status picked_up", "position"]);
    await step(world.dispatch, orderId, courierId, "depart");
    await step(world.dispatch, orderId, courierId, "deliver");
    await world.publish();
    await again.untilClosed();
    assert.equal(again.story.at(-1), "status delivered");
    assert.equal(again.disorder, undefined);
    await viewer.untilClosed();
    const socketStory = viewer.frames.slice(1).map(({ seq }) => seq);
    const streamStory = [...stream.frames.slice(1), ...again.frames.slice(1)].map(({ seq }) => seq);
    assert.deepEqual(streamStory, socketStory.slice(-streamStory.length));
  });
});

Deno.test("a track resumes at another tracker", async () => {
  await withTrackerWorld(async (world) => {
    const { orderId, courierId, viewer } = await underWay(world);
    await using other = await TestTracker.start(world.stores);
    await viewer.close();
    await world.sendFix(courierId);
    const again = await world.view(orderId, { since: viewer.cursor }, other);
    await again.until(2);
    await world.sendFix(courierId);
    await again.until(3);
    assert.deepEqual(again.story, ["resumed", "position", "position"]);
    assert.equal(again.disorder, undefined);
    assert.deepEqual(fixesSeen(again), [3, 4]);
    await again.close();
  });
});

Deno.test("viewers are told to come back when their tracker's subscription was cut, and resume", async () => {
  await withTrackerWorld(async (world) => {
    const { orderId, courierId } = await underWay(world);
    await using link = new RedisLink(world.stores.redisUrl);
    await using cut = await TestTracker.start(world.stores, link.url);
    const viewer = await world.view(orderId, {}, cut);
    await viewer.until(1);
    link.cut();
    assert.deepEqual(await viewer.untilClosed(), {
      code: 1012,
      reason: "messages may have been missed",
    });
    await world.sendFix(courierId);
    link.restore();
    const again = await eventually("the tracker hears again", async () => {
      const candidate = await world.view(orderId, { since: viewer.cursor }, cut);
      await eventually("an answer", () => candidate.frames.length > 0 || candidate.closing);
      return candidate.frames.length > 0 ? candidate : undefined;
    });
    await world.sendFix(courierId);
    await again.until(3);
    assert.deepEqual(again.story, ["resumed", "position", "position"]);
    assert.deepEqual(fixesSeen(again), [3, 4]);
    await again.close();
  });
});

Deno.test("viewers are told within 15 s when their tracker's subscription fell silent", async () => {
  await withTrackerWorld(async (world) => {
    const { orderId, courierId } = await underWay(world);
    await using link = new RedisLink(world.stores.redisUrl);
    await using deaf = await TestTracker.start(world.stores, link.url);
    const viewer = await world.view(orderId, {}, deaf);
    await viewer.until(1);
    link.freeze();
    await world.sendFix(courierId);
    await eventually(
      "the viewer is told, or sees the position",
      () => viewer.closing !== undefined || viewer.frames.length > 1,
      SILENCE_BOUND_MS,
    );
    await viewer.close();
  });
});

Deno.test("TrackFollower leaves no timer behind for a viewer that left at once", async () => {
  await withTrackerWorld(async (world) => {
    const { sql, redis, keys, openBlocking } = world.stores;
    const watching = new Gate();
    const goOn = new Gate();
    class SlowLog extends TrackLog {
      override async watch(): Promise<void> {
        watching.open();
        await goOn.passed();
      }
    }
    const subscriber = openBlocking();
    await subscriber.connect();
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const channels = new Channels(subscriber, silentLog);
    const deps = {
      sql,
      keys,
      channels,
      trackLog: new SlowLog(redis, keys),
      metrics: world.tracker.metrics,
      log: silentLog,
    };
    const sink = { send: () => {}, close: () => {} };
    const followed = { orderId, partition: PARTITION, isCourier: false };
    const follower = new TrackFollower(deps, followed, sink);
    const intervals = countIntervals();
    try {
      const starting = follower.start(undefined);
      await watching.passed();
      follower.stop();
      goOn.open();
      await starting;
      assert.equal(intervals.running(), 0);
    } finally {
      intervals.restore();
    }
  });
});

/** Counts the intervals that were started and not cleared since. */
function countIntervals() {
  const { setInterval: start, clearInterval: clear } = globalThis;
  const running = new Set<unknown>();
  globalThis.setInterval = new Proxy(start, {
    apply(target, self, args) {
      const id: unknown = Reflect.apply(target, self, args);
      running.add(id);
      return id;
    },
  });
  globalThis.clearInterval = new Proxy(clear, {
    apply(target, self, args) {
      running.delete(args[0]);
      return Reflect.apply(target, self, args);
    },
  });
  return {
    running: () => running.size,
    restore: () => {
      globalThis.setInterval = start;
      globalThis.clearInterval = clear;
    },
  };
}

Deno.test("a courier's own view of a track ends when the order goes to somebody else", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const courierId = await insertCourier(world.sql);
    const offerId = await offer(world.dispatch, orderId, courierId);
    assert.ok((await acceptOffer(world.sql, { offerId, courierId })).ok);
    await world.publish();
    const view = await world.view(orderId, { courierId });
    await view.until(1);
    assert.ok((await goOffline(world.sql, courierId)).ok);
    await world.publish();
    assert.deepEqual(await view.untilClosed(), { code: 1012, reason: "the order changed hands" });
    assert.deepEqual(view.story, ["snapshot"]);
  });
});
