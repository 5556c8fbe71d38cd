/** What caches on the way may keep of each route, and what a method that is not allowed is told. */
import assert from "node:assert/strict";
import { Cache } from "shared/cache/cache.ts";
import { PUBLIC_ROUTES } from "../../services/gateway/middleware/http_cache.ts";
import { startGateway, type TestGateway } from "../harness/gateway_app.ts";
import { REGION } from "../harness/fixtures.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  placed,
} from "../harness/gateway_world.ts";
import { openTestStores } from "../harness/stores.ts";
import { createHaversineRouter } from "shared/routing/haversine_router.ts";

let world: GatewayWorld;
let gateway: TestGateway;

/** The map of a region without streets. */
const MAP = JSON.stringify({
  version: 1,
  attribution: "nobody",
  bounds: { south: 57, west: 11, north: 58, east: 12 },
  unitsPerDegree: 100_000,
  lines: [],
});

async function gzipped(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
  const { stores } = world;
  const streets = new Map([[REGION, {
    router: createHaversineRouter(),
    mapGzip: await gzipped(MAP),
    mapTag: '"map-1"',
    attribution: "nobody",
  }]]);
  gateway = startGateway(stores, {
    cache: new Cache({ ...stores, redisTimeoutMs: 10_000 }),
    streets,
    corsOrigins: ["https://shop.example"],
    readAsset: (name) => Promise.resolve(new TextEncoder().encode(`file ${name}`)),
  });
});
Deno.test.afterAll(async () => {
  gateway?.close();
  await closeGatewayWorld(world);
});

/** A real path of each route that may be kept. */
function publicPaths(): Record<string, { path: string; keys: string }> {
  const { merchantId } = world.merchant;
  return {
    "/": { path: "/", keys: "console" },
    "/t/:orderId": { path: "/t/0", keys: "console" },
    "/favicon.ico": { path: "/favicon.ico", keys: "console" },
    "/assets/:name": { path: "/assets/home.css", keys: "console" },
    "/api/v1/map/:regionId": { path: `/api/v1/map/${REGION}`, keys: `map map-${REGION}` },
    "/api/v1/openapi.json": { path: "/api/v1/openapi.json", keys: "openapi" },
    "/api/v1/docs": { path: "/api/v1/docs", keys: "openapi" },
    "/api/v1/docs/reference.css": { path: "/api/v1/docs/reference.css", keys: "openapi" },
    "/.well-known/jwks.json": { path: "/.well-known/jwks.json", keys: "jwks" },
    "/api/v1/regions": { path: "/api/v1/regions", keys: "regions" },
    "/api/v1/categories": { path: "/api/v1/categories", keys: "merchants" },
    "/api/v1/merchants": { path: "/api/v1/merchants?limit=5", keys: "merchants" },
    "/api/v1/merchants/:id": {
      path: `/api/v1/merchants/${merchantId}`,
      keys: `merchants merchants-${merchantId}`,
    },
    "/api/v1/merchants/:id/menu": {
      path: `/api/v1/merchants/${merchantId}/menu`,
      keys: `menus menus-${merchantId}`,
    },
  };
}

Deno.test("every route that may be kept says for how long, has a tag and keys, and answers 304 to it", async () => {
  const paths = publicPaths();
  assert.deepEqual(Object.keys(paths).sort(), Object.keys(PUBLIC_ROUTES).sort());
  for (const [route, { path, keys }] of Object.entries(paths)) {
    const first = await gateway.call("GET", path);
    assert.equal(first.status, 200, path);
    assert.match(first.headers.get("cache-control") ?? "", /^public, .*\bmax-age=\d+/, path);
    assert.equal(first.headers.get("cache-control"), PUBLIC_ROUTES[route]?.cacheControl);
    assert.equal(first.headers.get("surrogate-key"), keys, path);
    assert.equal(first.headers.get("cache-tag"), keys.replaceAll(" ", ","), path);
    assert.equal(first.headers.get("set-cookie"), null, path);
    const etag = first.headers.get("etag") ?? "";
    assert.match(etag, /^"[^"]+"$/, path);
    assert.equal((await gateway.call("GET", path)).headers.get("etag"), etag, path);
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await gateway.call("GET", path, { headers: { "if-none-match": tag } });
      assert.deepEqual([again.status, again.text], [304, ""], `${path} ${tag}`);
      assert.equal(again.headers.get("etag"), etag);
      assert.equal(again.headers.get("content-type"), null);
      for (const name of ["cache-control", "surrogate-key", "vary"]) {
        assert.equal(again.headers.get(name), first.headers.get(name), `${path} ${name}`);
      }
    }
    const changed = await gateway.call("GET", path, { headers: { "if-none-match": '"other"' } });
    assert.deepEqual([changed.status, changed.text], [200, first.text], path);
    const head = await gateway.call("HEAD", path);
    assert.deepEqual([head.status, head.text], [200, ""], path);
    for (const name of ["etag", "cache-control", "content-type", "surrogate-key"]) {
      assert.equal(head.headers.get(name), first.headers.get(name), `HEAD ${path} ${name}`);
    }
  }
});

Deno.test("menus and merchants are read from Postgres once in 30 s, whatever the order of the query", async () => {
  const { sql, redis, prefix } = world.stores;
  const { merchantId, menuItemId } = world.merchant;
  const menu = `/api/v1/merchants/${merchantId}/menu`;
  await redis.del(...await redis.keys(`${prefix}cache:answer:*`));
  const first = await gateway.call("GET", menu);
  assert.equal(first.headers.get("x-cache"), "MISS");
  await sql`update menu_items set name = 'Stew' where id = ${menuItemId}`;
  try {
    const second = await gateway.call("GET", menu);
    assert.deepEqual([second.text, second.headers.get("x-cache")], [first.text, "HIT"]);
    for (const name of ["content-type", "etag", "cache-control"]) {
      assert.equal(second.headers.get(name), first.headers.get(name), name);
    }
    const ttlMs = await redis.pttl(`${prefix}cache:answer:{${menu}?}`);
    assert.ok(ttlMs > 0 && ttlMs <= 30_000, `kept for ${ttlMs} ms`);
  } finally {
    await sql`update menu_items set name = 'Soup' where id = ${menuItemId}`;
  }
  const seen = async (query: string) =>
    (await gateway.call("GET", `/api/v1/merchants?${query}`)).headers.get("x-cache");
  assert.equal(await seen("lat=57.7&lon=11.9&limit=3"), "MISS");
  assert.equal(await seen("limit=3&lon=11.9&lat=57.7"), "HIT");
  assert.equal(await seen("limit=4&lon=11.9&lat=57.7"), "MISS");
});

Deno.test("a refusal of a public route is not kept, and everybody gets their own", async () => {
  const path = `/api/v1/merchants/${crypto.randomUUID()}`;
  const answers = await Promise.all(Array.from({ length: 10 }, () => gateway.call("GET", path)));
  assert.ok(answers.every(({ status }) => status === 404));
  assert.equal(new Set(answers.map(({ json }) => json?.["instance"])).size, 10);
  const wrong = await gateway.call("GET", "/api/v1/merchants?limit=1000");
  assert.deepEqual([wrong.status, wrong.headers.get("x-cache")], [422, null]);
});

Deno.test("a public answer is the same whoever asks, and is not counted", async () => {
  for (const { path } of Object.values(publicPaths())) {
    const [anybody, somebody] = [
      await gateway.call("GET", path),
      await gateway.call("GET", path, { token: world.customer.token }),
    ];
    assert.equal(somebody.text, anybody.text, path);
    assert.equal(somebody.headers.get("etag"), anybody.headers.get("etag"), path);
    assert.equal(somebody.headers.get("ratelimit"), null, path);
  }
});

Deno.test("the map's two spellings have tags of their own and vary by the request", async () => {
  const path = `/api/v1/map/${REGION}`;
  const plain = await gateway.call("GET", path);
  const gzip = await gateway.call("GET", path, { headers: { "accept-encoding": "gzip" } });
  assert.equal(gzip.headers.get("content-encoding"), "gzip");
  assert.notEqual(plain.headers.get("etag"), gzip.headers.get("etag"));
  for (const { headers } of [plain, gzip]) {
    assert.match(headers.get("vary") ?? "", /Accept-Encoding/);
  }
  assert.equal(plain.text, MAP);
});

Deno.test("where other sites may ask, answers vary by the origin", async () => {
  const headers = { origin: "https://shop.example" };
  for (const path of ["/api/v1/regions", "/api/v1/merchants", "/api/v1/merchants"]) {
    const answer = await gateway.call("GET", path, { headers });
    assert.equal(answer.headers.get("access-control-allow-origin"), "https://shop.example");
    assert.match(answer.headers.get("vary") ?? "", /Origin/);
    const foreign = await gateway.call("GET", path, { headers: { origin: "https://x.example" } });
    assert.equal(foreign.headers.get("access-control-allow-origin"), null);
    assert.match(foreign.headers.get("vary") ?? "", /Origin/);
  }
});

/** Every operation of the reference, with ids that exist where one is needed. */
async function operations(orderId: string): Promise<{ method: string; path: string }[]> {
  const { json } = await gateway.call("GET", "/api/v1/openapi.json");
  const paths = json?.["paths"] as unknown as Record<string, Record<string, unknown>>;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      method: method.toUpperCase(),
      path: path.replaceAll(/\{\w+\}/g, orderId),
    }))
  );
}

Deno.test("nothing else may be kept: answers, refusals and what does not exist", async () => {
  const orderId = await placed(world);
  const isPublic = (path: string) =>
    Object.keys(PUBLIC_ROUTES).some((route) =>
      new RegExp(`^${route.replaceAll(/:\w+/g, "[^/]+")}$`).test(path)
    );
  const all = await operations(orderId);
  assert.ok(all.length > 25, `only ${all.length} operations`);
  let looked = 0;
  for (const { method, path } of all) {
    for (const by of [undefined, world.customer, world.merchant]) {
      const answer = await gateway.call(method, path, {
        token: by?.token,
        ...(method === "GET" ? {} : { body: {} }),
        allowed: 503,
      });
      if (method === "GET" && isPublic(path) && answer.status === 200) continue;
      looked++;
      const what = `${method} ${path}: ${answer.status}`;
      assert.equal(answer.headers.get("cache-control"), "private, no-store", what);
      for (const name of ["etag", "surrogate-key", "cache-tag"]) {
        assert.equal(answer.headers.get(name), null, `${what} ${name}`);
      }
    }
  }
  assert.ok(looked > 60, `only ${looked} answers were looked at`);
  for (const path of ["/nothing", "/api/v1/nothing", "/assets/none.exe", "/api/v1/demo"]) {
    const { headers } = await gateway.call("GET", path);
    assert.equal(headers.get("cache-control"), "private, no-store", path);
    assert.equal(headers.get("etag"), null, path);
  }
  const missing = await gateway.call("GET", `/api/v1/merchants/${orderId}`);
  assert.deepEqual([missing.status, missing.headers.get("surrogate-key")], [404, null]);
});

Deno.test("another method on a known path is 405 with the methods that are allowed", async () => {
  const id = world.merchant.merchantId;
  const cases: [string, string, string][] = [
    ["DELETE", "/api/v1/orders", "GET, HEAD, POST"],
    ["GET", "/api/v1/auth/login", "POST"],
    ["PUT", `/api/v1/orders/${id}`, "GET, HEAD"],
    ["POST", "/api/v1/openapi.json", "GET, HEAD"],
    ["PATCH", `/api/v1/courier/orders/${id}/delivered`, "POST"],
    ["POST", "/", "GET, HEAD"],
  ];
  for (const [method, path, allow] of cases) {
    const answer = await gateway.call(method, path, method === "PUT" ? { body: {} } : {});
    const seen = [answer.status, answer.json?.["code"]];
    assert.deepEqual(seen, [405, "route.method_not_allowed"], `${method} ${path}`);
    assert.equal(answer.headers.get("allow"), allow, `${method} ${path}`);
  }
  for (const path of ["/api/v1/order", "/api/v1/orders/", "/x"]) {
    const answer = await gateway.call("DELETE", path);
    assert.deepEqual([answer.status, answer.headers.get("allow")], [404, null], path);
  }
});
