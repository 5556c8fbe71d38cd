import assert from "node:assert/strict";
import { TimeoutError, withTimeout } from "./timeout.ts";
import { Wake } from "./wake.ts";

const LONG_MS = 60_000;

Deno.test("Wake.wait() returns at once when notified before", async () => {
  const wake = new Wake();
  wake.notify();
  await wake.wait(LONG_MS);
});

Deno.test("Wake.wait() returns when notified during the wait, and leaves no timer", async () => {
  const wake = new Wake();
  const waiting = wake.wait(LONG_MS);
  wake.notify();
  await waiting;
});

Deno.test("Wake.wait() returns when aborted", async () => {
  const wake = new Wake();
  const controller = new AbortController();
  const waiting = wake.wait(LONG_MS, controller.signal);
  controller.abort();
  await waiting;
  await wake.wait(LONG_MS, controller.signal);
});

Deno.test("withTimeout() rejects work that never ends and passes on what ends", async () => {
  await assert.rejects(withTimeout("work", 1, new Promise(() => {})), TimeoutError);
  assert.equal(await withTimeout("work", LONG_MS, Promise.resolve(7)), 7);
});
