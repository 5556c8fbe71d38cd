import assert from "node:assert/strict";
import { createSeededRandom } from "shared/city/seeded_random.ts";

function draw(seed: number, count: number): number[] {
  const random = createSeededRandom(seed);
  return Array.from({ length: count }, random);
}

Deno.test("createSeededRandom() gives the same numbers for the same seed, for ever", () => {
  assert.deepEqual(draw(1, 3), [0.7132768968585879, 0.012132219038903713, 0.0008196849375963211]);
  assert.deepEqual(draw(9, 100), draw(9, 100));
  assert.notDeepEqual(draw(1, 3), draw(2, 3));
});

Deno.test("createSeededRandom() fills [0, 1) evenly", () => {
  const numbers = draw(42, 100_000);
  assert.ok(numbers.every((number) => number >= 0 && number < 1));
  const tenths = new Array<number>(10).fill(0);
  for (const number of numbers) tenths[Math.floor(number * 10)]! += 1;
  // Six standard deviations of a binomial count around 10,000.
  for (const count of tenths) assert.ok(Math.abs(count - 10_000) < 570, String(tenths));
});
