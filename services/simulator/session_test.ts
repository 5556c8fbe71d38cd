import assert from "node:assert/strict";
import type { Gate } from "./gate.ts";
import { createSignInGate, Session, StoppedError } from "./session.ts";
import { FakeApi, refusal } from "./testing/fake_api.ts";
import { surroundingsAt } from "./testing/surroundings.ts";
import { createWorldClock } from "./world_clock.ts";

const HURRY = 1_000;

async function withApi(
  test: (world: {
    api: FakeApi;
    session: (name: string, gate?: Gate) => Session;
    count: (path: string) => number;
    end: () => void;
  }) => Promise<void>,
): Promise<void> {
  const clock = createWorldClock(HURRY);
  const api = new FakeApi(clock);
  const { around, end } = surroundingsAt(api.url, { clock });
  const signIns = createSignInGate();
  try {
    await test({
      api,
      session: (name, gate = signIns) => new Session(around, { email: name, password: "p" }, gate),
      count: (path) => api.requests.filter((seen) => seen.path === path).length,
      end,
    });
  } finally {
    end();
    await api.stop();
  }
}

Deno.test("Session.call() signs in once for any number of calls at once", async () => {
  await withApi(async ({ api, session, count }) => {
    const own = session("courier-1");
    const tokens = await Promise.all(
      [1, 2, 3].map(() => own.call((token) => Promise.resolve(token))),
    );
    assert.deepEqual(tokens, ["courier-1", "courier-1", "courier-1"]);
    assert.equal(count("/auth/login"), 1);
    assert.deepEqual(api.requests[0]?.body, { email: "courier-1", password: "p" });
  });
});

Deno.test("Session.call() waits out an API that is down, limited or not yet seeded", async () => {
  await withApi(async ({ api, session, count }) => {
    const answers = [
      new Response("down", { status: 502 }),
      new Response("slow down", { status: 429, headers: { "retry-after": "2" } }),
      refusal("auth.busy"),
      refusal("auth.invalid_credentials"),
    ];
    api.intercept = () => answers.shift();
    assert.equal(await session("c").call((token) => Promise.resolve(token)), "c");
    assert.equal(count("/auth/login"), 5);
  });
});

Deno.test("Session.call() signs in again when the token is no longer good, once per call", async () => {
  await withApi(async ({ api, session, count }) => {
    const { around } = surroundingsAt(api.url);
    const own = session("courier-1");
    let refusals = 1;
    api.intercept = ({ path }) =>
      path === "/courier/me" && refusals-- > 0 ? refusal("auth.required") : undefined;
    const courier = await own.call((token) => around.api.courier(token));
    assert.equal(courier.id, "courier-1");
    assert.deepEqual([count("/auth/login"), count("/courier/me")], [2, 2]);
    refusals = Infinity;
    await assert.rejects(own.call((token) => around.api.courier(token)), /auth.required/);
    assert.deepEqual([count("/auth/login"), count("/courier/me")], [3, 4]);
  });
});

Deno.test("Session.call() never has more than two sign-ins under way over all sessions", async () => {
  let atOnce = 0;
  let most = 0;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      most = Math.max(most, ++atOnce);
      const { email } = await request.json();
      // One more turn of the event loop, so that whoever is let in meanwhile is seen.
      await new Promise((resolve) => setTimeout(resolve, 0));
      atOnce--;
      return Response.json({ token: email, account: { id: email, role: "courier" } });
    },
  );
  const { around } = surroundingsAt(`http://127.0.0.1:${server.addr.port}`);
  const gate = createSignInGate();
  await Promise.all(Array.from({ length: 12 }, (_, n) => {
    const session = new Session(around, { email: `c${n}`, password: "p" }, gate);
    return session.call((token) => Promise.resolve(token));
  }));
  assert.equal(most, 2);
  await server.shutdown();
});

Deno.test("Session.call() gives up only when the process stops", async () => {
  await withApi(async ({ api, session, end }) => {
    api.intercept = () => new Response(null, { status: 500 });
    const call = session("c").call((token) => Promise.resolve(token));
    const rejected = assert.rejects(call, StoppedError);
    await api.until("some attempts", () => api.requests.length >= 3);
    end();
    await rejected;
  });
});
