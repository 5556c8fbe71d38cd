import assert from "node:assert/strict";
import { BoundedMap } from "./bounded_map.ts";

Deno.test("BoundedMap forgets what was not used for longest, and never holds more", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  assert.equal(map.get("a"), 1);
  map.set("c", 3);
  assert.deepEqual([map.get("a"), map.get("b"), map.get("c")], [1, undefined, 3]);
  map.set("a", 4);
  assert.deepEqual([map.size, map.get("a"), map.get("c")], [2, 4, 3]);
  map.delete("a");
  assert.equal(map.get("a"), undefined);
});
