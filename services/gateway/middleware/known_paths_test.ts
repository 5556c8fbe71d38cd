import assert from "node:assert/strict";
import { KnownPaths } from "./known_paths.ts";

const paths = new KnownPaths([
  { method: "ALL", path: "/api/*" },
  { method: "GET", path: "/api/v1/orders" },
  { method: "POST", path: "/api/v1/orders" },
  { method: "POST", path: "/api/v1/orders" },
  { method: "POST", path: "/api/v1/orders/:id/cancel" },
  { method: "GET", path: "/api/v1/openapi.json" },
]);

Deno.test("methodsOf() lists each method of a path once, with HEAD beside GET", () => {
  assert.deepEqual(paths.methodsOf("/api/v1/orders"), ["GET", "HEAD", "POST"]);
  assert.deepEqual(paths.methodsOf("/api/v1/orders/7/cancel"), ["POST"]);
});

Deno.test("methodsOf() is empty for what nobody answers", () => {
  for (const path of ["/", "/api", "/api/v1/orders/", "/api/v1/orders/7", "/api/v1/openapiXjson"]) {
    assert.deepEqual(paths.methodsOf(path), [], path);
  }
});
