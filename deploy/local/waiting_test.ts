import assert from "node:assert/strict";
import { pause, settlesWithin } from "./waiting.ts";

Deno.test("pause() ends at once when its signal is or becomes aborted", async () => {
  const stop = new AbortController();
  const pausing = pause(60_000, stop.signal);
  stop.abort();
  await pausing;
  await pause(60_000, stop.signal);
});

Deno.test("settlesWithin() counts a rejection as settled and gives up at its bound", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  assert.equal(await settlesWithin(Promise.reject(new Error("x")), 60_000), true);
  assert.equal(await settlesWithin(Promise.resolve(), 60_000), true);
  assert.equal(await settlesWithin(promise, 1), false);
  resolve();
});
