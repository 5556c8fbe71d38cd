/**
 * `deno task bench:ingest-soak [--minutes 10] [--couriers 30000] [--sockets N] [--seed N]`: the long
 * run.
 *
 * Every courier has a phone of its own that records a fix each 3 s (30,000 couriers: 10,000 fixes a
 * second, open loop), sent to the ingest service as its task starts it: most by a WebSocket of their
 * own, the others by single posts and batches. Phones repeat, reorder, jump, come out of tunnels and
 * fall silent. Beside ingest run keeper, tracker and a reader that applies the stream to the grid of
 * dispatch; Postgres and Redis are durable (append-only file, flushed each second).
 *
 * First faults: ingest is killed, Redis is restarted. From two fifths on nothing is disturbed, and
 * CPU, memory and delays are measured. Then the phones' ledger of what was acknowledged is held
 * against Redis, the stream and Postgres, and Redis is emptied and rebuilt under load.
 */
import { parseArgs } from "node:util";
import { pause } from "shared/clock/timeout.ts";
import { listenForStop } from "../../deploy/local/stop_signals.ts";
import { type BenchStores, withBenchStores } from "./harness/bench_stores.ts";
import { cpuPressure, describeMachine } from "./harness/machine.ts";
import { withCouriers } from "./ingest/seed.ts";
import { behindInPostgres } from "./ingest_soak/checks.ts";
import {
  type FaultOutcome,
  killIngest,
  loseRedis,
  type RebuildOutcome,
  restartRedis,
} from "./ingest_soak/faults.ts";
import { checkLedger, type Ledger, settle } from "./ingest_soak/promises.ts";
import type { PhonesFigures, ReaderFigures } from "./ingest_soak/settings.ts";
import { SoakWorld } from "./ingest_soak/soak_world.ts";
import { PERIOD_MS } from "./ingest_soak/timetable.ts";
import { cpuOf, residentMb, type Sample, type Trend, trendOf } from "./ingest_soak/usage.ts";

const MAX_MINUTES = 120;
const MAX_COURIERS = 100_000;
/** Parts of the run at which ingest is killed, Redis restarted, and the quiet part begins. */
const KILL_AT = 0.12;
const RESTART_AT = 0.25;
const QUIET_AT = 0.4;
const SAMPLE_MS = 10_000;
/** For the last checks; the phones stop by themselves after it. */
const SPARE_S = 300;
/** Files that ingest and phones need besides the sockets. */
const SPARE_FILES = 1_500;
/** The others post. */
const SOCKET_SHARE = 0.8;
/** One in five has an order; those fall silent at one of the faults. */
const isBusy = (courier: number) => courier % 10 === 3 || courier % 10 === 7;

interface Options {
  readonly minutes: number;
  readonly couriers: number;
  readonly sockets: number;
  readonly seed: number;
}

/** What the quiet part showed. */
interface Quiet {
  readonly seconds: number;
  readonly cores: Readonly<Record<string, number>>;
  readonly memory: Readonly<Record<string, Trend>>;
  readonly phones: PhonesFigures;
  readonly reader: ReaderFigures;
}

async function readOptions(): Promise<Options> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      minutes: { type: "string", default: "10" },
      couriers: { type: "string", default: "30000" },
      sockets: { type: "string" },
      seed: { type: "string", default: "20261121" },
    },
  });
  const couriers = bounded("couriers", values.couriers, MAX_COURIERS);
  const fitting = Math.min(Math.floor(couriers * SOCKET_SHARE), await maxFiles() - SPARE_FILES);
  const sockets = values.sockets === undefined
    ? fitting
    : bounded("sockets", values.sockets, couriers);
  const minutes = bounded("minutes", values.minutes, MAX_MINUTES);
  return { minutes, couriers, sockets, seed: Number(values.seed) };
}

function bounded(name: string, text: string, max: number): number {
  const value = Number(text);
  if (value > 0 && value <= max) return value;
  throw new Error(`--${name} must be > 0 and <= ${max}: it is ${text}`);
}

/** How many files a process may have open (proc(5), limits); children have the same. */
async function maxFiles(): Promise<number> {
  const limits = await Deno.readTextFile("/proc/self/limits");
  return Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? 1_024);
}

/** Opens the sockets, and says what so many cost. */
async function connectAll(world: SoakWorld, { couriers, sockets }: Options): Promise<void> {
  const { pids } = world;
  const names = { ingest: pids.ours["ingest"] ?? 0, phones: pids.phones["phones"] ?? 0 };
  const memory = async () => ({
    ingest: await residentMb(names.ingest),
    phones: await residentMb(names.phones),
  });
  const before = await memory();
  const cpuBefore = await cpuOf(names);
  const startedMs = performance.now();
  await world.connect();
  const after = await memory();
  const cpuAfter = await cpuOf(names);
  const cpuMs = (name: string) =>
    ((cpuAfter.get(name) ?? 0) - (cpuBefore.get(name) ?? 0)) * 1_000 / sockets;
  const kb = (name: "ingest" | "phones") => (after[name] - before[name]) * 1_024 / sockets;
  console.log(
    `${sockets} of ${couriers} phones have a WebSocket, the others post. Opened in ${
      ((performance.now() - startedMs) / 1_000).toFixed(1)
    } s; each costs ingest ${kb("ingest").toFixed(1)} KB and ${
      cpuMs("ingest").toFixed(2)
    } ms of CPU, the phones' process ${kb("phones").toFixed(1)} KB and ${
      cpuMs("phones").toFixed(2)
    } ms`,
  );
}

async function measureQuiet(world: SoakWorld, endMs: number, stop: AbortSignal): Promise<Quiet> {
  const pids = { ...world.pids.ours, ...world.pids.stores, ...world.pids.phones };
  const samples = new Map(Object.keys(pids).map((name) => [name, [] as Sample[]]));
  await world.phonesFigures();
  await world.readerFigures();
  const before = await cpuOf(pids);
  const startedMs = performance.now();
  let last = before;
  let lastMs = startedMs;
  while (performance.now() < endMs && !stop.aborted) {
    await pause(Math.min(SAMPLE_MS, Math.max(1, endMs - performance.now())), stop);
    const atMs = performance.now();
    for (const [name, pid] of Object.entries(pids)) {
      samples.get(name)?.push({ atMs, mb: await residentMb(pid) });
    }
    const now = await cpuOf(pids);
    tellSample({ before: last, after: now, seconds: (atMs - lastMs) / 1_000 }, samples);
    last = now;
    lastMs = atMs;
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  return {
    seconds,
    cores: coresOf(before, last, seconds),
    memory: Object.fromEntries([...samples].map(([name, some]) => [name, trendOf(some)])),
    phones: await world.phonesFigures(),
    reader: await world.readerFigures(),
  };
}

type Cpu = ReadonlyMap<string, number>;

function coresOf(before: Cpu, after: Cpu, seconds: number): Record<string, number> {
  return Object.fromEntries(
    [...after].map((
      [name, cpuS],
    ) => [name, rounded((cpuS - (before.get(name) ?? 0)) / seconds, 3)]),
  );
}

function tellSample(
  { before, after, seconds }: { before: Cpu; after: Cpu; seconds: number },
  samples: ReadonlyMap<string, readonly Sample[]>,
): void {
  const cores = coresOf(before, after, seconds);
  const parts = [...samples].map(([name, some]) => `${name} ${cores[name]} ${some.at(-1)?.mb} MB`);
  console.log(`  cores and memory: ${parts.join(", ")}`);
}

interface Run {
  readonly faults: readonly FaultOutcome[];
  readonly disturbed: ReaderFigures;
  readonly quiet: Quiet;
  readonly ledger: Ledger;
  readonly rebuild: RebuildOutcome;
  readonly behindInPostgres: number;
}

async function run(world: SoakWorld, options: Options, stop: AbortSignal): Promise<Run> {
  await connectAll(world, options);
  await world.go();
  const startedMs = performance.now();
  const durationMs = options.minutes * 60_000;
  const until = async (part: number) => {
    await pause(Math.max(0, startedMs + part * durationMs - performance.now()), stop);
    stop.throwIfAborted();
  };
  await until(KILL_AT);
  console.log(`before the faults: ${told(await world.phonesFigures())}`);
  const faults = [await killIngest(world)];
  console.log(JSON.stringify(faults[0]));
  await until(RESTART_AT);
  console.log(`until Redis is restarted: ${told(await world.phonesFigures())}`);
  faults.push(await restartRedis(world));
  console.log(JSON.stringify(faults[1]));
  await until(QUIET_AT);
  console.log(`until it is quiet: ${told(await world.phonesFigures())}`);
  const disturbed = await world.readerFigures();
  const quiet = await measureQuiet(world, startedMs + durationMs, stop);
  stop.throwIfAborted();
  console.log(`the quiet part: ${told(quiet.phones)}; CPU pressure ${await cpuPressure()}`);
  const ledger = await checkLedger(world);
  console.log(JSON.stringify(ledger));
  await world.resume();
  await pause(2 * PERIOD_MS, stop);
  const rebuild = await loseRedis(world);
  console.log(JSON.stringify(rebuild));
  await settle(world);
  // It writes the last positions of all as it ends.
  await world.stopIngest();
  const newest = await world.newestAcknowledged();
  const behind = await behindInPostgres(world.sql, { senders: world.senders, newest });
  return { faults, disturbed, quiet, ledger, rebuild, behindInPostgres: behind.length };
}

function told({ outcomes, ...figures }: PhonesFigures): string {
  return JSON.stringify({ ...figures, ...outcomes });
}

const rounded = (value: number, digits = 0) => Number(value.toFixed(digits));

async function conclude(options: Options, result: Run): Promise<void> {
  const { quiet, faults, disturbed, ledger, rebuild } = result;
  const { phones, reader, cores, memory } = quiet;
  const sum = (names: readonly string[]) =>
    rounded(names.reduce((total, name) => total + (cores[name] ?? 0), 0), 2);
  const unfinished = Object.values(ledger.unfinished).reduce((total, count) => total + count, 0);
  const lost = ledger.lostInRedis + ledger.lostOnStream + ledger.lostInHistory +
    result.behindInPostgres +
    faults.reduce((total, fault) => total + fault.lost, 0);
  console.log(JSON.stringify({
    bench: "ingest-soak",
    ...options,
    rate_per_s: rounded(phones.fixes / quiet.seconds),
    quiet_seconds: rounded(quiet.seconds),
    cores_ours: sum(["ingest", "keeper", "tracker", "reader"]),
    cores_stores: sum(["redis", "postgres"]),
    cores,
    memory_mb: memory,
    visible_p50_ms: reader.p50Ms,
    visible_p99_ms: reader.p99Ms,
    visible_max_ms: reader.maxMs,
    visible_p99_ms_with_faults: disturbed.p99Ms,
    visible_max_ms_with_faults: disturbed.maxMs,
    ack_p50_ms: phones.ackP50Ms,
    ack_p99_ms: phones.ackP99Ms,
    generator_lag_p99_ms: phones.lagP99Ms,
    generator_lag_max_ms: phones.lagMaxMs,
    generator_post_wait_p99_ms: phones.postWaitP99Ms,
    generator_post_wait_max_ms: phones.postWaitMaxMs,
    acknowledged: ledger.acknowledged,
    lost,
    lost_in_redis: ledger.lostInRedis,
    lost_on_stream: ledger.lostOnStream,
    unfinished: ledger.unfinished,
    lost_in_history: ledger.lostInHistory,
    lost_in_postgres: result.behindInPostgres,
    faults,
    rebuild,
    outcomes: phones.outcomes,
    machine: await describeMachine(),
  }));
  if (lost + unfinished > 0) Deno.exitCode = 1;
}

async function bench(
  stores: BenchStores,
  sendersFile: string,
  { options, stop }: { readonly options: Options; readonly stop: AbortSignal },
): Promise<void> {
  const { minutes, sockets, seed } = options;
  const maxSlots = Math.ceil((minutes * 60 + SPARE_S) * 1_000 / PERIOD_MS);
  // All are there at half of the time before the first fault.
  const rampSlots = Math.max(1, Math.floor(KILL_AT / 2 * minutes * 60_000 / PERIOD_MS));
  const soak = { sendersFile, sockets, maxSlots, rampSlots, seed, isBusy };
  const world = await SoakWorld.start(stores, soak);
  try {
    await conclude(options, await run(world, options, stop));
  } finally {
    await world.stop();
  }
}

const options = await readOptions();
const wishes = listenForStop();
await withBenchStores(
  "ingest-soak",
  wishes.stop,
  (stores) =>
    withCouriers(
      stores.databaseUrl,
      options.couriers,
      (sendersFile) => bench(stores, sendersFile, { options, stop: wishes.stop }),
      isBusy,
    ),
);
wishes.dispose();
