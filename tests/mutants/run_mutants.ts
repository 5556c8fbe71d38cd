/**
 * `deno task mutants [name ...]`: proves the tests. Breaks one promise of the product at a time, in
 * a copy, and runs the test that must see it on real servers.
 *
 * A catch counts only when the detector says what it should (another failure might be the machine)
 * and when the same detector passes on the copy as it is. Exit code 1 when a mutant survives, a
 * patch does not apply, or a detector fails without a mutant.
 *
 * Concurrency contract. `COPIES` runs at a time, each in a copy of its own that is put back after
 * each mutant. At a signal the runs under way are ended, with their servers, and the copies removed.
 */
import { PatchError, ProjectCopy } from "../harness/project_copy.ts";
import { MUTANTS } from "./catalogue.ts";
import type { Detector, Mutant } from "./mutant.ts";

/** Runs differ by what the machine's scheduler does: a promise broken by luck gets a second one. */
const SEEDS = [20_261_121, 7_042_026];
/** Two, on a machine with two cores: a run mostly waits. */
const COPIES = 2;
/** A mutant that stops an order would else be waited for over a minute. */
const QUIET_MS = 40_000;
/** A detector that takes longer hangs. */
const RUN_TIMEOUT_MS = 240_000;
const QUOTED_CHARACTERS = 140;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

interface Run {
  readonly success: boolean;
  readonly output: string;
  readonly seconds: number;
}

interface Row {
  readonly mutant: string;
  readonly patch: string;
  readonly by: string;
  readonly said: string;
  readonly seconds: number;
  readonly isCaught: boolean;
}

const stop = new AbortController();

/** Runs a detector in the copy; the seed matters to chaos tests only. */
async function detect(copy: ProjectCopy, detector: Detector, seed: number): Promise<Run> {
  const startedMs = performance.now();
  const { phase, file, filter } = detector;
  const flags = ["--no-check", ...filter === undefined ? [] : [`--filter=${filter}`]];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "deploy/local/run_tests.ts", phase, ...flags, file],
    cwd: copy.dir,
    env: {
      CHAOS: "all",
      CHAOS_SEED: String(seed),
      CHAOS_QUIET_MS: String(QUIET_MS),
      NO_COLOR: "1",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(RUN_TIMEOUT_MS)]);
  // SIGTERM: the test runner then ends its test and its servers.
  const end = () => child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  try {
    const { success, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    const output = `${decoder.decode(stdout)}\n${decoder.decode(stderr)}`;
    return { success, output, seconds: (performance.now() - startedMs) / 1000 };
  } finally {
    signal.removeEventListener("abort", end);
  }
}

function nameOf({ file, filter }: Detector): string {
  const name = file.split("/").at(-1)?.replace("_test.ts", "") ?? file;
  return filter === undefined ? name : `${name}: ${filter}`;
}

/** The line of the output that the mutant must bring about, shortened. */
function findWords(output: string, says: RegExp): string | undefined {
  const lines = output.split("\n").map((line) =>
    line.replace(/^broken: (I\d+) \([^()]*\)/, "$1").replaceAll(UUID, "<id>").trim()
  );
  // The rule's own sentence stands between its number and what was found.
  const at = output.split("\n").findIndex((line) => says.test(line));
  return at === -1 ? undefined : lines[at]?.slice(0, QUOTED_CHARACTERS);
}

async function tryMutant(copy: ProjectCopy, patch: string, mutant: Mutant): Promise<Row> {
  const { name, detector, edits, says } = mutant;
  const restore = await copy.patch(edits);
  let seconds = 0;
  let said = "nothing";
  try {
    for (const seed of detector.phase === "chaos" ? SEEDS : SEEDS.slice(0, 1)) {
      const run = await detect(copy, detector, seed);
      seconds += run.seconds;
      const words = run.success ? undefined : findWords(run.output, says);
      if (words !== undefined) {
        const by = detector.phase === "chaos"
          ? `chaos ${nameOf(detector)}, seed ${seed}`
          : nameOf(detector);
        return { mutant: name, patch, by, said: words, seconds, isCaught: true };
      }
      said = run.success ? "passed" : `failed for another reason: ${lastWords(run.output)}`;
      if (stop.signal.aborted) break;
    }
  } finally {
    await restore();
  }
  return { mutant: name, patch, by: `NOT by ${nameOf(detector)}`, said, seconds, isCaught: false };
}

/** What a failed run said: the first broken rule, or else the last error. */
function lastWords(output: string): string {
  const lines = output.split("\n");
  const rule = lines.find((line) => /^broken: /.test(line));
  const words = rule ?? lines.findLast((line) => /rror: (?!Test failed)/.test(line)) ?? "no words";
  return words.trim().slice(0, 2 * QUOTED_CHARACTERS);
}

/** A detector on a copy as it is; whether it passes. */
async function tryControl(copy: ProjectCopy, detector: Detector): Promise<boolean> {
  const run = await detect(copy, detector, SEEDS[0] ?? 1);
  const verdict = run.success ? "passes" : `FAILS: ${lastWords(run.output)}`;
  console.log(`without a mutant ${nameOf(detector)} ${verdict} (${run.seconds.toFixed(0)} s)`);
  return run.success;
}

/** Works the jobs off, each in the copy that is free. */
async function workOff(
  copies: readonly ProjectCopy[],
  jobs: readonly ((copy: ProjectCopy) => Promise<void>)[],
): Promise<void> {
  const waiting = [...jobs];
  await Promise.all(copies.map(async (copy) => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      if (stop.signal.aborted) return;
      await job(copy);
    }
  }));
}

/** Every patch on the copy, before anything is run: one that does not fit fails all. */
async function checkPatches(
  copy: ProjectCopy,
  mutants: readonly (readonly [string, Mutant])[],
): Promise<boolean> {
  let doApply = true;
  for (const [patch, { edits }] of mutants) {
    try {
      await (await copy.patch(edits))();
    } catch (error) {
      if (!(error instanceof PatchError)) throw error;
      console.log(`${patch}: ${error.message}`);
      doApply = false;
    }
  }
  return doApply;
}

function printTable(rows: readonly Row[]): void {
  console.log("\n| mutant | patch | caught by | what it said | s |");
  console.log("| ------ | ----- | --------- | ------------ | - |");
  for (const { mutant, patch, by, said, seconds } of rows) {
    console.log(
      `| ${mutant} | \`${patch}\` | ${by} | ${said.replaceAll("|", "/")} | ${seconds.toFixed(0)} |`,
    );
  }
}

async function main(): Promise<number> {
  const wanted = Object.entries(MUTANTS).filter(([patch]) =>
    Deno.args.length === 0 || Deno.args.some((arg) => patch.includes(arg))
  );
  if (wanted.length === 0) {
    console.log(`No mutant matches: they are ${Object.keys(MUTANTS).join(", ")}`);
    return 1;
  }
  const startedMs = performance.now();
  await using copies = new AsyncDisposableStack();
  const made: ProjectCopy[] = [];
  while (made.length < COPIES) made.push(copies.use(await ProjectCopy.make()));
  const [copy] = made;
  if (copy === undefined || !await checkPatches(copy, wanted)) return 1;
  const found = new Map<string, Row>();
  const failedControls: string[] = [];
  const detectors = new Map(
    wanted.map(([, { detector }]) => [JSON.stringify(detector), detector]),
  );
  await workOff(made, [
    ...wanted.map(([patch, mutant]) => async (free: ProjectCopy) => {
      const row = await tryMutant(free, patch, mutant);
      console.log(`${row.isCaught ? "caught" : "SURVIVED"}: ${row.mutant}, ${row.by}: ${row.said}`);
      found.set(patch, row);
    }),
    ...[...detectors.values()].map((detector) => async (free: ProjectCopy) => {
      if (!await tryControl(free, detector)) failedControls.push(nameOf(detector));
    }),
  ]);
  const rows = wanted.map(([patch]) => found.get(patch)).filter((row) => row !== undefined);
  printTable(rows);
  const caught = rows.filter((row) => row.isCaught).length;
  const byChaos = rows.filter((row) => row.isCaught && row.by.startsWith("chaos")).length;
  const minutes = ((performance.now() - startedMs) / 60_000).toFixed(1);
  console.log(
    `\n${caught} of ${wanted.length} mutants caught, ${byChaos} of them by the chaos checker; ` +
      `detectors that fail without a mutant: ${failedControls.length}; ${minutes} min`,
  );
  return caught === wanted.length && failedControls.length === 0 ? 0 : 1;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stop.abort());
}
Deno.exit(await main());
