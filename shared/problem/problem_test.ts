import assert from "node:assert/strict";
import { z } from "zod";
import { problemBody, problemResponse, PROBLEMS } from "./problem.ts";
import { fieldProblems } from "./zod_problem.ts";

Deno.test("PROBLEMS codes are spelt the same way and are 4xx or 5xx", () => {
  for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
    assert.match(code, /^[a-z_]+(\.[a-z_]+)?$/);
    assert.ok(status >= 400 && status < 600, code);
    assert.ok(title.length > 0 && !title.endsWith("."), code);
  }
});

Deno.test("problemBody() carries code, status, title, detail, instance and members", () => {
  const body = problemBody("order.transition_not_allowed", {
    detail: "Cannot cancel: order is delivered",
    members: { state: "delivered" },
  }, "req-1");
  assert.deepEqual(body, {
    type: "/problems/order.transition_not_allowed",
    title: "Not allowed in the order's state",
    status: 409,
    code: "order.transition_not_allowed",
    detail: "Cannot cancel: order is delivered",
    instance: "req-1",
    state: "delivered",
  });
});

Deno.test("problemResponse() is application/problem+json, never stored, with Retry-After", () => {
  const response = problemResponse("ingest.overloaded", { retryAfterS: 2 });
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  assert.equal(response.headers.get("cache-control"), "private, no-store");
  assert.equal(response.headers.get("retry-after"), "2");
});

Deno.test("fieldProblems() names the field, the bound and the value, but no secret", () => {
  const schema = z.strictObject({
    lat: z.number().min(-90).max(90),
    items: z.array(z.strictObject({ quantity: z.int().min(1) })).min(1),
    password: z.string().min(8),
  });
  const input = { lat: 181, items: [{ quantity: 0 }], password: "short", status: "delivered" };
  const result = schema.safeParse(input);
  assert.deepEqual(fieldProblems(result.error?.issues ?? [], input), [
    { field: "lat", bound: "must be <= 90", value: 181 },
    { field: "items.0.quantity", bound: "must be >= 1", value: 0 },
    { field: "password", bound: "must be >= 8 characters" },
    { field: "status", bound: "is not a known field" },
  ]);
});

Deno.test("fieldProblems() is bounded whatever the input", () => {
  const input = Array.from({ length: 1000 }, () => "x".repeat(1000));
  const result = z.array(z.number()).safeParse(input);
  const problems = fieldProblems(result.error?.issues ?? [], input);
  assert.equal(problems.length, 20);
});
