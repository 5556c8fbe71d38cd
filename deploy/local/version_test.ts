import assert from "node:assert/strict";
import { findVersion, isAtLeast } from "./version.ts";

Deno.test("findVersion() reads what the servers say of themselves", () => {
  assert.equal(findVersion("Redis server v=7.0.15 sha=00000000:0 bits=64"), "7.0.15");
  assert.equal(findVersion("Valkey server v=8.1.0 sha=0"), "8.1.0");
  assert.equal(findVersion("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), "15.18");
  assert.equal(findVersion("no number 7"), undefined);
});

Deno.test("isAtLeast() compares numbers, not text", () => {
  assert.equal(isAtLeast("10.1", "7.0"), true);
  assert.equal(isAtLeast("7.0.0", "7.0"), true);
  assert.equal(isAtLeast("6.2.14", "7.0"), false);
  assert.equal(isAtLeast("14.20", "15.0"), false);
  assert.equal(isAtLeast("18beta1", "15.0"), false);
});
