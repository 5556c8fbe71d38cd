import assert from "node:assert/strict";
import { nextDelayMs } from "./backoff.ts";

Deno.test("nextDelayMs() doubles from 250 ms to 10 s while a child keeps crashing", () => {
  const delays: number[] = [];
  let delayMs = 0;
  for (let crash = 0; crash < 8; crash++) {
    delayMs = nextDelayMs(delayMs, 100);
    delays.push(delayMs);
  }
  assert.deepEqual(delays, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
});

Deno.test("nextDelayMs() begins anew after the child was ready for 30 s", () => {
  assert.equal(nextDelayMs(8_000, 29_999), 10_000);
  assert.equal(nextDelayMs(8_000, 30_000), 250);
});
