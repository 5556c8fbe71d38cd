import assert from "node:assert/strict";
import { listenForStop, SAME_WISH_MS, WishCounter } from "./stop_signals.ts";

Deno.test("WishCounter takes one Ctrl-C that arrives twice as one wish", () => {
  const [stop, haste] = [new AbortController(), new AbortController()];
  const counter = new WishCounter(stop, haste);
  counter.note("SIGINT", 1_000);
  assert.equal(stop.signal.reason, "SIGINT");
  counter.note("SIGINT", 1_001);
  counter.note("SIGTERM", 1_000 + SAME_WISH_MS - 1);
  assert.equal(haste.signal.aborted, false);
  counter.note("SIGINT", 1_000 + SAME_WISH_MS);
  assert.equal(haste.signal.aborted, true);
});

Deno.test("listenForStop() hears a signal and gives it back", async () => {
  const wishes = listenForStop();
  const heard = new Promise((done) => wishes.stop.addEventListener("abort", done));
  // A listener alone does not keep the process; here the children of a supervisor would.
  const alive = setInterval(() => {}, 1_000);
  Deno.kill(Deno.pid, "SIGHUP");
  await heard;
  clearInterval(alive);
  assert.equal(wishes.stop.reason, "SIGHUP");
  wishes.dispose();
});
