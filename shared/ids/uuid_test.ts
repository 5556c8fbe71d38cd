import assert from "node:assert/strict";
import fc from "fast-check";
import { isUuid, uuidTimeMs, uuidv7 } from "./uuid.ts";

Deno.test("uuidv7() is a canonical version 7 UUID that carries its millisecond", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 47 }), (ms) => {
    const id = uuidv7(ms);
    assert.ok(isUuid(id), id);
    assert.equal(id[14], "7");
    assert.ok("89ab".includes(id[19] ?? ""));
    assert.equal(uuidTimeMs(id), ms);
  }));
});

Deno.test("uuidv7() ids sort by time as text", () => {
  assert.ok(uuidv7(1_700_000_000_000) < uuidv7(1_700_000_000_001));
});

Deno.test("isUuid() refuses other spellings, so one order has one id", () => {
  assert.equal(isUuid("0190F1C2-0000-7000-8000-000000000000"), false);
  assert.equal(isUuid("not-a-uuid"), false);
});
