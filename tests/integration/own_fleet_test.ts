/** Own fleets: whose couriers the matcher asks, from the rows of Postgres to the offer. */
import assert from "node:assert/strict";
import { northOfPickup } from "../harness/couriers.ts";
import { insertAccount, insertMerchant, insertOrder } from "../harness/fixtures.ts";
import { type MatcherWorld, withMatcherWorld } from "../harness/matcher_world.ts";

async function confirmedOrder(world: MatcherWorld, merchantId: string): Promise<string> {
  const { sql } = world.stores;
  const customerId = await insertAccount(sql, "customer");
  const orderId = await insertOrder(sql, { customerId, merchantId, status: "confirmed" });
  world.tellRelay();
  return orderId;
}

Deno.test("an order of a merchant with its own fleet is offered to its fleet only, however far", async () => {
  await withMatcherWorld(async (world) => {
    const { sql } = world.stores;
    const { merchantId } = await insertMerchant(sql);
    const other = await insertMerchant(sql);
    await sql`update merchants set fleet = 'own' where id = ${merchantId}`;
    const anybody = await world.index.addCourier({ at: northOfPickup(10) });
    const theirs = await world.index.addCourier({ at: northOfPickup(20) });
    const ours = await world.index.addCourier({ at: northOfPickup(900) });
    await sql`update couriers set fleet = ${other.merchantId} where id = ${theirs}`;
    await sql`update couriers set fleet = ${merchantId} where id = ${ours}`;
    world.startMatcher();
    const offer = await world.offered(await confirmedOrder(world, merchantId));
    assert.equal(offer.courierId, ours);
    const [decision] = await sql<{ explanation: { excluded: unknown } }[]>`
      select explanation from decisions where order_id = ${offer.orderId}`;
    assert.deepEqual(decision?.explanation.excluded, { other_fleet: 2 });
    // A shared order goes to the nearest who carries for everybody, or for its merchant.
    const shared = await world.offered(await confirmedOrder(world, other.merchantId));
    assert.equal(shared.courierId, anybody);
    const again = await world.offered(await confirmedOrder(world, other.merchantId));
    assert.equal(again.courierId, theirs);
  });
});
