/** A courier's channel: offers and assignments as they happen. */
import assert from "node:assert/strict";
import { acceptOffer, rejectOffer } from "shared/orders/offers.ts";
import { newOrder, offer, step } from "../harness/dispatch_world.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { withTrackerWorld } from "../harness/tracker_world.ts";

Deno.test("a courier's channel begins with the offers that wait, as the API shows them", async () => {
  await withTrackerWorld(async (world) => {
    const courierId = await insertCourier(world.sql);
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const offerId = await offer(world.dispatch, orderId, courierId);
    await world.publish();
    const channel = await world.channel(courierId);
    const [snapshot] = await channel.until(1);
    const [row] = await world.sql<{ expiresAt: Date }[]>`
      select expires_at from offers where id = ${offerId}`;
    assert.deepEqual(snapshot, {
      type: "offers",
      offers: [{
        id: offerId,
        orderId,
        attempt: 1,
        distanceToPickupM: 420,
        distanceM: 1300,
        expiresAt: row?.expiresAt.toISOString(),
        pickup: { lat: 57.7, lon: 11.9 },
        dropoff: { lat: 57.71, lon: 11.91 },
      }],
    });
  });
});

Deno.test("a courier's channel tells of offers, assignments and states of its own orders only", async () => {
  await withTrackerWorld(async (world) => {
    const courierId = await insertCourier(world.sql);
    const other = await insertCourier(world.sql);
    const channel = await world.channel(courierId);
    const otherChannel = await world.channel(other);
    assert.deepEqual((await channel.until(1))[0], { type: "offers", offers: [] });
    await otherChannel.until(1);
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const first = await offer(world.dispatch, orderId, courierId);
    await world.publish();
    assert.ok((await rejectOffer(world.sql, { offerId: first, courierId }, "lunch")).ok);
    await world.publish();
    const second = await offer(world.dispatch, orderId, courierId);
    await world.publish();
    const accepted = await acceptOffer(world.sql, { offerId: second, courierId });
    assert.ok(accepted.ok);
    for (const action of ["pick_up", "depart", "deliver"] as const) {
      await step(world.dispatch, orderId, courierId, action);
    }
    await world.publish();
    await channel.until(10);
    const told = channel.frames.slice(1).map((frame) => {
      const { offer: made, ...rest } = frame;
      return made === undefined ? rest : { ...rest, offerId: (made as { id: string }).id };
    });
    assert.deepEqual(told, [
      { type: "offer.made", offerId: first },
      { type: "offer.closed", offerId: first, orderId, reason: "rejected" },
      { type: "offer.made", offerId: second },
      { type: "offer.closed", offerId: second, orderId, reason: "accepted" },
      { type: "assignment.created", orderId, assignmentId: accepted.value.id },
      { type: "order.status", orderId, status: "picked_up" },
      { type: "order.status", orderId, status: "in_transit" },
      { type: "order.status", orderId, status: "delivered" },
      { type: "assignment.ended", orderId, reason: "delivered" },
    ]);
    assert.deepEqual(otherChannel.story, ["offers"]);
  });
});

Deno.test("a courier's channel says nothing of an offer that is over before it is told", async () => {
  await withTrackerWorld(async (world) => {
    const courierId = await insertCourier(world.sql);
    const channel = await world.channel(courierId);
    await channel.until(1);
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const offerId = await offer(world.dispatch, orderId, courierId);
    assert.ok((await rejectOffer(world.sql, { offerId, courierId }, null)).ok);
    await world.publish();
    await channel.until(2);
    assert.deepEqual(channel.story, ["offers", "offer.closed"]);
  });
});
