/** A shop whose account is suspended is closed at once, everywhere, and open again afterwards. */
import assert from "node:assert/strict";
import {
  closeGatewayWorld,
  createGatewayWorld,
  DROPOFF,
  type GatewayWorld,
  place,
  soupOrder,
} from "../harness/gateway_world.ts";
import { openTestStores } from "../harness/stores.ts";

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

async function get(path: string): Promise<Record<string, unknown>> {
  const answer = await world.gateway.call("GET", path);
  assert.equal(answer.status, 200, answer.text);
  return answer.json ?? {};
}

/** Whether the shop is open in its own page, in the list around the door, and by name. */
async function shownOpen(): Promise<unknown[]> {
  const { merchantId } = world.merchant;
  const lists = [
    `/api/v1/merchants?lat=${DROPOFF.lat}&lon=${DROPOFF.lon}&radiusM=5000`,
    "/api/v1/merchants",
  ];
  const found = [(await get(`/api/v1/merchants/${merchantId}`))["open"]];
  for (const path of lists) {
    const { items } = await get(path) as { items: { id: string; open: boolean }[] };
    found.push(items.find(({ id }) => id === merchantId)?.open);
  }
  return found;
}

async function switchAccount(to: "suspend" | "reinstate"): Promise<void> {
  const admin = await world.gateway.signIn("admin");
  const path = `/api/v1/admin/accounts/${world.merchant.accountId}/${to}`;
  const answer = await world.gateway.call("POST", path, { token: admin.token });
  assert.equal(answer.status, 200, answer.text);
}

Deno.test("a suspended merchant's shop is closed in lists, quotes, orders and reorders, and comes back", async () => {
  const before = await place(world, soupOrder(world));
  assert.equal(before.status, 201, before.text);
  assert.deepEqual(await shownOpen(), [true, true, true]);
  await switchAccount("suspend");
  assert.deepEqual(await shownOpen(), [false, false, false]);
  const order = await place(world, soupOrder(world));
  assert.deepEqual([order.status, order.json?.["code"]], [409, "merchant.closed"]);
  assert.equal(order.json?.["because"], "closed");
  const { token } = world.customer;
  const again = `/api/v1/orders/${String(before.json?.["id"])}/reorder`;
  const reordered = await world.gateway.call("POST", again, { token, body: {} });
  assert.deepEqual([reordered.status, reordered.json?.["code"]], [409, "merchant.closed"]);
  const quote = await world.gateway.call("POST", "/api/v1/quotes", {
    token,
    body: soupOrder(world),
  });
  assert.deepEqual([quote.status, quote.json?.["serviceable"]], [200, false]);
  assert.match(quote.text, /merchant\.closed/);
  const read = await world.gateway.call("GET", `/api/v1/orders/${String(before.json?.["id"])}`, {
    token,
  });
  assert.equal(read.json?.["status"], "placed", "what was ordered before goes on");
  await switchAccount("reinstate");
  assert.deepEqual(await shownOpen(), [true, true, true]);
  assert.equal((await place(world, soupOrder(world))).status, 201);
});
