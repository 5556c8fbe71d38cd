import assert from "node:assert/strict";
import { planTests } from "./test_plan.ts";

const plan = (...args: string[]) => planTests(args, "/p", "/p");
const names = (...args: string[]) => plan(...args).phases.map((phase) => phase.name);

Deno.test("planTests() runs everything without a kind, unit tests first", () => {
  assert.deepEqual(names(), ["unit", "integration", "e2e", "chaos"]);
  assert.deepEqual(names("all"), names());
  assert.deepEqual(names("unit"), ["unit"]);
  assert.equal(plan("unit").phases[0]?.needsServers, false);
  assert.equal(plan("e2e").phases[0]?.needsServers, true);
});

Deno.test("planTests() passes flags on, also one with its value apart", () => {
  assert.deepEqual(plan("unit", "--filter", "two words", "--fail-fast").flags, [
    "--filter=two words",
    "--fail-fast",
  ]);
  assert.deepEqual(plan("unit", "--filter", "x").phases.length, 1);
});

Deno.test("planTests() sends paths to the phase of their folder, relative to the caller", () => {
  const { phases } = planTests(["./a_test.ts", "../tests/e2e/b_test.ts"], "/p", "/p/shared");
  assert.deepEqual(phases.map(({ name, paths }) => ({ name, paths })), [
    { name: "unit", paths: ["shared/a_test.ts"] },
    { name: "e2e", paths: ["tests/e2e/b_test.ts"] },
  ]);
  assert.deepEqual(names("integration", "shared/a_test.ts"), ["integration"]);
  assert.deepEqual(names("tests/boundary_test.ts"), ["unit"]);
});
