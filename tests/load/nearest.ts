/**
 * `deno task bench:nearest`: the 20 nearest of 30,000 couriers in 33 x 33 km while 10,000 move each
 * second.
 *
 * Ours: a process that holds the grid. Moves go through ingest's script; the process loads from
 * Redis and Postgres, follows the streams and searches. The yardstick: GEOSEARCH on the same Redis,
 * with as many moves by plain GEOADD. In turn, some rounds; the median counts. CPU is that of Redis,
 * Postgres and the process that searches, of both sides; the process that moves is load.
 */
import { connectSql } from "shared/sql/connect.ts";
import { listenForStop } from "../../deploy/local/stop_signals.ts";
import { BenchProcess, type Message } from "./harness/bench_process.ts";
import { type BenchStores, withBenchStores } from "./harness/bench_stores.ts";
import { cpuSecondsOf } from "./harness/cpu_time.ts";
import { cpuPressure, describeMachine } from "./harness/machine.ts";
import { median, rounded } from "./ingest/run_load.ts";
import { withCouriers } from "./ingest/seed.ts";
import {
  COURIERS,
  type LoadFigures,
  type MoverFigures,
  type MoverSettings,
  type Phase,
  RADIUS_M,
  type SearcherSettings,
  type SearchFigures,
} from "./nearest/settings.ts";

const ROUNDS = 3;
const MOVES_PER_S = 10_000;
const TIMEOUT_MS = 60_000;

const WARM: Phase = { kind: "search", radiusM: RADIUS_M, seconds: 1 };
const OURS: readonly Phase[] = [
  WARM,
  { kind: "search", radiusM: RADIUS_M, seconds: 4 },
  { kind: "search", radiusM: 1_000, seconds: 2 },
  { kind: "search", radiusM: 10_000, seconds: 2 },
  { kind: "search", radiusM: 10_000, seconds: 1, isRare: true },
  { kind: "check", radiusM: RADIUS_M, seconds: 2 },
  { kind: "visible", radiusM: RADIUS_M, seconds: 3 },
];
const PEERS: readonly Phase[] = [
  WARM,
  { kind: "search", radiusM: RADIUS_M, seconds: 4 },
  { kind: "search", radiusM: 1_000, seconds: 2 },
  { kind: "search", radiusM: 10_000, seconds: 2 },
];

const at = (path: string) => new URL(path, import.meta.url);

interface Measured extends SearchFigures {
  readonly count: number;
  readonly ratePerS: number;
  readonly ratePerCpuS: number;
}

interface Side {
  readonly phases: readonly Measured[];
  readonly load: LoadFigures | undefined;
  readonly moves: MoverFigures;
}

async function runSide(
  stores: BenchStores,
  couriersFile: string,
  side: "hexmile" | "redis",
): Promise<Side> {
  const { databaseUrl, redisUrl } = stores;
  const prefix = `nearest-${crypto.randomUUID().slice(0, 8)}:`;
  const isOurs = side === "hexmile";
  const phases = isOurs ? OURS : PEERS;
  const moving: MoverSettings = {
    redisUrl,
    prefix,
    couriersFile,
    by: isOurs ? "script" : "geoadd",
    movesPerS: MOVES_PER_S,
  };
  const mover = new BenchProcess("mover", at("./nearest/mover.ts"), moving);
  let searcher: BenchProcess | undefined;
  try {
    await mover.message("ready", TIMEOUT_MS);
    const searching: SearcherSettings = { databaseUrl, redisUrl, prefix, phases };
    const file = at(isOurs ? "./nearest/searcher.ts" : "./peers/redis_nearest.ts");
    searcher = new BenchProcess(side, file, searching);
    const ready = await searcher.message("ready", TIMEOUT_MS);
    if (ready.count !== COURIERS) throw new Error(`${side} has ${ready.count} couriers`);
    await mover.go();
    await mover.message("started", TIMEOUT_MS);
    const measured: Measured[] = [];
    for (const phase of phases) measured.push(await measure(stores, searcher, side, phase));
    const ended = mover.message("done", TIMEOUT_MS);
    await mover.stop();
    const load = ready.data as LoadFigures | undefined;
    return { phases: measured, load, moves: (await ended).data as MoverFigures };
  } finally {
    await searcher?.stop();
    await mover.stop();
  }
}

async function measure(
  stores: BenchStores,
  searcher: BenchProcess,
  side: string,
  phase: Phase,
): Promise<Measured> {
  const pids = [...Object.values(stores.pids), searcher.pid];
  await searcher.go();
  const started = await searcher.message("started", TIMEOUT_MS);
  const before = await cpuSecondsOf(pids);
  const done: Message = await searcher.message("done", TIMEOUT_MS);
  const cpuS = await cpuSecondsOf(pids) - before;
  const figures = done.data as SearchFigures;
  const ratePerS = done.count / (done.atMs - started.atMs) * 1_000;
  const name = `${phase.kind} ${phase.radiusM} m${phase.isRare ? ", one of 100" : ""}`;
  console.log(
    `${side.padEnd(8)} ${name.padEnd(24)} ${rounded(ratePerS)}/s, ` +
      `${rounded(1e6 * cpuS / done.count, 1)} us CPU each; us p50 ${shown(figures.p50Us)} ` +
      `p99 ${shown(figures.p99Us)} max ${shown(figures.maxUs)}; ` +
      `${rounded(figures.found / done.count, 1)} found; CPU pressure ${await cpuPressure()}`,
  );
  return { ...figures, count: done.count, ratePerS, ratePerCpuS: done.count / cpuS };
}

/** What a phase does not measure is null on its way through JSON. */
function shown(value: number | null): string {
  return value === null ? "-" : value.toFixed(1);
}

async function bench(stores: BenchStores, couriersFile: string, stop: AbortSignal) {
  const startedMs = performance.now();
  const ours: Side[] = [];
  const peers: Side[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    stop.throwIfAborted();
    console.log(`round ${round + 1}:`);
    for (const [side, sides] of [["hexmile", ours], ["redis", peers]] as const) {
      const one = await runSide(stores, couriersFile, side);
      const { movesPerS, refused, lagMs } = one.moves;
      const { loadMs = NaN, profilesMs = NaN } = one.load ?? {};
      console.log(
        `         moves ${rounded(movesPerS)}/s, refused ${refused}, lag ${rounded(lagMs)} ms; ` +
          `cold start ${rounded(loadMs)} ms (profiles ${rounded(profilesMs)} ms of it)`,
      );
      sides.push(one);
    }
  }
  console.log(JSON.stringify({
    bench: "nearest",
    ...figuresOf(ours, peers),
    seconds: rounded((performance.now() - startedMs) / 1_000),
    machine: await describeMachine(),
  }));
}

function figuresOf(ours: readonly Side[], peers: readonly Side[]) {
  const of = (sides: readonly Side[], phase: number, value: (one: Measured) => number) =>
    median(sides, (side) => value(side.phases[phase] as Measured));
  const rate = ({ ratePerS }: Measured) => ratePerS;
  const perCpu = ({ ratePerCpuS }: Measured) => ratePerCpuS;
  const p99Ms = ({ p99Us }: Measured) => p99Us / 1_000;
  const worst = (phase: number, value: (one: Measured) => number) =>
    Math.max(...ours.map((side) => value(side.phases[phase] as Measured)));
  const all = ours.flatMap(({ phases }) => phases);
  return {
    rate_per_s: rounded(of(ours, 1, rate)),
    peer_rate_per_s: rounded(of(peers, 1, rate)),
    ratio_wall: rounded(of(ours, 1, rate) / of(peers, 1, rate), 1),
    ratio_cpu: rounded(of(ours, 1, perCpu) / of(peers, 1, perCpu), 1),
    p50_ms: rounded(of(ours, 1, ({ p50Us }) => p50Us / 1_000), 4),
    p99_ms: rounded(of(ours, 1, p99Ms), 4),
    p99_ms_1km: rounded(of(ours, 2, p99Ms), 4),
    p99_ms_10km: rounded(of(ours, 3, p99Ms), 4),
    ratio_p99_10km_1km: rounded(of(ours, 3, p99Ms) / of(ours, 2, p99Ms), 2),
    p99_ms_10km_filtered: rounded(of(ours, 4, p99Ms), 4),
    max_ms: rounded(Math.max(...all.map(({ maxUs }) => maxUs || 0)) / 1_000, 1),
    pause_p99_ms: rounded(worst(1, ({ pauseP99Ms }) => pauseP99Ms), 1),
    pause_max_ms: rounded(worst(1, ({ pauseMaxMs }) => pauseMaxMs), 1),
    peer_p99_ms: rounded(of(peers, 1, p99Ms), 2),
    peer_p99_ms_1km: rounded(of(peers, 2, p99Ms), 2),
    peer_p99_ms_10km: rounded(of(peers, 3, p99Ms), 2),
    mismatches: all.reduce((sum, { mismatches }) => sum + (mismatches || 0), 0),
    checked: ours.reduce((sum, { phases }) => sum + (phases[5]?.count ?? 0), 0),
    visible_p50_ms: rounded(of(ours, 6, ({ visibleP50Ms }) => visibleP50Ms), 1),
    visible_p99_ms: rounded(worst(6, ({ visibleP99Ms }) => visibleP99Ms), 1),
    visible_max_ms: rounded(worst(6, ({ visibleMaxMs }) => visibleMaxMs), 1),
    rebuild_ms: rounded(Math.max(...ours.map(({ load }) => load?.loadMs ?? NaN))),
    moves_per_s: rounded(Math.min(...ours.map(({ moves }) => moves.movesPerS))),
  };
}

/** One courier of a hundred may carry medicine. */
async function trainSome(databaseUrl: string): Promise<void> {
  const sql = connectSql(databaseUrl, { applicationName: "bench", max: 1 });
  await sql`
    update couriers set skills = '{medicine}'
    where id in (select id from couriers order by md5(id::text) limit ${COURIERS / 100})`;
  await sql.end({ timeout: 5 });
}

const wishes = listenForStop();
await withBenchStores(
  "nearest",
  wishes.stop,
  (stores) =>
    withCouriers(stores.databaseUrl, COURIERS, async (couriersFile) => {
      await trainSome(stores.databaseUrl);
      await bench(stores, couriersFile, wishes.stop);
    }),
);
wishes.dispose();
