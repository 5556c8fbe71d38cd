/** A courier whose account is suspended leaves in the same transaction, whatever else goes on. */
import assert from "node:assert/strict";
import {
  goOnline,
  markSilent,
  retryOnNewWork,
  suspendCourierIn,
} from "shared/orders/courier_shift.ts";
import { reassignOrder } from "shared/orders/dispatcher_actions.ts";
import { makeOffer } from "shared/orders/offers.ts";
import { assign, newOrder, offer, planOf, step } from "../harness/dispatch_world.ts";
import { insertCourier } from "../harness/fixtures.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
} from "../harness/gateway_world.ts";
import { assignmentsOf, courierFacts, eventLines, orderFacts } from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores } from "../harness/stores.ts";

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

async function suspend(courierId: string): Promise<void> {
  const admin = await world.gateway.signIn("admin");
  const path = `/api/v1/admin/accounts/${courierId}/suspend`;
  const answer = await world.gateway.call("POST", path, { token: admin.token });
  assert.equal(answer.status, 200, answer.text);
}

Deno.test("a suspended courier is offline at once: offers and orders before pickup are free, a dispatcher is told of the rest", async () => {
  const { dispatch } = world;
  const { sql } = dispatch;
  const courierId = await insertCourier(sql, { capacity: 3 });
  const [carried, assigned, offered] = [
    await newOrder(dispatch, { kind: "parcel" }),
    await newOrder(dispatch, { kind: "parcel" }),
    await newOrder(dispatch, { kind: "parcel" }),
  ];
  await assign(dispatch, carried, courierId);
  await step(dispatch, carried, courierId, "pick_up");
  await assign(dispatch, assigned, courierId);
  await offer(dispatch, offered, courierId);
  await suspend(courierId);
  assert.equal((await courierFacts(sql, courierId)).status, "offline");
  const [ended] = await assignmentsOf(sql, assigned);
  assert.deepEqual([ended?.isActive, ended?.endReason], [false, "courier_suspended"]);
  assert.ok((await eventLines(sql, offered)).some((line) => line.includes("offer.withdrawn")));
  assert.equal((await assignmentsOf(sql, carried))[0]?.isActive, true);
  assert.equal((await orderFacts(sql, carried)).attention, "courier_suspended");
  // Nobody has to wait ten minutes to see whether it comes back.
  const other = await insertCourier(sql);
  const dispatcher = await world.gateway.signIn("dispatcher");
  const given = await reassignOrder(sql, {
    orderId: carried,
    courierId: other,
    dispatcherId: dispatcher.accountId,
  });
  assert.ok(given.ok);
  assert.deepEqual(await brokenRules(sql), []);
});

Deno.test("a suspended courier comes online again only after it is reinstated", async () => {
  const { sql } = world.dispatch;
  const courierId = await insertCourier(sql);
  await suspend(courierId);
  // As a request that was let in a moment before.
  assert.deepEqual(await goOnline(sql, courierId), { ok: false, code: "account.suspended" });
  const admin = await world.gateway.signIn("admin");
  const path = `/api/v1/admin/accounts/${courierId}/reinstate`;
  assert.equal((await world.gateway.call("POST", path, { token: admin.token })).status, 200);
  assert.ok((await goOnline(sql, courierId)).ok);
});

Deno.test("a courier that was silent with goods when it is suspended: the alert says why, and ends when it is back", async () => {
  const { dispatch } = world;
  const { sql } = dispatch;
  const courierId = await insertCourier(sql);
  const orderId = await newOrder(dispatch, { kind: "parcel" });
  await assign(dispatch, orderId, courierId);
  await step(dispatch, orderId, courierId, "pick_up");
  assert.equal(await markSilent(sql, courierId), true);
  await suspend(courierId);
  assert.equal((await orderFacts(sql, orderId)).attention, "courier_suspended");
  await sql`update accounts set suspended_at = null where id = ${courierId}`;
  assert.ok((await goOnline(sql, courierId)).ok);
  assert.equal((await orderFacts(sql, orderId)).attention, null);
});

Deno.test("suspension against offers and going online: nothing is left with a courier that is out", async () => {
  const { dispatch } = world;
  const { sql } = dispatch;
  for (let round = 0; round < 12; round++) {
    const courierId = await insertCourier(sql);
    const orderId = await newOrder(dispatch, { kind: "parcel" });
    const plan = await planOf(sql, orderId, courierId);
    await Promise.all([
      retryOnNewWork(() =>
        sql.begin(async (tx) => {
          await tx`update accounts set suspended_at = clock_timestamp() where id = ${courierId}`;
          await suspendCourierIn(tx, courierId, { role: "system" });
        })
      ),
      makeOffer(sql, dispatch.lease, plan),
      goOnline(sql, courierId),
    ]);
    assert.equal((await courierFacts(sql, courierId)).status, "offline");
    const left = await sql`
      select 1 from offers where courier_id = ${courierId} and status = 'pending'`;
    assert.equal(left.length, 0, `round ${round}`);
  }
  assert.deepEqual(await brokenRules(sql), []);
});
