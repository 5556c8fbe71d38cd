import assert from "node:assert/strict";
import { backoffMs } from "./backoff.ts";

Deno.test("backoffMs() doubles from half a second to its cap of 15 s", () => {
  const ceilings = [1, 2, 3, 4, 5, 6, 7, 1_000].map((failures) => backoffMs(failures, () => 1));
  assert.deepEqual(ceilings, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
});

Deno.test("backoffMs() never waits less than half of its ceiling", () => {
  assert.deepEqual([1, 4, 9].map((failures) => backoffMs(failures, () => 0)), [250, 2_000, 7_500]);
});
