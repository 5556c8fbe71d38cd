/** The map of who carries what, read again beside the events that change it. */
import assert from "node:assert/strict";
import type { Sql } from "shared/sql/connect.ts";
import { CarriedOrders } from "../../services/tracker/carried_orders.ts";
import {
  assignedCourier,
  createDispatchWorld,
  type DispatchWorld,
} from "../harness/dispatch_world.ts";
import { REGION } from "../harness/fixtures.ts";
import { Gate } from "../harness/gate.ts";
import { PARTITION } from "../harness/outbox.ts";
import { sqlWithLateAnswers } from "../harness/stand_ins.ts";
import { withStores } from "../harness/with_stores.ts";

/** A reload whose answer left Postgres before, and arrives after, what happens in between. */
async function reloadAround(carried: CarriedOrders, sql: Sql, between: () => Promise<void> | void) {
  const answered = new Gate();
  const goOn = new Gate();
  const slow = sqlWithLateAnswers(sql, /from assignments/, async () => {
    answered.open();
    await goOn.passed();
  });
  const loading = carried.load(slow, REGION);
  await answered.passed();
  await between();
  goOn.open();
  await loading;
}

async function withWorld(use: (world: DispatchWorld) => Promise<void>): Promise<void> {
  await withStores(async ({ sql }) => await use(await createDispatchWorld(sql)));
}

function ordersOf(carried: CarriedOrders, courierId: string): string[] {
  return carried.of(courierId).map(({ orderId }) => orderId);
}

Deno.test("CarriedOrders.load() reads the active assignments of a region", async () => {
  await withWorld(async (world) => {
    const { courierId, orderId } = await assignedCourier(world, { kind: "parcel" });
    const carried = new CarriedOrders();
    await carried.load(world.sql, REGION);
    assert.deepEqual(ordersOf(carried, courierId), [orderId]);
    assert.equal(carried.courierOf(orderId), courierId);
    await carried.load(world.sql, "elsewhere");
    assert.deepEqual(ordersOf(carried, courierId), []);
  });
});

Deno.test("CarriedOrders.load() does not forget an assignment that was heard of during the read", async () => {
  await withWorld(async (world) => {
    const carried = new CarriedOrders();
    let courierId = "";
    let orderId = "";
    await reloadAround(carried, world.sql, async () => {
      ({ courierId, orderId } = await assignedCourier(world, { kind: "parcel" }));
      carried.add(courierId, { orderId, partition: PARTITION, sinceMs: Date.now() });
    });
    assert.deepEqual(ordersOf(carried, courierId), [orderId]);
  });
});

Deno.test("CarriedOrders.load() does not bring back an assignment that ended during the read", async () => {
  await withWorld(async (world) => {
    const { courierId, orderId } = await assignedCourier(world, { kind: "parcel" });
    const carried = new CarriedOrders();
    await carried.load(world.sql, REGION);
    await reloadAround(carried, world.sql, () => carried.remove(courierId, orderId));
    assert.deepEqual(ordersOf(carried, courierId), []);
  });
});
