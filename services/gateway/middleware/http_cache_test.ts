import assert from "node:assert/strict";
import { matchesTag, strongTag } from "./http_cache.ts";

Deno.test("strongTag() is the same for the same bytes and another for others", async () => {
  const [one, same, other] = await Promise.all(
    ["soup", "soup", "soap"].map((text) => strongTag(new TextEncoder().encode(text))),
  );
  assert.equal(one, same);
  assert.notEqual(one, other);
  assert.match(one ?? "", /^"[A-Za-z0-9+/]{24}"$/);
});

Deno.test("matchesTag() compares weakly, in lists, and knows the star", () => {
  for (const header of ['"a"', 'W/"a"', '"b", "a"', '"b",W/"a"', "*", ' "a" ']) {
    assert.ok(matchesTag(header, '"a"'), header);
  }
  for (const header of ["a", '"b"', '"A"', "", '"aa"']) {
    assert.ok(!matchesTag(header, '"a"'), header);
  }
});
