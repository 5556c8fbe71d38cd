/** Where a request comes from: its address, through proxies, and the origin of its page. */
import assert from "node:assert/strict";
import { parseBlock } from "shared/addresses/client_address.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { createApp } from "../../services/gateway/app.ts";
import { startGateway, type TestGateway } from "../harness/gateway_app.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const SHOP = "https://shop.example";

let stores: TestStores;
let gateway: TestGateway;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  gateway = startGateway(stores, { corsOrigins: [SHOP] });
});
Deno.test.afterAll(async () => {
  gateway?.close();
  await stores?.close();
});

/** Signs in with a wrong password over a real socket; the address the audit log has of it. */
async function addressSeen(trusted: readonly string[], forwarded?: string): Promise<string> {
  const trustedProxies = trusted.map((text) => parseBlock(text) ?? assert.fail(text));
  const app = createApp({ ...gateway.deps, trustedProxies });
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(options, app.fetch);
  try {
    const answer = await fetch(`http://127.0.0.1:${server.addr.port}/api/v1/auth/login`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(forwarded === undefined ? {} : { "x-forwarded-for": forwarded }),
      },
      body: JSON.stringify({ email: `${uuidv7()}@test.example`, password: "x" }),
    });
    assert.equal(answer.status, 401, await answer.text());
    const requestId = answer.headers.get("x-request-id");
    const [row] = await stores.sql<{ clientAddress: string }[]>`
      select client_address from audit_log where request_id = ${requestId}`;
    return row?.clientAddress ?? "none";
  } finally {
    await server.shutdown();
  }
}

Deno.test("a stranger does not choose its own address; a trusted proxy says it, from the right", async () => {
  assert.equal(await addressSeen([]), "127.0.0.1");
  assert.equal(await addressSeen([], "6.6.6.6"), "127.0.0.1");
  assert.equal(await addressSeen(["10.0.0.0/8"], "6.6.6.6"), "127.0.0.1");
  assert.equal(await addressSeen(["127.0.0.0/8"], "6.6.6.6, 203.0.113.9"), "203.0.113.9");
  const both = ["127.0.0.0/8", "10.0.0.0/8"];
  assert.equal(await addressSeen(both, "6.6.6.6, 203.0.113.9, 10.0.0.7"), "203.0.113.9");
});

async function preflight(origin: string) {
  return await gateway.call("OPTIONS", "/api/v1/orders", {
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization",
    },
  });
}

Deno.test("a listed origin may call from a browser, without the browser's own credentials", async () => {
  const allowed = await preflight(SHOP);
  assert.equal(allowed.headers.get("access-control-allow-origin"), SHOP);
  assert.equal(allowed.headers.get("access-control-allow-credentials"), null);
  const got = await gateway.call("GET", "/api/v1/regions", { headers: { origin: SHOP } });
  assert.equal(got.headers.get("access-control-allow-origin"), SHOP);
  assert.match(got.headers.get("vary") ?? "", /origin/i);
});

Deno.test("another origin, null, a subdomain and a look-alike get no leave", async () => {
  const others = [
    "https://evil.example",
    "null",
    "http://shop.example",
    "https://shop.example.evil.example",
    "https://a.shop.example",
    "https://shop.example:8443",
    "*",
  ];
  for (const origin of others) {
    const refused = await preflight(origin);
    assert.equal(refused.headers.get("access-control-allow-origin"), null, origin);
    const got = await gateway.call("GET", "/api/v1/regions", { headers: { origin } });
    assert.equal(got.headers.get("access-control-allow-origin"), null, origin);
  }
});

Deno.test("a gateway without listed origins allows none", async () => {
  const closed = startGateway(stores);
  try {
    const headers = { origin: SHOP };
    const got = await closed.call("GET", "/api/v1/regions", { headers });
    assert.equal(got.headers.get("access-control-allow-origin"), null);
  } finally {
    closed.close();
  }
});
