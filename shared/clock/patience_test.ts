import assert from "node:assert/strict";
import { SharedPatience } from "./patience.ts";
import { TimeoutError } from "./timeout.ts";

Deno.test("SharedPatience gives each wait its answer or its error", async () => {
  const patience = new SharedPatience("the store", 10_000);
  const waits = [
    patience.wait(Promise.resolve("first")),
    patience.wait(Promise.reject(new RangeError("no"))),
    patience.wait(Promise.resolve("third")),
  ];
  const outcomes = await Promise.allSettled(waits);
  assert.deepEqual(outcomes.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  // No timer is left: the test's own check for leaks would find it.
});

Deno.test("SharedPatience ends all waits that hang, and knows nothing of them afterwards", async () => {
  const patience = new SharedPatience("the store", 20);
  const late = Promise.withResolvers<string>();
  const waits = [patience.wait(late.promise), patience.wait(new Promise(() => {}))];
  for (const outcome of await Promise.allSettled(waits)) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof TimeoutError);
    assert.match(outcome.reason.message, /the store must finish in 20 ms/);
  }
  late.resolve("too late");
  assert.equal(await patience.wait(Promise.resolve("next")), "next");
});
