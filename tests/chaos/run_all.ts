/**
 * `deno task chaos [--seed N] [name ...]`: every fault, or those whose file has one of the names,
 * on the whole system, and what they say together. The last line is `N passed, N failed`.
 *
 * Concurrency contract. `WORLDS` faults run at a time, each in a `deno task test:chaos` of its own
 * with servers of its own; one that fails stops nobody. At a signal all of them are ended, and each
 * ends its own world.
 */
import { join } from "node:path";
import { z } from "zod";
import { PROJECT_DIR } from "../../deploy/local/data_dir.ts";
import { NOT_APPLICABLE, RULES } from "./evidence.ts";

/** Two, on a machine with two cores: a world mostly waits, and its promises have bounds in seconds. */
const WORLDS = 2;
const SEED_LIMIT = 2 ** 31;

const runSchema = z.object({
  fault: z.string(),
  seed: z.number(),
  violations: z.number(),
  seconds: z.number(),
});
type Run = z.infer<typeof runSchema>;

interface FileResult {
  readonly file: string;
  readonly runs: readonly Run[];
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
  /** Said by a test that could not run, before it was left out. */
  readonly notes: readonly string[];
}

const stop = new AbortController();

async function faultFiles(names: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for await (const { name } of Deno.readDir(join(PROJECT_DIR, "tests/chaos"))) {
    if (!name.endsWith("_test.ts")) continue;
    if (names.length === 0 || names.some((wanted) => name.includes(wanted))) files.push(name);
  }
  return files.sort();
}

async function runFile(file: string, seed: number): Promise<FileResult> {
  const report = await Deno.makeTempFile({ prefix: "hexmile-chaos-", suffix: ".jsonl" });
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "deploy/local/run_tests.ts", "chaos", `tests/chaos/${file}`],
    cwd: PROJECT_DIR,
    env: { CHAOS: "all", CHAOS_SEED: String(seed), CHAOS_REPORT: report, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = () => child.kill("SIGTERM");
  stop.signal.addEventListener("abort", end, { once: true });
  try {
    const { stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    const lines = `${decoder.decode(stderr)}\n${decoder.decode(stdout)}`.split("\n");
    const count = (pattern: RegExp) =>
      Number(lines.map((line) => pattern.exec(line)?.[1]).findLast((found) => found) ?? 0);
    const failed = count(/^\d+ passed, (\d+) failed$/);
    if (failed > 0) console.log(lines.join("\n"));
    const reported = (await Deno.readTextFile(report)).split("\n").filter((line) => line !== "");
    return {
      file,
      runs: reported.map((line) => runSchema.parse(JSON.parse(line))),
      passed: count(/^(\d+) passed, \d+ failed$/),
      failed,
      ignored: count(/^(\d+) ignored$/),
      notes: lines.filter((line) => line.startsWith("no test of ")),
    };
  } finally {
    stop.signal.removeEventListener("abort", end);
    await Deno.remove(report);
  }
}

function tell({ file, runs, failed, ignored, notes }: FileResult): void {
  for (const { fault, seconds, violations } of runs) {
    console.log(`${fault}: ${violations} violations, ${seconds.toFixed(0)} s`);
  }
  for (const note of notes) console.log(note);
  if (runs.length === 0 || failed > 0) console.log(`${file}: ${failed} failed, ${ignored} ignored`);
}

function summarise(results: readonly FileResult[], seed: number, startedMs: number): boolean {
  const runs = results.flatMap((result) => result.runs);
  const violations = runs.reduce((sum, run) => sum + run.violations, 0);
  const total = (field: "passed" | "failed" | "ignored") =>
    results.reduce((sum, result) => sum + result[field], 0);
  const minutes = ((performance.now() - startedMs) / 60_000).toFixed(1);
  console.log(`\nfaults run ${runs.length}: ${runs.map(({ fault }) => fault).join(", ")}`);
  console.log("invariants checked after each:");
  for (const [rule, sentence] of Object.entries(RULES)) console.log(`  ${rule} ${sentence}`);
  for (const [rule, reason] of Object.entries(NOT_APPLICABLE)) console.log(`  ${rule} ${reason}`);
  if (total("ignored") > 0) console.log(`left out: ${total("ignored")} (reasons above)`);
  const broken = results.filter((result) => result.failed > 0).map(({ file }) => file);
  if (broken.length > 0) console.log(`failed: ${broken.join(", ")}`);
  console.log(`seed ${seed}, ${minutes} min, violations ${violations}`);
  console.log(`${total("passed")} passed, ${total("failed")} failed`);
  return total("failed") === 0 && total("passed") > 0 && !stop.signal.aborted;
}

function readArguments(args: readonly string[]): { seed: number; names: string[] } {
  const names: string[] = [];
  let seed = Math.floor(Math.random() * SEED_LIMIT);
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    const value = arg === "--seed" ? args[++at] : /^--seed=(.*)$/.exec(arg)?.[1];
    if (value === undefined) {
      names.push(arg);
    } else if (/^\d{1,10}$/.test(value) && Number(value) < SEED_LIMIT) {
      seed = Number(value);
    } else {
      throw new Error(`Cannot run: --seed must be 0 to ${SEED_LIMIT - 1}: it is ${value}`);
    }
  }
  return { seed, names };
}

async function main(): Promise<number> {
  const startedMs = performance.now();
  const { seed, names } = readArguments(Deno.args);
  const files = await faultFiles(names);
  console.log(`seed ${seed}: again with deno task chaos --seed ${seed}`);
  const results: FileResult[] = [];
  const waiting = [...files];
  await Promise.all(Array.from({ length: WORLDS }, async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      if (stop.signal.aborted) return;
      const result = await runFile(file, seed);
      results.push(result);
      tell(result);
    }
  }));
  return summarise(results, seed, startedMs) ? 0 : 1;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stop.abort());
}
Deno.exit(await main());
