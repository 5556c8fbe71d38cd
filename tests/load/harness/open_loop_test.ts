import assert from "node:assert/strict";
import { quantile, runOpenLoop } from "./open_loop.ts";

Deno.test("quantile() is a value that was measured", () => {
  assert.equal(quantile([5, 1, 4, 2, 3], 0.5), 3);
  assert.equal(quantile([5, 1, 4, 2, 3], 0.99), 5);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

Deno.test("runOpenLoop() sends on whether or not it is answered, and blames who stands still", async () => {
  const plan = { ratePerS: 500, seconds: 0.4, warmUpS: 0.1, seed: 7, maxOutstanding: 1_000 };
  const answer = Promise.withResolvers<void>();
  let warm = 0;
  const running = runOpenLoop(plan, (n) => n < 20 ? Promise.resolve() : answer.promise, () => {
    warm++;
    setTimeout(() => answer.resolve(), 500);
  });
  const outcome = await running;
  assert.equal(warm, 1);
  assert.ok(outcome.sent > 100, `only ${outcome.sent} were sent`);
  assert.equal(outcome.shed, 0);
  assert.ok(outcome.p99Ms > 200, `p99 ${outcome.p99Ms}`);
});

Deno.test("runOpenLoop() sheds what comes on top of its bound", async () => {
  const plan = { ratePerS: 1_000, seconds: 0.2, warmUpS: 0, seed: 7, maxOutstanding: 10 };
  const answer = Promise.withResolvers<void>();
  const running = runOpenLoop(plan, () => answer.promise, () => setTimeout(answer.resolve, 250));
  const outcome = await running;
  assert.equal(outcome.sent, 10);
  assert.ok(outcome.shed > 50);
});
