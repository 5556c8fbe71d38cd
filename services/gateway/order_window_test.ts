import assert from "node:assert/strict";
import { scheduleOrder } from "./order_window.ts";

const nowMs = Date.parse("2026-11-21T12:00:00Z");
const estimatedAt = new Date("2026-11-21T12:40:00Z");

function at(startsAt: string, endsAt: string) {
  return scheduleOrder({ window: { startsAt, endsAt }, nowMs, estimatedAt });
}

function fieldOf(outcome: ReturnType<typeof at>) {
  const errors = outcome.ok ? [] : outcome.members?.["errors"] as { field: string }[];
  return errors[0]?.field;
}

Deno.test("scheduleOrder() without a window dispatches now", () => {
  assert.deepEqual(scheduleOrder({ window: undefined, nowMs, estimatedAt }), {
    ok: true,
    schedule: null,
    estimatedAt,
  });
});

Deno.test("scheduleOrder() releases as long before the window as the order would take now", () => {
  const outcome = at("2026-11-21T18:00:00Z", "2026-11-21T18:30:00Z");
  assert.ok(outcome.ok);
  assert.equal(outcome.schedule?.releaseAt.toISOString(), "2026-11-21T17:20:00.000Z");
  assert.equal(outcome.estimatedAt.toISOString(), "2026-11-21T18:00:00.000Z");
});

Deno.test("scheduleOrder() takes a window that is open already, and keeps the estimate", () => {
  const outcome = at("2026-11-21T11:00:00Z", "2026-11-21T13:00:00Z");
  assert.ok(outcome.ok);
  assert.equal(outcome.estimatedAt, estimatedAt);
  assert.ok((outcome.schedule?.releaseAt.getTime() ?? Infinity) < nowMs);
});

Deno.test("scheduleOrder() refuses a window too short, too long, too far or too soon over", () => {
  assert.equal(fieldOf(at("2026-11-21T18:00:00Z", "2026-11-21T18:14:59Z")), "window.endsAt");
  assert.equal(fieldOf(at("2026-11-21T18:00:00Z", "2026-11-22T18:00:01Z")), "window.endsAt");
  assert.equal(fieldOf(at("2026-12-21T12:00:01Z", "2026-12-21T13:00:00Z")), "window.startsAt");
  assert.equal(fieldOf(at("2026-11-21T12:00:00Z", "2026-11-21T12:39:59Z")), "window.endsAt");
  assert.equal(at("2026-11-21T12:00:00Z", "2026-11-21T12:40:00Z").ok, true);
});
