/** Who may see and do what over HTTP (DESIGN §4.8): other people's things do not exist. */
import assert from "node:assert/strict";
import { insertMerchant } from "../harness/fixtures.ts";
import type { Answer } from "../harness/gateway_app.ts";
import { offer } from "../harness/dispatch_world.ts";
import {
  acceptedOrder,
  ask,
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  newCourier,
  parcelOrder,
  type Person,
  place,
  placed,
  soupOrder,
} from "../harness/gateway_world.ts";
import { everything } from "../harness/order_facts.ts";
import { openTestStores } from "../harness/stores.ts";

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

function assertCode(answer: Answer, status: number, code: string, what: string): void {
  assert.deepEqual(
    { status: answer.status, code: answer.json?.["code"] },
    { status, code },
    `${what}: ${answer.text}`,
  );
}

/** What a party may ask about one order. */
function orderRoutes(id: string): [string, string][] {
  return [
    ["GET", `/api/v1/orders/${id}`],
    ["GET", `/api/v1/orders/${id}/events`],
    ["POST", `/api/v1/orders/${id}/cancel`],
    ["POST", `/api/v1/orders/${id}/track-tickets`],
  ];
}

async function otherMerchant(): Promise<Person> {
  const { accountId } = await insertMerchant(world.stores.sql);
  return { accountId, token: await world.gateway.tokenOf(accountId) };
}

Deno.test("another customer's, merchant's or courier's order does not exist, and nothing is changed", async () => {
  const { gateway, stores } = world;
  const { orderId, offerId, courier } = await acceptedOrder(world);
  const strangers: [string, Person][] = [
    ["customer", await gateway.signIn("customer")],
    ["merchant", await otherMerchant()],
    ["merchant without a shop", await gateway.signIn("merchant")],
    ["courier", await newCourier(world)],
  ];
  const before = await everything(stores.sql);
  for (const [who, { token }] of strangers) {
    for (const [method, path] of orderRoutes(orderId)) {
      const answer = await gateway.call(method, path, {
        token,
        ...(method === "POST" ? { body: {} } : {}),
      });
      assertCode(answer, 404, "order.not_found", `${who}: ${method} ${path}`);
      assert.doesNotMatch(answer.text, new RegExp(orderId), "the answer tells nothing back");
    }
  }
  const merchant = strangers[1]?.[1].token;
  for (const step of ["confirm", "prepare", "ready"]) {
    const path = `/api/v1/merchant/orders/${orderId}/${step}`;
    assertCode(await gateway.call("POST", path, { token: merchant }), 404, "order.not_found", step);
  }
  const other = strangers[3]?.[1].token;
  for (const step of ["picked-up", "in-transit", "delivered"]) {
    const path = `/api/v1/courier/orders/${orderId}/${step}`;
    assertCode(await gateway.call("POST", path, { token: other }), 404, "order.not_found", step);
  }
  for (const step of ["accept", "reject"]) {
    const answer = await gateway.call("POST", `/api/v1/courier/offers/${offerId}/${step}`, {
      token: other,
      body: {},
    });
    assertCode(answer, 404, "offer.not_found", step);
  }
  assert.deepEqual(await everything(stores.sql), before);
  // The parties themselves do see it, so the refusals above are about the strangers.
  for (
    const { token } of [world.customer, world.merchant, courier, await gateway.signIn("admin")]
  ) {
    assert.equal((await gateway.call("GET", `/api/v1/orders/${orderId}`, { token })).status, 200);
  }
});

Deno.test("lists hold only what is one's own", async () => {
  const { gateway } = world;
  const [first, second] = [await gateway.signIn("customer"), await gateway.signIn("customer")];
  const own = String((await place(world, parcelOrder(), { by: first })).json?.["id"]);
  await place(world, parcelOrder(), { by: second });
  const idsOf = async (path: string, by: { token: string }) => {
    const answer = await ask(world, by, "GET", path);
    return (JSON.parse(answer.text).items as { id: string }[]).map(({ id }) => id);
  };
  assert.deepEqual(await idsOf("/api/v1/orders", first), [own]);
  assert.deepEqual(await idsOf("/api/v1/orders", await otherMerchant()), []);
  assert.deepEqual(await idsOf("/api/v1/merchant/orders", await otherMerchant()), []);
  const { orderId, courier } = await acceptedOrder(world);
  assert.deepEqual(await idsOf("/api/v1/orders", courier), [orderId]);
  assert.deepEqual(await idsOf("/api/v1/orders", await newCourier(world)), []);
  const merchants = await idsOf("/api/v1/merchant/orders?limit=100", world.merchant);
  assert.ok(merchants.includes(orderId) && !merchants.includes(own));
  const all = await idsOf("/api/v1/orders?limit=100", await gateway.signIn("dispatcher"));
  assert.ok(all.includes(own) && all.includes(orderId));
});

Deno.test("offers and assignments are only their courier's", async () => {
  const { orderId, courier } = await acceptedOrder(world);
  const asked = await placed(world, parcelOrder());
  const askedCourier = await newCourier(world);
  const offerId = await offer(world.dispatch, asked, askedCourier.accountId);
  const listed = async (by: Person, path: string) =>
    JSON.parse((await ask(world, by, "GET", path)).text).items.map((item: { id: string }) =>
      item.id
    );
  assert.deepEqual(await listed(askedCourier, "/api/v1/courier/offers"), [offerId]);
  assert.deepEqual(await listed(courier, "/api/v1/courier/offers"), []);
  assert.equal((await listed(courier, "/api/v1/courier/assignments")).length, 1);
  assert.deepEqual(await listed(askedCourier, "/api/v1/courier/assignments"), []);
  // An offer shows where to go, but makes nobody a party of the order.
  const answer = await world.gateway.call("GET", `/api/v1/orders/${asked}`, askedCourier);
  assertCode(answer, 404, "order.not_found", "the asked courier");
  assert.equal((await world.gateway.call("GET", `/api/v1/orders/${orderId}`, courier)).status, 200);
});

Deno.test("every route asks for its role and says which", async () => {
  const { gateway, stores } = world;
  const { orderId } = await acceptedOrder(world);
  const roles = {
    customer: world.customer,
    merchant: world.merchant,
    courier: await newCourier(world),
    dispatcher: await gateway.signIn("dispatcher"),
    admin: await gateway.signIn("admin"),
  };
  type Role = keyof typeof roles;
  const courierOnly: [string, string][] = [
    ["GET", "/api/v1/courier/me"],
    ["POST", "/api/v1/courier/online"],
    ["POST", "/api/v1/courier/pause"],
    ["POST", "/api/v1/courier/offline"],
    ["GET", "/api/v1/courier/offers"],
    ["GET", "/api/v1/courier/assignments"],
    ["GET", "/api/v1/courier/stops"],
    ["GET", "/api/v1/courier/earnings"],
    ["GET", "/api/v1/courier/stats"],
    ["GET", "/api/v1/courier/shifts"],
    ["POST", "/api/v1/courier/shifts"],
    ["POST", `/api/v1/courier/orders/${orderId}/arrived`],
    ["POST", "/api/v1/courier/channel-tickets"],
    ["POST", "/api/v1/courier/position-tickets"],
    ["POST", `/api/v1/courier/offers/${orderId}/accept`],
    ["POST", `/api/v1/courier/offers/${orderId}/reject`],
    ["POST", `/api/v1/courier/orders/${orderId}/picked-up`],
    ["POST", `/api/v1/courier/orders/${orderId}/in-transit`],
    ["POST", `/api/v1/courier/orders/${orderId}/delivered`],
  ];
  const kitchen: [string, string][] = [
    ["POST", `/api/v1/merchant/orders/${orderId}/confirm`],
    ["POST", `/api/v1/merchant/orders/${orderId}/prepare`],
    ["POST", `/api/v1/merchant/orders/${orderId}/ready`],
  ];
  const afterwards: [string, string][] = [
    ["POST", `/api/v1/orders/${orderId}/tip`],
    ["POST", `/api/v1/orders/${orderId}/ratings/courier`],
    ["POST", `/api/v1/orders/${orderId}/ratings/merchant`],
  ];
  const desk: [string, string][] = [
    ["GET", "/api/v1/dispatcher/queue"],
    ["GET", "/api/v1/dispatcher/alerts"],
    ...["acknowledge", "unassign", "redispatch", "reassign", "fail", "expire"].map((
      step,
    ): [string, string] => ["POST", `/api/v1/dispatcher/orders/${orderId}/${step}`]),
  ];
  const refused: [readonly [string, string][], readonly Role[]][] = [
    [courierOnly, ["customer", "merchant", "dispatcher", "admin"]],
    [kitchen, ["customer", "courier"]],
    [[["GET", "/api/v1/merchant/orders"]], ["customer", "courier", "dispatcher", "admin"]],
    [[["POST", "/api/v1/orders"]], ["courier"]],
    [afterwards, ["courier", "dispatcher", "admin"]],
    [desk, ["customer", "merchant", "courier"]],
  ];
  const before = await everything(stores.sql);
  for (const [routes, who] of refused) {
    for (const [method, path] of routes) {
      const body = path.endsWith("/orders") && method === "POST" ? parcelOrder() : {};
      const withBody = method === "POST" ? { body } : {};
      for (const role of who) {
        const answer = await gateway.call(method, path, { token: roles[role].token, ...withBody });
        assertCode(answer, 403, "auth.forbidden", `${role}: ${method} ${path}`);
        assert.match(
          String(answer.json?.["detail"]),
          new RegExp(`role must be .*: it is ${role}$`),
        );
      }
      const answer = await gateway.call(method, path, withBody);
      assertCode(answer, 401, "auth.required", `nobody: ${method} ${path}`);
    }
  }
  for (const [method, path] of orderRoutes(orderId)) {
    const answer = await gateway.call(method, path, method === "POST" ? { body: {} } : {});
    assertCode(answer, 401, "auth.required", `nobody: ${method} ${path}`);
  }
  assert.deepEqual(await everything(stores.sql), before);
});

Deno.test("a party may be refused an action of another party, and is told so", async () => {
  const { orderId, courier } = await acceptedOrder(world);
  const answer = await world.gateway.call("POST", `/api/v1/orders/${orderId}/cancel`, {
    token: courier.token,
    body: {},
  });
  assertCode(answer, 403, "auth.forbidden", "the courier cancels");
  assert.equal(
    answer.json?.["detail"],
    "Cannot cancel: role must be customer or merchant or dispatcher",
  );
});

Deno.test("a customer sees who brings the order only while that courier brings it", async () => {
  const courierOf = async (id: string) =>
    JSON.parse((await ask(world, world.customer, "GET", `/api/v1/orders/${id}`)).text).courier;
  const { orderId, courier } = await acceptedOrder(world);
  assert.deepEqual(await courierOf(orderId), {
    id: courier.accountId,
    name: "Test courier",
    vehicle: "bicycle",
  });
  await ask(world, courier, "POST", "/api/v1/courier/offline");
  assert.equal(await courierOf(orderId), null, "the courier left");
  const asked = await placed(world, parcelOrder());
  await offer(world.dispatch, asked, (await newCourier(world)).accountId);
  assert.equal(await courierOf(asked), null, "a courier who is only being asked");
});

Deno.test("a customer does not learn from the history which couriers were asked or declined", async () => {
  const id = await placed(world, parcelOrder());
  const courier = await newCourier(world);
  const offerId = await offer(world.dispatch, id, courier.accountId);
  await ask(world, courier, "POST", `/api/v1/courier/offers/${offerId}/reject`, {
    reason: "I know that house",
  });
  const { text } = await ask(world, world.customer, "GET", `/api/v1/orders/${id}/events`);
  assert.doesNotMatch(text, new RegExp(courier.accountId), "the id of a courier who never served");
  assert.doesNotMatch(text, /I know that house/, "the courier's words to the dispatcher");
});

Deno.test("a courier who lost an order no longer sees it", async () => {
  const { orderId, courier } = await acceptedOrder(world, soupOrder(world));
  await ask(world, courier, "POST", "/api/v1/courier/offline");
  for (const [method, path] of orderRoutes(orderId)) {
    const answer = await world.gateway.call(method, path, {
      token: courier.token,
      ...(method === "POST" ? { body: {} } : {}),
    });
    assertCode(answer, 404, "order.not_found", `${method} ${path}`);
  }
});
