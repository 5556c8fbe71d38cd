import assert from "node:assert/strict";
import { apiRequest } from "./api_request.ts";

Deno.test("apiRequest() fills the path, leaves out what is undefined, and escapes", () => {
  assert.deepEqual(apiRequest("getOrder", { path: { id: "a/b" } }), {
    method: "GET",
    path: "/api/v1/orders/a%2Fb",
  });
  const query = { status: "placed", limit: 5, ...{ cursor: undefined } } as const;
  assert.deepEqual(apiRequest("listOrders", { query }), {
    method: "GET",
    path: "/api/v1/orders?status=placed&limit=5",
  });
  assert.deepEqual(apiRequest("goOnline", {}), { method: "POST", path: "/api/v1/courier/online" });
  assert.deepEqual(apiRequest("raiseTip", { path: { id: "1" }, body: { tipMinor: 5 } }), {
    method: "POST",
    path: "/api/v1/orders/1/tip",
    body: { tipMinor: 5 },
  });
});
