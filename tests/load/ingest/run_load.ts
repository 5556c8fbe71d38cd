/** One run of a server under load, with the CPU time of everything that serves. */
import { pause, withTimeout } from "shared/clock/timeout.ts";
import { connectSql } from "shared/sql/connect.ts";
import { isHttpReady } from "../../../deploy/local/http_ready.ts";
import { BenchProcess } from "../harness/bench_process.ts";
import type { BenchStores } from "../harness/bench_stores.ts";
import { cpuSecondsOf } from "../harness/cpu_time.ts";
import { cpuPressure } from "../harness/machine.ts";
import type { Program } from "../harness/node_program.ts";
import { ServerProcess } from "../harness/server_process.ts";
import type { LoadFigures, LoadSettings, ServerSettings } from "./settings.ts";

const READY_TIMEOUT_MS = 60_000;
const RUN_TIMEOUT_MS = 120_000;
const POLL_MS = 50;

export interface Outcome {
  /** Fixes that were accepted. */
  readonly fixes: number;
  readonly refused: number;
  readonly seconds: number;
  readonly cpuS: number;
  /** By process, in microseconds per fix. */
  readonly cpuUs: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface LoadRun {
  readonly name: string;
  /** The ingest service, or a program that takes `ServerSettings`. */
  readonly server: "ingest" | Program | URL;
  /** Whether the yardstick checks sessions and limits. */
  readonly checks?: boolean;
  readonly load: Omit<LoadSettings, "port">;
}

/** Starts the server, warms it up, and measures. */
export async function runLoad(stores: BenchStores, run: LoadRun): Promise<Outcome> {
  const { databaseUrl, redisUrl } = stores;
  const prefix = `bench-${crypto.randomUUID().slice(0, 8)}:`;
  const port = freePort();
  await forgetPositions(databaseUrl);
  const checks = run.checks ? { sendersFile: run.load.sendersFile } : undefined;
  const server = await start(run, { databaseUrl, redisUrl, prefix, port, checks });
  let load: BenchProcess | undefined;
  try {
    const file = new URL("./load.ts", import.meta.url);
    load = new BenchProcess("load", file, { ...run.load, port } satisfies LoadSettings);
    await load.message("ready", READY_TIMEOUT_MS);
    const pids = { ...stores.pids, [run.name]: server.pid, load: load.pid };
    const before = await cpuByName(pids);
    await load.go();
    const started = await load.message("started", READY_TIMEOUT_MS);
    const done = await load.message("done", RUN_TIMEOUT_MS);
    const after = await cpuByName(pids);
    const used = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    const servers = Object.keys(pids).filter((name) => name !== "load");
    const { refused, p50Ms, p99Ms, maxMs } = done.data as LoadFigures;
    return {
      fixes: done.count,
      refused,
      seconds: (done.atMs - started.atMs) / 1_000,
      cpuS: servers.reduce((sum, name) => sum + used(name), 0),
      cpuUs: Object.fromEntries(
        Object.keys(pids).map((name) => [name, rounded(1e6 * used(name) / done.count, 1)]),
      ),
      p50Ms,
      p99Ms,
      maxMs,
    };
  } finally {
    await load?.stop();
    await server.stop();
  }
}

async function cpuByName(pids: Readonly<Record<string, number>>): Promise<Map<string, number>> {
  const entries = Object.entries(pids).map(async ([name, pid]) =>
    [name, await cpuSecondsOf([pid])] as const
  );
  return new Map(await Promise.all(entries));
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** What an earlier run left is newer than what this one sends. */
async function forgetPositions(databaseUrl: string): Promise<void> {
  const sql = connectSql(databaseUrl, { applicationName: "bench", max: 1 });
  await sql`truncate courier_last_positions`;
  await sql.end({ timeout: 5 });
}

/** Starts what is measured and waits until it is ready. */
async function start(
  { name, server }: LoadRun,
  settings: ServerSettings,
): Promise<BenchProcess | ServerProcess> {
  const { databaseUrl, redisUrl, prefix, port } = settings;
  if (server === "ingest") {
    return await ServerProcess.start("ingest", port, {
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      REDIS_KEY_PREFIX: prefix,
      LOG_LEVEL: "warn",
    });
  }
  const started = new BenchProcess(name, server, settings);
  try {
    await withTimeout(`${name}: ready`, READY_TIMEOUT_MS, ready(port));
    return started;
  } catch (error) {
    await started.stop();
    throw error;
  }
}

async function ready(port: number): Promise<void> {
  while (true) {
    try {
      if (await isHttpReady(`http://127.0.0.1:${port}/health/ready`)) return;
    } catch {
      // It does not listen yet; the caller's time-out bounds this.
    }
    await pause(POLL_MS);
  }
}

export const rounded = (value: number, digits = 0) => Number(value.toFixed(digits));

export const ratePerS = ({ fixes, seconds }: { fixes: number; seconds: number }) => fixes / seconds;
export const ratePerCpuS = ({ fixes, cpuS }: { fixes: number; cpuS: number }) => fixes / cpuS;

export function median<T>(outcomes: readonly T[], value: (outcome: T) => number): number {
  const sorted = outcomes.map(value).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** Prints a run as it ends. */
export async function tellRun(name: string, outcome: Outcome): Promise<Outcome> {
  const { fixes, refused, seconds, cpuS, cpuUs, p50Ms, p99Ms, maxMs } = outcome;
  console.log(
    `${name.padEnd(9)} ${fixes} fixes in ${seconds.toFixed(2)} s: ${
      rounded(ratePerS(outcome))
    }/s, ` +
      `${rounded(1e6 * cpuS / fixes, 1)} us CPU per fix, refused ${refused}, ` +
      `ms p50 ${p50Ms.toFixed(1)} p99 ${p99Ms.toFixed(1)} max ${maxMs.toFixed(0)}; ` +
      `CPU pressure ${await cpuPressure()}\n          us CPU per fix: ` +
      Object.entries(cpuUs).map(([process, us]) => `${process} ${us}`).join(", "),
  );
  return outcome;
}
