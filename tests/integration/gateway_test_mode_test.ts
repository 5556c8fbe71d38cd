/** Test mode over HTTP: a caller of one mode never meets the orders of the other. */
import assert from "node:assert/strict";
import { insertApiKey } from "shared/auth/api_keys.ts";
import type { Mode } from "shared/auth/principal.ts";
import { SCOPES_OF_ROLE } from "shared/auth/scopes.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  parcelOrder,
  place,
  soupOrder,
} from "../harness/gateway_world.ts";
import { fireTimer } from "../harness/keeper_timers.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores } from "../harness/stores.ts";

const MAX_STEPS = 20;

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

async function keyOf(
  role: "customer" | "merchant" | "dispatcher",
  accountId: string,
  mode: Mode,
): Promise<string> {
  const scopes = SCOPES_OF_ROLE[role];
  const made = await insertApiKey(world.stores.sql, { accountId, name: "shop", mode, scopes });
  return made.text;
}

/** Keys of one mode for the customer, the merchant and a dispatcher. */
async function keysOf(mode: Mode, dispatcherId: string) {
  return {
    customer: await keyOf("customer", world.customer.accountId, mode),
    merchant: await keyOf("merchant", world.merchant.accountId, mode),
    dispatcher: await keyOf("dispatcher", dispatcherId, mode),
  };
}

type Keys = Awaited<ReturnType<typeof keysOf>>;

async function meetsOnly(keys: Keys, own: string, other: string): Promise<void> {
  const { gateway } = world;
  for (
    const [token, path] of [
      [keys.customer, "/api/v1/orders"],
      [keys.dispatcher, "/api/v1/orders"],
      [keys.merchant, "/api/v1/merchant/orders"],
    ] as const
  ) {
    const { items } = JSON.parse((await gateway.call("GET", path, { token })).text);
    assert.deepEqual(items.map(({ id }: { id: string }) => id), [own], path);
  }
  for (const path of [`/api/v1/orders/${other}`, `/api/v1/orders/${other}/events`]) {
    const answer = await gateway.call("GET", path, { token: keys.customer });
    assert.equal(answer.json?.["code"], "order.not_found", path);
  }
  for (
    const [token, path] of [
      [keys.customer, `/api/v1/orders/${other}/cancel`],
      [keys.customer, `/api/v1/orders/${other}/reorder`],
      [keys.merchant, `/api/v1/merchant/orders/${other}/confirm`],
      [keys.dispatcher, `/api/v1/dispatcher/orders/${other}/unassign`],
      [keys.dispatcher, `/api/v1/dispatcher/orders/${other}/fail`],
    ] as const
  ) {
    const answer = await gateway.call("POST", path, { token, body: {} });
    assert.equal(answer.json?.["code"], "order.not_found", path);
  }
}

Deno.test("an order placed with a test key is walked to the door and exists in test mode only", async () => {
  const { gateway, stores } = world;
  const { accountId } = await gateway.signIn("dispatcher");
  const live = await keysOf("live", accountId);
  const test = await keysOf("test", accountId);
  // One external id in each mode.
  const body = soupOrder(world, { externalId: "same-name" });
  const ids = [];
  for (const [keys, mode] of [[live, "live"], [test, "test"]] as const) {
    const answer = await gateway.call("POST", "/api/v1/orders", { token: keys.customer, body });
    assert.deepEqual([answer.status, answer.json?.["mode"]], [201, mode], answer.text);
    ids.push(String(answer.json?.["id"]));
  }
  const [liveId = "", testId = ""] = ids;
  await meetsOnly(live, liveId, testId);
  await meetsOnly(test, testId, liveId);
  for (let steps = 0; await fireTimer(stores.sql, "robot.step", testId); steps++) {
    assert.ok(steps < MAX_STEPS, "the robot does not come to an end");
  }
  const token = test.customer;
  const read = await gateway.call("GET", `/api/v1/orders/${testId}`, { token });
  assert.equal(read.json?.["status"], "delivered");
  assert.deepEqual(await brokenRules(stores.sql), []);
});

Deno.test("nobody asks for test mode in the body", async () => {
  const answer = await place(world, parcelOrder({ mode: "test" }));
  assert.equal(answer.json?.["code"], "request.invalid");
});
