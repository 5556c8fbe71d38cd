import assert from "node:assert/strict";
import { silentLog } from "shared/log/log.ts";
import type { Verdict } from "shared/limits/limit.ts";
import { limitHeaders, noteVerdict } from "./rate_limit_headers.ts";

const VERDICT: Verdict = {
  isAllowed: true,
  name: "session_requests",
  max: 600,
  windowMs: 60_000,
  remaining: 599,
  resetMs: 59_001,
  source: "redis",
};

function newContext() {
  const ids = {};
  return { requestId: "1", clientAddress: "unknown", log: silentLog, route: "unmatched", ids };
}

Deno.test("limitHeaders() is empty for a request that nothing counted", () => {
  assert.deepEqual(limitHeaders(newContext()), {});
});

Deno.test("limitHeaders() names every limit, and the nearest one in the plain fields", () => {
  const context = newContext();
  noteVerdict(context, VERDICT);
  const orders = { ...VERDICT, name: "orders", max: 10, windowMs: 3_600_000, remaining: 2 };
  noteVerdict(context, orders);
  noteVerdict(newContext(), { ...VERDICT, remaining: 0 });
  assert.deepEqual(limitHeaders(context), {
    "ratelimit-limit": "10",
    "ratelimit-remaining": "2",
    "ratelimit-reset": "60",
    "ratelimit-policy": '"session_requests";q=600;w=60, "orders";q=10;w=3600',
    "ratelimit": '"session_requests";r=599;t=60, "orders";r=2;t=60',
  });
});

Deno.test("limitHeaders() puts a refusal before anything that was allowed", () => {
  const context = newContext();
  noteVerdict(context, { ...VERDICT, isAllowed: false, remaining: 0, resetMs: 100 });
  noteVerdict(context, { ...VERDICT, name: "orders", remaining: 0 });
  assert.equal(limitHeaders(context)["ratelimit-reset"], "1");
});
