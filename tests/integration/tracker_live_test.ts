/** What viewers of an order see while it happens. */
import assert from "node:assert/strict";
import { goOffline } from "shared/orders/courier_shift.ts";
import { fixAt, northOfPickup } from "../harness/couriers.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { assign, newOrder, step } from "../harness/dispatch_world.ts";
import { eventually } from "../harness/eventually.ts";
import { expireLease, PARTITION } from "../harness/outbox.ts";
import type { Viewer } from "../harness/track_viewer.ts";
import {
  fixesSeen,
  PROJECTOR_LEASE,
  type TrackerWorld,
  withTrackerWorld,
} from "../harness/tracker_world.ts";

/** How long what only a former owner heard may stay unknown to the present one. */
const HEALED_BOUND_MS = 35_000;

/** An available courier that Redis knows of. */
async function courierOnShift(world: TrackerWorld): Promise<string> {
  const courierId = await insertCourier(world.sql);
  await world.index.availability.applyStatus(courierId, "available", 1);
  return courierId;
}

Deno.test("a track begins with a snapshot of the order and no courier", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    await world.publish();
    const viewer = await world.view(orderId);
    const [snapshot] = await viewer.until(1);
    assert.equal(snapshot?.type, "snapshot");
    assert.equal(snapshot?.seq, 0);
    assert.match(snapshot?.epoch ?? "", /^[0-9a-f-]{36}$/);
    assert.equal(snapshot?.["position"], null);
    const { estimatedDeliveryAt, ...order } = snapshot?.["order"] as Record<string, unknown>;
    assert.ok(Date.parse(String(estimatedDeliveryAt)) > Date.now());
    assert.deepEqual(order, {
      id: orderId,
      regionId: "testville",
      kind: "parcel",
      status: "placed",
      version: 1,
      stateTimes: {},
      pickup: { lat: 57.7, lon: 11.9 },
      dropoff: { lat: 57.71, lon: 11.91 },
      courier: null,
    });
  });
});

Deno.test("a track shows states, courier and positions in order, without a gap, to every viewer", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const courierId = await courierOnShift(world);
    // Who came before the assignment must see positions too.
    const viewers = [await world.view(orderId), await world.view(orderId)];
    for (const viewer of viewers) await viewer.until(1);
    await world.sendFix(courierId);
    await assign(world.dispatch, orderId, courierId);
    await world.publish();
    await world.sendFix(courierId);
    await step(world.dispatch, orderId, courierId, "pick_up");
    await world.publish();
    await world.sendFix(courierId);
    await world.sendFix(courierId);
    await step(world.dispatch, orderId, courierId, "depart");
    await world.publish();
    await world.sendFix(courierId);
    await step(world.dispatch, orderId, courierId, "deliver");
    await world.publish();
    for (const viewer of viewers) {
      assert.deepEqual(await viewer.untilClosed(), { code: 1000, reason: "delivered" });
      assert.deepEqual(viewer.story, [
        "snapshot",
        "courier",
        "position",
        "status picked_up",
        "position",
        "position",
        "status in_transit",
        "position",
        "status delivered",
      ]);
      assert.equal(viewer.disorder, undefined);
      assert.deepEqual(fixesSeen(viewer), [2, 3, 4, 5]);
      const [courier] = viewer.of("courier");
      assert.deepEqual(courier?.["courier"], { name: "Test courier", vehicle: "bicycle" });
      assert.equal(courier?.["version"], 3);
      const [position] = viewer.of("position");
      assert.deepEqual(Object.keys(position?.["position"] as object).sort(), [
        "lat",
        "lon",
        "recordedAt",
        "speedMps",
      ]);
    }
  });
});

Deno.test("a track shows no position of a courier before it is assigned, nor after the delivery", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const courierId = await courierOnShift(world);
    await world.sendFix(courierId);
    const before = await world.view(orderId);
    const [first] = await before.until(1);
    assert.equal(first?.["position"], null);
    await assign(world.dispatch, orderId, courierId);
    await step(world.dispatch, orderId, courierId, "pick_up");
    await step(world.dispatch, orderId, courierId, "depart");
    await world.publish();
    await world.sendFix(courierId);
    await step(world.dispatch, orderId, courierId, "deliver");
    await world.publish();
    await before.untilClosed();
    await world.sendFix(courierId);
    await world.sendFix(courierId);
    assert.deepEqual(fixesSeen(before), [2]);
    const after = await world.view(orderId);
    const [snapshot] = await after.until(1);
    assert.equal(snapshot?.["position"], null);
    assert.equal((snapshot?.["order"] as { courier: unknown }).courier, null);
    assert.deepEqual(await after.untilClosed(), { code: 1000, reason: "delivered" });
    assert.deepEqual(after.story, ["snapshot"]);
    const entries = await world.stores.redis.xrange(
      world.stores.keys.track(PARTITION, orderId),
      "-",
      "+",
    );
    const positions = entries.filter(([, fields]) => fields[1]?.includes('"position"'));
    assert.equal(positions.length, 1, "nor does the log keep any");
  });
});

Deno.test("a track does not show where its courier was before, when an older fix comes in late", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const courierId = await courierOnShift(world);
    const viewer = await world.view(orderId);
    await viewer.until(1);
    await assign(world.dispatch, orderId, courierId);
    await world.publish();
    const before = { ...fixAt(northOfPickup(50), 20_000), speedMps: 99 };
    assert.equal(await world.index.fix(courierId, before), "accepted");
    await world.sendFix(courierId);
    await viewer.until(3);
    assert.deepEqual(fixesSeen(viewer), [1]);
  });
});

Deno.test("a track's snapshot has the courier and where it is, for a viewer who comes late", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const courierId = await courierOnShift(world);
    await assign(world.dispatch, orderId, courierId);
    await world.publish();
    // Nobody watches: these leave no frames, only the newest place.
    await world.sendFix(courierId);
    await world.sendFix(courierId);
    const viewer = await world.view(orderId);
    const [snapshot] = await viewer.until(1);
    assert.equal(snapshot?.seq, 1, "one frame: the courier");
    assert.equal((snapshot?.["position"] as { speedMps: number }).speedMps, 2);
    assert.deepEqual((snapshot?.["order"] as { courier: unknown }).courier, {
      name: "Test courier",
      vehicle: "bicycle",
    });
    await world.sendFix(courierId);
    await viewer.until(2);
    assert.deepEqual(viewer.story, ["snapshot", "position"]);
    assert.equal(viewer.disorder, undefined);
  });
});

Deno.test("a track shows when a courier is lost and the next one, and never the one's place as the other's", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const first = await courierOnShift(world);
    const second = await courierOnShift(world);
    const viewer = await world.view(orderId);
    await viewer.until(1);
    await assign(world.dispatch, orderId, first);
    await world.publish();
    await world.sendFix(first);
    assert.ok((await goOffline(world.sql, first)).ok);
    await world.publish();
    await assign(world.dispatch, orderId, second);
    await world.publish();
    const late = await world.view(orderId);
    const [snapshot] = await late.until(1);
    assert.equal(snapshot?.["position"], null, "where the first was is nobody's business now");
    await world.sendFix(first);
    await world.sendFix(second);
    await eventually("the second is seen", () => fixesSeen(viewer).length === 2);
    assert.deepEqual(viewer.story, [
      "snapshot",
      "courier",
      "position",
      "courier gone",
      "courier",
      "position",
    ]);
    assert.deepEqual(fixesSeen(viewer), [1, 3]);
    assert.equal(viewer.disorder, undefined);
  });
});

Deno.test("a track shows a repeated event once", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const courierId = await courierOnShift(world);
    const viewer = await world.view(orderId);
    await viewer.until(1);
    await assign(world.dispatch, orderId, courierId);
    await step(world.dispatch, orderId, courierId, "pick_up");
    await world.publish();
    await world.sendFix(courierId);
    await viewer.until(4);
    // A relay in doubt publishes again, and a flush may be read again.
    const { redis, keys } = world.stores;
    for (const stream of [keys.events(PARTITION), keys.positions(PARTITION)]) {
      for (const [, fields] of await redis.xrange(stream, "-", "+")) {
        await redis.xadd(stream, "*", ...fields);
      }
    }
    await world.publish();
    await world.sendFix(courierId);
    await viewer.until(5);
    assert.deepEqual(viewer.story, [
      "snapshot",
      "courier",
      "status picked_up",
      "position",
      "position",
    ]);
    assert.equal(viewer.disorder, undefined);
    const { trackLog } = world.tracker;
    const body = { type: "status", status: "picked_up" };
    const isNew = await trackLog.append(PARTITION, orderId, { kind: "status", version: 4, body });
    assert.equal(isNew, false, "the log itself refuses a version it has");
  });
});

Deno.test("a track goes on after its projector was stopped, and misses nothing of the pause", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const courierId = await courierOnShift(world);
    const viewer = await world.view(orderId);
    await viewer.until(1);
    await assign(world.dispatch, orderId, courierId);
    await world.publish();
    await world.sendFix(courierId);
    await world.stopProjectors();
    await step(world.dispatch, orderId, courierId, "pick_up");
    await world.sendFixUnprojected(courierId);
    world.startProjector();
    await world.projectorHasFence(2);
    await world.publish();
    await world.sendFix(courierId);
    await viewer.until(6);
    assert.equal(viewer.disorder, undefined);
    assert.deepEqual(fixesSeen(viewer), [1, 2, 3]);
    assert.deepEqual(viewer.of("status").length, 1);
  });
});

Deno.test("tracks show their couriers though a projector outlives its lease for a while", async () => {
  await withTrackerWorld(async (world) => {
    // The first projector does not know yet that a second one owns the partition.
    world.startProjector();
    await expireLease(world.sql, PROJECTOR_LEASE);
    await world.projectorHasFence(2);
    const carried: { courierId: string; viewer: Viewer }[] = [];
    for (let index = 0; index < 8; index++) {
      const orderId = await newOrder(world.dispatch, { kind: "parcel" });
      const courierId = await courierOnShift(world);
      const viewer = await world.view(orderId);
      await viewer.until(1);
      await assign(world.dispatch, orderId, courierId);
      await world.publish();
      carried.push({ courierId, viewer });
    }
    const blind = () => carried.filter(({ viewer }) => fixesSeen(viewer).length < 3).length;
    await eventually("every viewer sees its courier move", async () => {
      for (const { courierId, viewer } of carried) {
        if (fixesSeen(viewer).length < 3) await world.sendFixUnprojected(courierId);
      }
      return blind() === 0;
    }, HEALED_BOUND_MS).catch(() => undefined);
    assert.equal(blind(), 0, `${blind()} of ${carried.length} tracks show no courier`);
    for (const { viewer } of carried) assert.equal(viewer.disorder, undefined);
  });
});

Deno.test("tracks go on after a flush of fixes that the projector cannot handle", async () => {
  await withTrackerWorld(async (world) => {
    const { redis, keys } = world.stores;
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const courierId = await courierOnShift(world);
    const viewer = await world.view(orderId);
    await viewer.until(1);
    await assign(world.dispatch, orderId, courierId);
    await world.publish();
    const poison = [{ courierId, receivedAtMs: 0, recordedAtMs: "never", fix: {} }];
    await redis.xadd(keys.positions(PARTITION), "*", "fixes", JSON.stringify(poison));
    await eventually("the flush is parked", async () => {
      const parked = await world.sql`select 1 from parked_events where consumer = 'tracker'`;
      return parked.length > 0;
    });
    await world.sendFix(courierId);
    await world.sendFix(courierId);
    await viewer.until(4);
    assert.deepEqual(fixesSeen(viewer), [1, 2]);
  });
});
