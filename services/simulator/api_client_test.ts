import assert from "node:assert/strict";
import { problemResponse } from "shared/problem/problem.ts";
import { ApiClient, ApiError } from "./api_client.ts";
import type { NewOrder } from "./api_shapes.ts";
import type { ServiceName } from "./reachability.ts";

/** A client of a server that answers every request by `handler`. */
async function withServer(
  handler: Deno.ServeHandler,
  test: (
    client: ApiClient,
    seen: { outcomes: [ServiceName, boolean][]; stop: () => void },
  ) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const stop = new AbortController();
  const outcomes: [ServiceName, boolean][] = [];
  const client = new ApiClient({
    apiUrl: url,
    ingestUrl: url,
    trackerUrl: url,
    stop: stop.signal,
    onOutcome: (service, answered) => outcomes.push([service, answered]),
  });
  try {
    await test(client, { outcomes, stop: () => stop.abort() });
  } finally {
    await server.shutdown();
  }
}

async function failureOf(call: Promise<unknown>): Promise<ApiError> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error));
    return error;
  }
  assert.fail("the call did not fail");
}

Deno.test("ApiClient sends the token, the key and the body, and reads the answer", async () => {
  const order = {
    kind: "marketplace",
    merchantId: "m",
    items: [{ menuItemId: "a", quantity: 1 }],
    dropoff: { lat: 57.7, lon: 11.9 },
  } satisfies NewOrder;
  await withServer(async (request) => {
    assert.equal(new URL(request.url).pathname, "/api/v1/orders");
    assert.equal(request.headers.get("authorization"), "Bearer secret");
    assert.equal(request.headers.get("idempotency-key"), "key-1");
    assert.deepEqual(await request.json(), order);
    return Response.json({ id: "o1", later: "members are no concern" }, { status: 201 });
  }, async (client, { outcomes }) => {
    assert.deepEqual(await client.placeOrder("secret", "key-1", order), { id: "o1" });
    assert.deepEqual(outcomes, [["api", true]]);
  });
});

Deno.test("ApiClient turns a problem into its code and status, final for a refusal", async () => {
  await withServer(() => problemResponse("offer.expired"), async (client, { outcomes }) => {
    const error = await failureOf(client.acceptOffer("t", "0190f1c2-0000-7000-8000-000000000000"));
    assert.deepEqual([error.code, error.status, error.transient], ["offer.expired", 409, false]);
    assert.equal(error.message, "/api/v1/courier/offers/:id/accept failed: offer.expired");
    assert.deepEqual(outcomes, [["api", true]]);
  });
});

Deno.test("ApiClient calls 429 and 5xx transient, and passes on how long to wait", async () => {
  let status = 429;
  const handler = () => new Response("busy", { status, headers: { "retry-after": "7" } });
  await withServer(handler, async (client, { outcomes }) => {
    const limited = await failureOf(client.courier("t"));
    assert.deepEqual(
      [limited.code, limited.transient, limited.retryAfterMs],
      ["http.429", true, 7_000],
    );
    status = 503;
    const down = await failureOf(client.courier("t"));
    assert.deepEqual([down.code, down.transient], ["http.503", true]);
    assert.deepEqual(outcomes, [["api", true], ["api", false]]);
  });
});

Deno.test("ApiClient refuses an answer that does not hold what the API promises", async () => {
  const bodies = ["not json", JSON.stringify({ id: "c", vehicle: "rocket", status: "available" })];
  await withServer(() => new Response(bodies.shift()), async (client) => {
    for (let i = 0; i < 2; i++) {
      const error = await failureOf(client.courier("t"));
      assert.deepEqual(
        [error.code, error.status, error.transient],
        ["client.unreadable", 200, false],
      );
    }
  });
});

Deno.test("ApiClient calls a server that is not there unreachable, and transient", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  await server.shutdown();
  const stop = new AbortController().signal;
  const client = new ApiClient({ apiUrl: url, ingestUrl: url, trackerUrl: url, stop });
  const error = await failureOf(client.offers("t"));
  assert.deepEqual(
    [error.code, error.status, error.transient],
    ["client.unreachable", null, true],
  );
});

Deno.test("ApiClient ends calls under way when it is stopped, and calls them not transient", async () => {
  const arrived = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>();
  await withServer(() => {
    arrived.resolve();
    return answer.promise;
  }, async (client, { outcomes, stop }) => {
    const call = failureOf(client.offers("t"));
    await arrived.promise;
    stop();
    const error = await call;
    assert.deepEqual([error.code, error.transient], ["client.stopped", false]);
    assert.equal((await failureOf(client.offers("t"))).code, "client.stopped");
    assert.deepEqual(outcomes, []);
    answer.resolve(new Response());
  });
});

Deno.test("ApiClient.lastPosition() reads the first event with data and leaves the stream", async () => {
  const left = Promise.withResolvers<void>();
  const parts = [
    ": hi\n\n",
    "retry: 1000\n\n",
    'id: 1:0\ndata: {"position":',
    '{"lat":1,"lon":2}}\n\n',
  ];
  await withServer(() => {
    const stream = new ReadableStream<string>({
      pull: (controller) => {
        const part = parts.shift();
        if (part !== undefined) controller.enqueue(part);
      },
      cancel: () => left.resolve(),
    });
    return new Response(stream.pipeThrough(new TextEncoderStream()));
  }, async (client) => {
    assert.deepEqual(await client.lastPosition("o1", "ticket"), { lat: 1, lon: 2 });
    await left.promise;
  });
});

Deno.test("ApiClient.channelUrl() makes a WebSocket URL of the tracker with the ticket", async () => {
  await withServer(() => Response.json({ ticket: "a b" }, { status: 201 }), async (client) => {
    const url = new URL(await client.channelUrl("t"));
    assert.deepEqual([url.protocol, url.pathname], ["ws:", "/api/v1/courier/channel"]);
    assert.equal(url.searchParams.get("ticket"), "a b");
  });
});
