/** Where a device of an order is, on the order's track. */
import assert from "node:assert/strict";
import { appendOrderPositions } from "shared/availability/order_positions.ts";
import { assign, newOrder } from "../harness/dispatch_world.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { northOfPickup } from "../harness/couriers.ts";
import { PARTITION } from "../harness/outbox.ts";
import { type TrackerWorld, withTrackerWorld } from "../harness/tracker_world.ts";

async function tell(
  world: TrackerWorld,
  orderId: string,
  source: "device" | "robot",
  recordedAtMs: number,
): Promise<void> {
  const { redis, keys } = world.stores;
  const fix = { ...northOfPickup(recordedAtMs % 1_000), recordedAtMs };
  assert.ok(await appendOrderPositions(redis, keys, PARTITION, [{ orderId, source, fix }]));
  await world.positionsProjected();
}

Deno.test("a device's positions are frames of their own, before there is a courier and beside the courier's", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    await world.publish();
    const early = await world.view(orderId);
    const [snapshot] = await early.until(1);
    assert.equal(snapshot?.["parcelPosition"], null);
    const nowMs = Date.now();
    await tell(world, orderId, "device", nowMs - 2_000);
    // Older and repeated ones are not shown.
    await tell(world, orderId, "device", nowMs - 3_000);
    await tell(world, orderId, "device", nowMs - 2_000);
    const courierId = await insertCourier(world.sql);
    await world.index.availability.applyStatus(courierId, "available", 1);
    await assign(world.dispatch, orderId, courierId);
    await world.publish();
    await world.sendFix(courierId);
    await tell(world, orderId, "device", nowMs - 1_000);
    await early.until(5);
    assert.deepEqual(early.story, [
      "snapshot",
      "parcel_position",
      "courier",
      "position",
      "parcel_position",
    ]);
    assert.equal(early.disorder, undefined);
    const late = await world.view(orderId);
    const [whole] = await late.until(1);
    const parcel = whole?.["parcelPosition"] as { recordedAt: string };
    assert.equal(Date.parse(parcel.recordedAt), nowMs - 1_000);
    assert.notEqual(whole?.["position"], null);
  });
});

Deno.test("the robot's positions are the courier's, while it has the order", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const viewer = await world.view(orderId);
    await viewer.until(1);
    await tell(world, orderId, "robot", Date.now() - 1_000);
    const courierId = await insertCourier(world.sql);
    await assign(world.dispatch, orderId, courierId);
    await world.publish();
    await tell(world, orderId, "robot", Date.now());
    await viewer.until(3);
    assert.deepEqual(viewer.story, ["snapshot", "courier", "position"]);
  });
});
