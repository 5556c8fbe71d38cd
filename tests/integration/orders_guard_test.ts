import assert from "node:assert/strict";
import { SYSTEM } from "shared/orders/actor.ts";
import { lockOrder } from "shared/orders/locks.ts";
import { OrderChange } from "shared/orders/order_change.ts";
import { createDispatchWorld, newOrder } from "../harness/dispatch_world.ts";
import { orderFacts } from "../harness/order_facts.ts";
import { withStores } from "../harness/with_stores.ts";

Deno.test("OrderChange.save() of an order that was read before somebody else changed it writes nothing", async () => {
  await withStores(async ({ sql }) => {
    const world = await createDispatchWorld(sql);
    const orderId = await newOrder(world);
    const stale = await sql.begin((tx) => lockOrder(tx, orderId));
    assert.ok(stale !== undefined);
    await sql.begin(async (tx) => {
      const order = await lockOrder(tx, orderId);
      assert.ok(order !== undefined);
      const change = new OrderChange(tx, order, SYSTEM);
      change.raiseAttention("first");
      await change.save();
      // Without its event and its history, which alone would refuse a second of the same version.
      await tx`delete from outbox where key = ${orderId} and aggregate_version = ${change.version}`;
      await tx`delete from order_history where order_id = ${orderId}
        and order_version = ${change.version}`;
    });
    await assert.rejects(
      sql.begin(async (tx) => {
        const change = new OrderChange(tx, stale, SYSTEM);
        change.raiseAttention("second");
        await change.save();
      }),
      /was not locked/,
    );
    assert.equal((await orderFacts(sql, orderId)).attention, "first");
  });
});
