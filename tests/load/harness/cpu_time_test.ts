import assert from "node:assert/strict";
import { parseStat } from "./cpu_time.ts";

Deno.test("parseStat() reads the parent and all four times behind a name with brackets", () => {
  const stat = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 50 20 30 20 0 1 0 9";
  assert.deepEqual(parseStat(stat), { parentPid: 7, cpuS: 2 });
});
