import assert from "node:assert/strict";
import {
  insertAccount,
  insertCourier,
  insertMerchant,
  insertOrder,
  insertRegion,
} from "../harness/fixtures.ts";
import { openTestStores } from "../harness/stores.ts";

Deno.test("openTestStores() gives a migrated database and a Redis of its own", async () => {
  const stores = await openTestStores();
  try {
    await insertRegion(stores.sql);
    const customerId = await insertAccount(stores.sql, "customer");
    const { merchantId } = await insertMerchant(stores.sql);
    await insertCourier(stores.sql);
    await insertOrder(stores.sql, { customerId, merchantId });
    const [row] = await stores.sql<{ count: string }[]>`select count(*) from outbox`;
    assert.equal(row?.count, "1");
    assert.equal(await stores.redis.ping(), "PONG");
  } finally {
    await stores.close();
  }
});
