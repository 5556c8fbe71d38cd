/** Seeded schedules of the backbone on simulated servers (ADR 0015). */
import assert from "node:assert/strict";
import { SABOTAGES } from "./simulation/sabotages.ts";
import { replayLine, simulateMany } from "./simulation/simulate.ts";
import { simulate } from "./simulation/world/simulation.ts";

const SEEDS = 200;
/** Seeds in which a broken product must be noticed. */
const SABOTAGED_SEEDS = 400;

Deno.test(`simulate() finds no violation in ${SEEDS} seeds`, async () => {
  const totals = await simulateMany(1, SEEDS);
  console.log(
    `seeds 1 to ${SEEDS}: ${totals.steps} steps, ${totals.events} events, ` +
      `${totals.effects} effects, ${totals.parked} parked`,
  );
  assert.deepEqual(totals.failed.map(replayLine), []);
  // A simulation in which little happens proves little.
  assert.ok(totals.effects > 20 * SEEDS, `${totals.effects} effects`);
  for (const fault of ["kill", "freeze", "stop", "postgres crash", "redis wipe", "redis rewind"]) {
    assert.ok((totals.faults.get(fault) ?? 0) > 10, `${fault} must happen often`);
  }
});

Deno.test("simulate() does the same for the same seed", async () => {
  const traceOf = async () => {
    const names = new Map<string, string>();
    const lines: string[] = [];
    // Ids of events are random; nothing may depend on more than whether two are the same.
    const trace = (line: string) =>
      lines.push(line.replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
        const name = names.get(id) ?? `id ${names.size}`;
        names.set(id, name);
        return name;
      }));
    await simulate(7, { trace });
    return lines;
  };
  const first = await traceOf();
  assert.ok(first.length > 1_000);
  assert.deepEqual(await traceOf(), first);
});

for (const { name, sabotage } of SABOTAGES) {
  Deno.test(`simulate() notices ${name}`, async () => {
    for (let seed = 1; seed <= SABOTAGED_SEEDS; seed++) {
      const { violation } = await simulate(seed, { sabotage });
      if (violation === undefined) continue;
      console.log(`seed ${seed}: ${violation.split("\n")[0]}`);
      assert.doesNotMatch(violation, /Unknown(Sql|Lua|Command)Error|TypeError/);
      return;
    }
    assert.fail(`not noticed in ${SABOTAGED_SEEDS} seeds`);
  });
}
