import assert from "node:assert/strict";
import { createRandom, exponential, normalPair, pick, uniform, wholeNumber } from "./random.ts";

const DRAWS = 20_000;

function draws(count: number, draw: () => number): number[] {
  return Array.from({ length: count }, draw);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

Deno.test("createRandom() repeats for one seed and name, and differs for any other", () => {
  const sequence = (seed: number, name: string) => draws(5, createRandom(seed, name));
  assert.deepEqual(sequence(7, "courier-1"), sequence(7, "courier-1"));
  const firsts = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    for (const name of ["courier-1", "courier-2", "merchant-1"]) {
      firsts.add(createRandom(seed, name)());
    }
  }
  assert.equal(firsts.size, 300);
});

Deno.test("createRandom() is uniform: mean 1/2 and each tenth equally often", () => {
  const values = draws(DRAWS, createRandom(1, "uniform"));
  assert.ok(Math.abs(mean(values) - 0.5) < 0.01, `mean ${mean(values)}`);
  for (let tenth = 0; tenth < 10; tenth++) {
    const share = values.filter((value) => Math.floor(value * 10) === tenth).length / DRAWS;
    assert.ok(Math.abs(share - 0.1) < 0.01, `tenth ${tenth}: ${share}`);
  }
});

Deno.test("normalPair() has mean 0, deviation 1 and uncorrelated halves", () => {
  const random = createRandom(2, "normal");
  const pairs = Array.from({ length: DRAWS }, () => normalPair(random));
  const x = pairs.map(([first]) => first), y = pairs.map(([, second]) => second);
  assert.ok(Math.abs(mean(x)) < 0.03);
  assert.ok(Math.abs(mean(x.map((value) => value * value)) - 1) < 0.05);
  assert.ok(Math.abs(mean(pairs.map(([a, b]) => a * b))) < 0.03);
  assert.ok(y.every(Number.isFinite));
});

Deno.test("exponential() has the mean asked for and stays finite at the edge of the generator", () => {
  const random = createRandom(3, "exponential");
  const values = draws(DRAWS, () => exponential(random, 20));
  assert.ok(Math.abs(mean(values) - 20) < 0.6, `mean ${mean(values)}`);
  assert.ok(exponential(() => 0, 20) === 0);
  assert.ok(Number.isFinite(exponential(() => 1 - 2 ** -32, 20)));
});

Deno.test("uniform(), wholeNumber() and pick() stay inside their bounds", () => {
  const top = () => 1 - 2 ** -32;
  assert.equal(uniform(() => 0, 3, 12), 3);
  assert.ok(uniform(top, 3, 12) < 12);
  assert.deepEqual([wholeNumber(() => 0, 1, 3), wholeNumber(top, 1, 3)], [1, 3]);
  assert.deepEqual([pick(() => 0, ["a", "b"]), pick(top, ["a", "b"])], ["a", "b"]);
  assert.equal(pick(top, []), undefined);
});
