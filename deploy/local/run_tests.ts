/**
 * `deno run -A deploy/local/run_tests.ts [unit|integration|e2e|chaos|all] [--filter text] [paths]`
 *
 * Runs `deno test` with what the tests need: nothing for unit tests, else private servers in a
 * folder of their own that is removed afterwards, and a template database with the migrations. The
 * last line is `N passed, N failed`; the exit code is 1 when a test failed or none ran.
 *
 * Concurrency contract. One `deno test` runs at a time. At a signal it is ended, then the servers;
 * the servers are stopped on every way out of `main`. What tests left running (a supervisor that
 * was killed with its test) is ended by the run records below TEST_DATA_DIR.
 */
import { join } from "node:path";
import { connectSql } from "shared/sql/connect.ts";
import { migrate } from "shared/sql/migrate.ts";
import { chooseLocalPlace, exists, PROJECT_DIR } from "./data_dir.ts";
import { identityOf } from "./process_identity.ts";
import { isAbsent } from "./program.ts";
import { RunRecord } from "./run_record.ts";
import { type Servers, startServers } from "./servers.ts";
import { reasonOf, SetupError } from "./setup_error.ts";
import { listenForStop } from "./stop_signals.ts";
import { printLine } from "./supervisor.ts";
import { planTests, type TestPhase, type TestPlan } from "./test_plan.ts";
import {
  addCounts,
  countTests,
  NO_TESTS,
  summaryLine,
  type TestCounts,
  testExitCode,
} from "./test_report.ts";
import { settlesWithin } from "./waiting.ts";

const TEMPLATE_DATABASE = "hexmile_template";
const TEST_STOP_TIMEOUT_MS = 5_000;
const DATABASE_TIMEOUT_S = 10;
/** As a shell reports a program that was ended by SIGINT. */
const INTERRUPTED_EXIT_CODE = 130;
const ONE_FAILED: TestCounts = { passed: 0, failed: 1, ignored: 0 };

/** Runs a plan and answers the counts of all its phases. Throws `SetupError`. */
async function runPlan(plan: TestPlan, stop: AbortSignal): Promise<TestCounts> {
  let counts = NO_TESTS;
  const alone = plan.phases.filter((phase) => !phase.needsServers);
  for (const phase of alone) counts = addCounts(counts, await runPhase(phase, plan, {}, stop));
  const served: TestPhase[] = [];
  for (const phase of plan.phases) {
    if (phase.needsServers && (await testFiles(phase.paths)).length > 0) served.push(phase);
  }
  if (served.length === 0 || stop.aborted) return counts;
  try {
    return addCounts(counts, await runWithServers(served, plan, stop));
  } catch (error) {
    printLine(error instanceof SetupError ? error.message : Deno.inspect(error));
    return addCounts(counts, ONE_FAILED);
  }
}

async function runWithServers(
  phases: readonly TestPhase[],
  plan: TestPlan,
  stop: AbortSignal,
): Promise<TestCounts> {
  const place = await chooseLocalPlace({ name: `test-${Deno.pid}` });
  if (place.note !== undefined) printLine(place.note);
  let servers: Servers | undefined;
  try {
    await removeStaleRuns(place.baseDir);
    servers = await startServers({
      place,
      durable: false,
      databaseUrl: Deno.env.get("TEST_ADMIN_DATABASE_URL"),
      redisUrl: Deno.env.get("TEST_REDIS_URL"),
      say: printLine,
      signal: stop,
    });
    await createTemplate(servers.adminDatabaseUrl);
    const env = {
      TEST_ADMIN_DATABASE_URL: servers.adminDatabaseUrl,
      TEST_TEMPLATE_DATABASE: TEMPLATE_DATABASE,
      TEST_REDIS_URL: servers.redisUrl,
      TEST_DATA_DIR: place.dataDir,
    };
    let counts = NO_TESTS;
    for (const phase of phases) counts = addCounts(counts, await runPhase(phase, plan, env, stop));
    return counts;
  } finally {
    await servers?.stop();
    await removeRun(place.dataDir);
  }
}

async function runPhase(
  phase: TestPhase,
  plan: TestPlan,
  env: Record<string, string>,
  stop: AbortSignal,
): Promise<TestCounts> {
  const files = await testFiles(phase.paths);
  if (files.length === 0 || stop.aborted) return NO_TESTS;
  printLine(`\n${phase.name}: ${files.length} ${files.length === 1 ? "file" : "files"}`);
  const report = await Deno.makeTempFile({ prefix: "hexmile-tests-", suffix: ".xml" });
  try {
    const parallel = phase.jobs > 1 ? ["--parallel"] : [];
    const child = new Deno.Command(Deno.execPath(), {
      args: ["test", "--allow-all", ...parallel, `--junit-path=${report}`, ...plan.flags, ...files],
      cwd: PROJECT_DIR,
      env: { ...env, DENO_JOBS: String(phase.jobs), DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
    }).spawn();
    const { success, code } = await endedOrStopped(child, stop);
    const counts = countTests(await Deno.readTextFile(report));
    if (success || counts.failed > 0) return counts;
    // A file that does not load or type-check is no test case in the report.
    printLine(`${phase.name}: deno test ended with exit code ${code}`);
    return addCounts(counts, ONE_FAILED);
  } finally {
    await Deno.remove(report);
  }
}

async function endedOrStopped(
  child: Deno.ChildProcess,
  stop: AbortSignal,
): Promise<Deno.CommandStatus> {
  let ended = false;
  const status = child.status.then((result) => {
    ended = true;
    return result;
  });
  const end = async () => {
    if (!ended) child.kill("SIGTERM");
    if (!await settlesWithin(status, TEST_STOP_TIMEOUT_MS) && !ended) child.kill("SIGKILL");
  };
  // A child that ends in this very moment cannot be signalled, which is as well.
  const onStop = () => void end().catch(() => undefined);
  stop.addEventListener("abort", onStop, { once: true });
  try {
    return await status;
  } finally {
    stop.removeEventListener("abort", onStop);
  }
}

/** The template is closed to connections, because one would block every copy of it. */
async function createTemplate(adminUrl: string): Promise<void> {
  const startedMs = performance.now();
  const sql = connectSql(adminUrl, { applicationName: "hexmile-tests", max: 1 });
  try {
    await sql`drop database if exists ${sql(TEMPLATE_DATABASE)} with (force)`;
    await sql`create database ${sql(TEMPLATE_DATABASE)}`;
    const url = new URL(adminUrl);
    url.pathname = `/${TEMPLATE_DATABASE}`;
    const folder = join(PROJECT_DIR, "migrations");
    const applied = await migrate({ databaseUrl: url.href, folder, log: () => {} });
    await sql`alter database ${sql(TEMPLATE_DATABASE)} allow_connections false`;
    const tookMs = Math.round(performance.now() - startedMs);
    printLine(`Template database: ${applied.length} migrations (${tookMs} ms)`);
  } catch (error) {
    throw new SetupError(`Cannot create the template database: ${reasonOf(error)}.`, {
      cause: error,
    });
  } finally {
    await sql.end({ timeout: DATABASE_TIMEOUT_S });
  }
}

/** Folders of test runs whose process is gone: their servers are ended, the folders removed. */
async function removeStaleRuns(baseDir: string): Promise<void> {
  for await (const entry of Deno.readDir(baseDir)) {
    const pid = Number(/^test-(\d+)$/.exec(entry.name)?.[1]);
    if (Number.isInteger(pid) && identityOf(pid) === undefined) {
      await removeRun(join(baseDir, entry.name));
    }
  }
}

/** Ends what is on record in a folder and in those right inside it, then removes the folder. */
async function removeRun(dataDir: string): Promise<void> {
  const folders = [dataDir];
  for await (const entry of Deno.readDir(dataDir)) {
    if (entry.isDirectory) folders.push(join(dataDir, entry.name));
  }
  for (const folder of folders.reverse()) {
    if (!await exists(join(folder, "run.json"))) continue;
    (await RunRecord.open(folder, printLine)).close();
  }
  await Deno.remove(dataDir, { recursive: true });
}

/** The test files of a phase. Of the folder `tests` only the files right inside it. */
async function testFiles(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    await collect(path, path !== "tests", files);
  }
  return files.sort();
}

async function collect(path: string, deep: boolean, files: string[]): Promise<void> {
  const absolute = join(PROJECT_DIR, path);
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(absolute);
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  if (info.isFile) {
    files.push(path);
    return;
  }
  for await (const entry of Deno.readDir(absolute)) {
    const child = join(path, entry.name);
    if (entry.isFile && /(^|_)test\.tsx?$/.test(entry.name)) files.push(child);
    else if (entry.isDirectory && deep && isSourceFolder(entry.name)) {
      await collect(child, deep, files);
    }
  }
}

function isSourceFolder(name: string): boolean {
  return name !== "node_modules" && !name.startsWith(".");
}

async function main(): Promise<number> {
  const wishes = listenForStop();
  let counts = NO_TESTS;
  try {
    counts = await runPlan(planTests(Deno.args, PROJECT_DIR, Deno.cwd()), wishes.stop);
  } catch (error) {
    printLine(error instanceof SetupError ? error.message : Deno.inspect(error));
    counts = addCounts(counts, ONE_FAILED);
  }
  wishes.dispose();
  if (counts.passed + counts.failed + counts.ignored === 0) printLine("No test matches.");
  if (counts.ignored > 0) printLine(`${counts.ignored} ignored`);
  if (wishes.stop.aborted) printLine(`Stopped by ${wishes.stop.reason} before the end.`);
  printLine(summaryLine(counts));
  return wishes.stop.aborted ? INTERRUPTED_EXIT_CODE : testExitCode(counts);
}

if (import.meta.main) Deno.exit(await main());
