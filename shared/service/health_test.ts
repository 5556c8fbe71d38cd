import assert from "node:assert/strict";
import { Health } from "./health.ts";

async function read(health: Health, path: string) {
  const response = await health.respond(path);
  assert.ok(response);
  return { http: response.status, body: await response.json() };
}

Deno.test("Health is live but unready until started", async () => {
  const health = new Health(() => 0);
  assert.equal((await read(health, "/health/live")).http, 200);
  assert.equal((await read(health, "/health/ready")).http, 503);
  health.started();
  assert.equal((await read(health, "/health/ready")).http, 200);
});

Deno.test("Health stays ready but says degraded when an optional dependency fails", async () => {
  const health = new Health(() => 0);
  health.add("redis", () => Promise.reject(new Error("down")), { required: false });
  health.add("postgres", () => Promise.resolve(), { required: true });
  health.started();
  assert.equal((await read(health, "/health/ready")).http, 200);
  const { body } = await read(health, "/health");
  assert.equal(body.status, "degraded");
  assert.deepEqual([body.checks.redis.ok, body.checks.postgres.ok], [false, true]);
});

Deno.test("Health is unready when a required dependency fails, and recovers by itself", async () => {
  let up = false;
  const health = new Health(() => 0);
  health.add("postgres", () => up ? Promise.resolve() : Promise.reject(new Error("down")), {
    required: true,
  });
  health.started();
  assert.equal((await read(health, "/health/ready")).http, 503);
  up = true;
  assert.equal((await read(health, "/health/ready")).http, 200);
});

Deno.test("Health is unready but live while stopping", async () => {
  const health = new Health(() => 0);
  health.started();
  health.stopping();
  assert.equal((await read(health, "/health/ready")).http, 503);
  assert.equal((await read(health, "/health/live")).http, 200);
});

Deno.test("Health leaves other paths to the application", async () => {
  assert.equal(await new Health().respond("/api/v1/orders"), undefined);
});
