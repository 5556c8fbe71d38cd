/** Bodies over HTTP: what is no JSON, too large, of another type, or no text for Postgres. */
import assert from "node:assert/strict";
import { createApp } from "../../services/gateway/app.ts";
import { askRaw } from "../harness/raw_http.ts";
import { offer } from "../harness/dispatch_world.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  DROPOFF,
  type GatewayWorld,
  newCourier,
  parcelOrder,
  place,
  placed,
  soupOrder,
} from "../harness/gateway_world.ts";
import { assertRefused, INVALID, refusesOrder } from "../harness/gateway_refusals.ts";
import { everything, offersOf } from "../harness/order_facts.ts";
import { openTestStores } from "../harness/stores.ts";

const MAX_BODY_BYTES = 64 * 1024;
/** NUL, which Postgres has no place for, and halves of a surrogate pair, which are no UTF-8. */
const UNSTORABLE = ["a\u0000b", "\u0000", "a\ud800b", "\udc00"];

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

Deno.test("a body that is JSON but no object is refused", async () => {
  for (const body of ["null", "[]", "[{}]", '"text"', "42", "true", "{}"]) {
    await refusesOrder(world, body, INVALID, body);
  }
  // Deeper than any recursive reader would go.
  const deep = "[".repeat(30_000) + "]".repeat(30_000);
  await refusesOrder(world, deep, INVALID, "deep nesting");
});

Deno.test("a body that is no JSON is refused as malformed", async () => {
  for (
    const body of [
      "",
      " ",
      "{",
      '{"kind":',
      "kind=parcel",
      '{"kind":"parcel"}}',
      "\u0000",
      "{'a':1}",
    ]
  ) {
    await refusesOrder(
      world,
      body,
      { status: 400, code: "request.malformed" },
      JSON.stringify(body),
    );
  }
});

Deno.test("a body of another media type is refused as such and never an error", async () => {
  const id = await placed(world);
  const { token } = world.customer;
  const before = await everything(world.stores.sql);
  for (
    const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
  ) {
    const headers = { "content-type": type };
    const expected = { status: 415, code: "request.unsupported_media_type" };
    const orders = { token, headers, body: JSON.stringify(soupOrder(world)) };
    assertRefused(await world.gateway.call("POST", "/api/v1/orders", orders), expected, type);
    const cancel = { token, headers, body: '{"reason":"no JSON"}' };
    const answer = await world.gateway.call("POST", `/api/v1/orders/${id}/cancel`, cancel);
    assertRefused(answer, expected, type);
  }
  assert.deepEqual(await everything(world.stores.sql), before);
});

Deno.test("JSON may name its character set, and a body whose fields are all optional may be left out", async () => {
  const headers = { "content-type": "application/JSON; charset=utf-8" };
  const answer = await place(world, soupOrder(world), { headers });
  assert.equal(answer.status, 201, answer.text);
  const path = `/api/v1/orders/${answer.json?.["id"]}/cancel`;
  const cancelled = await world.gateway.call("POST", path, { token: world.customer.token });
  assert.equal(cancelled.status, 200, cancelled.text);
});

Deno.test("a byte order mark before JSON is passed over", async () => {
  const answer = await place(world, `\ufeff${JSON.stringify(soupOrder(world))}`);
  assert.equal(answer.status, 201, answer.text);
});

Deno.test("a POST that names no length and brings nothing has no body, as curl -X POST sends it", async () => {
  const id = await placed(world);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => createApp(world.gateway.deps).fetch(request),
  );
  try {
    const { hostname, port } = server.addr;
    const ask = async (path: string, rest = "") => {
      using connection = await Deno.connect({ hostname, port });
      const { token } = world.customer;
      const head = `POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n` +
        `authorization: Bearer ${token}\r\n${rest || "\r\n"}`;
      await connection.write(new TextEncoder().encode(head));
      return await new Response(connection.readable).text();
    };
    assert.match(await ask(`/api/v1/orders/${id}/track-tickets`), /^HTTP\/1.1 201 /);
    assert.match(await ask(`/api/v1/orders/${id}/cancel`), /^HTTP\/1.1 200 /);
    const untyped = "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    assert.match(await ask(`/api/v1/orders/${id}/cancel`, untyped), /^HTTP\/1.1 415 /);
  } finally {
    await server.shutdown();
  }
});

Deno.test("a body that ends early and a host that is none are no errors of ours", async () => {
  const before = await everything(world.stores.sql);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => createApp(world.gateway.deps).fetch(request),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const head = (method: string, path: string, host = "x") =>
    `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n` +
    `authorization: Bearer ${world.customer.token}\r\ncontent-type: application/json\r\n`;
  const body = JSON.stringify(soupOrder(world));
  const endings = [
    `content-length: ${body.length + 9}\r\n\r\n${body}`,
    `transfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n`,
  ];
  for (const ending of endings) {
    const request = head("POST", "/api/v1/orders") + ending;
    const [answer] = await askRaw(url, [request], { isHalfClosed: true });
    assert.deepEqual(
      [answer?.status, answer?.code],
      [400, "request.malformed"],
      ending.slice(0, 30),
    );
  }
  assert.deepEqual(await everything(world.stores.sql), before);
  for (const host of ["[::::", "a b", "x:99999999", ""]) {
    for (const path of ["/api/v1/merchants?limit=1", "/api/v1/orders", "/api/v1/menu"]) {
      const [answer] = await askRaw(url, [`${head("GET", path, host)}\r\n`]);
      assert.ok((answer?.status ?? 500) < 500, `${host} ${path}: ${answer?.status}`);
    }
  }
});

Deno.test("a body over 64 KiB is refused whether its length was declared or not", async () => {
  const text = JSON.stringify(soupOrder(world));
  const exact = text + " ".repeat(MAX_BODY_BYTES - text.length);
  assert.equal((await place(world, exact)).status, 201, "64 KiB itself is allowed");
  const expected = { status: 413, code: "request.too_large" };
  const answer = await refusesOrder(world, `${exact} `, expected, "one byte more");
  assert.equal(answer.json?.["detail"], "Cannot read the body: it must be <= 65536 bytes");
  const declared = { "content-length": String(MAX_BODY_BYTES + 1) };
  const before = await everything(world.stores.sql);
  assertRefused(await place(world, `${exact} `, { headers: declared }), expected, "declared");
  let sent = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      // 64 MB if anybody read it all.
      if (sent++ < 1_000) controller.enqueue(new Uint8Array(65_536).fill(32));
      else controller.close();
    },
  });
  assertRefused(await place(world, stream), expected, "streamed");
  assert.ok(sent < 10, `read ${sent} chunks of a body that was too large after the first`);
  assert.deepEqual(await everything(world.stores.sql), before);
});

Deno.test("notes and addresses that Postgres cannot store are refused or stored clean, never an error", async () => {
  for (const text of UNSTORABLE) {
    for (
      const body of [
        soupOrder(world, { note: text }),
        soupOrder(world, { dropoff: { ...DROPOFF, address: text } }),
        parcelOrder({ pickup: { lat: 57.7, lon: 11.9, address: text } }),
      ]
    ) {
      const key = crypto.randomUUID();
      const answer = await place(world, body, { key });
      const what = `${JSON.stringify(text)}: ${answer.text}`;
      assert.ok(answer.status === 201 || answer.status === 422, what);
      const again = await place(world, body, { key });
      assert.equal(again.status, answer.status, what);
    }
  }
});

Deno.test("names that Postgres cannot store are refused or stored clean, never an error", async () => {
  for (const name of UNSTORABLE) {
    const email = `${crypto.randomUUID()}@test.example`;
    const answer = await world.gateway.call("POST", "/api/v1/auth/register", {
      body: { role: "customer", name, email, password: "a long password" },
    });
    const what = `${JSON.stringify(name)}: ${answer.text}`;
    assert.ok(answer.status === 201 || answer.status === 422, what);
  }
});

Deno.test("reasons that Postgres cannot store are refused or stored clean, never an error", async () => {
  const { sql } = world.stores;
  const { gateway, customer } = world;
  for (const reason of UNSTORABLE) {
    const id = await placed(world, parcelOrder());
    const courier = await newCourier(world);
    const offerId = await offer(world.dispatch, id, courier.accountId);
    const rejected = await gateway.call("POST", `/api/v1/courier/offers/${offerId}/reject`, {
      token: courier.token,
      body: { reason },
    });
    const what = JSON.stringify(reason);
    assert.ok(
      rejected.status === 204 || rejected.status === 422,
      `reject ${what}: ${rejected.text}`,
    );
    const [left] = await offersOf(sql, id);
    assert.equal(left?.status, rejected.status === 204 ? "rejected" : "pending");
    const cancelled = await gateway.call("POST", `/api/v1/orders/${id}/cancel`, {
      token: customer.token,
      body: { reason },
    });
    assert.ok(
      cancelled.status === 200 || cancelled.status === 422,
      `cancel ${what}: ${cancelled.text}`,
    );
  }
});
