/**
 * `deno task simulate [--seeds N] [--from S] | [--seed S]`
 *
 * Runs seeded schedules of the whole backbone on simulated servers (ADR 0015). The last line is one
 * JSON object; the exit code is 1 when a seed found a violation. `--seed` replays one seed and
 * prints every step of it.
 */
import { parseArgs } from "node:util";
import { type Report, simulate } from "./world/simulation.ts";

const DEFAULT_SEEDS = 1_000;
const MAX_SHOWN = 5;

/** What many seeds came to. */
export interface Totals {
  readonly seeds: number;
  readonly failed: readonly Report[];
  readonly steps: number;
  readonly events: number;
  readonly effects: number;
  readonly parked: number;
  readonly virtualS: number;
  readonly faults: ReadonlyMap<string, number>;
}

/** Runs seeds one after another; stops after some have failed. */
export async function simulateMany(from: number, seeds: number): Promise<Totals> {
  const failed: Report[] = [];
  const faults = new Map<string, number>();
  let [steps, events, effects, parked, virtualMs, count] = [0, 0, 0, 0, 0, 0];
  for (let seed = from; seed < from + seeds && failed.length < MAX_SHOWN; seed++) {
    const report = await simulate(seed);
    count++;
    steps += report.steps;
    events += report.events;
    effects += report.effects;
    parked += report.parked;
    virtualMs += report.virtualMs;
    for (const [name, times] of report.faults) faults.set(name, (faults.get(name) ?? 0) + times);
    if (report.violation !== undefined) failed.push(report);
  }
  return {
    seeds: count,
    failed,
    steps,
    events,
    effects,
    parked,
    virtualS: virtualMs / 1000,
    faults,
  };
}

/** How to see a failed seed again. */
export function replayLine({ seed, violation }: Report): string {
  return `seed ${seed}: ${violation}\n  replay: deno task simulate --seed ${seed}`;
}

function numberOf(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`Cannot simulate: --${name} must be a whole number: current value is ${text}`);
  Deno.exit(2);
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { seeds: { type: "string" }, from: { type: "string" }, seed: { type: "string" } },
  });
  if (values.seed !== undefined) {
    const report = await simulate(numberOf("seed", values.seed, 0), { trace: console.log });
    console.log(report.violation === undefined ? "no violation" : `VIOLATION ${report.violation}`);
    return report.violation === undefined ? 0 : 1;
  }
  const from = numberOf("from", values.from, 1);
  const startedAtMs = performance.now();
  const totals = await simulateMany(from, numberOf("seeds", values.seeds, DEFAULT_SEEDS));
  for (const report of totals.failed) console.log(replayLine(report));
  console.log(JSON.stringify({
    simulate: "backbone",
    from,
    ...totals,
    failed: totals.failed.map(({ seed }) => seed),
    virtualS: Math.round(totals.virtualS),
    faults: Object.fromEntries([...totals.faults].sort()),
    seconds: Math.round(performance.now() - startedAtMs) / 1000,
  }));
  return totals.failed.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
