/**
 * `deno task bench:ingest-batch`: batches of positions over HTTP, with every check and limit on.
 *
 * Ours: the ingest service as it is, posted batches of 100 and of 20 points (the median round of
 * 100 counts; with 20 five times as many couriers are written for the same fixes). The limit: a
 * process that only writes to Redis what the same fixes of the same couriers need at least, and once
 * what as many fixes need of which each is another courier's. Same Redis, which flushes its file
 * each second. In turn, some rounds, each after a warm-up.
 */
import { listenForStop } from "../../deploy/local/stop_signals.ts";
import { BenchProcess } from "./harness/bench_process.ts";
import { type BenchStores, withBenchStores } from "./harness/bench_stores.ts";
import { cpuSecondsOf } from "./harness/cpu_time.ts";
import { cpuPressure, describeMachine } from "./harness/machine.ts";
import {
  type LoadRun,
  median,
  type Outcome,
  ratePerCpuS,
  ratePerS,
  rounded,
  runLoad,
  tellRun,
} from "./ingest/run_load.ts";
import { withCouriers } from "./ingest/seed.ts";
import type { LimitSettings } from "./ingest/settings.ts";

const ROUNDS = 3;
/** One batch each: a hundred points are nearly all that the limit lets through at once. */
const COURIERS = 6_000;
const CONNECTIONS = 32;
const FIXES = 600_000;
const BATCHES = [100, 20] as const;
const TIMEOUT_MS = 60_000;

const at = (path: string) => new URL(path, import.meta.url);

interface LimitOutcome {
  readonly fixes: number;
  readonly seconds: number;
  readonly cpuS: number;
}

function oursOf(sendersFile: string, points: number): LoadRun {
  const load = {
    path: "/api/v1/courier/locations",
    tellsDriver: false,
    sendersFile,
    connections: CONNECTIONS,
    points,
    requests: Math.min(FIXES / points, COURIERS * Math.floor(100 / points)),
    ratePerS: 0,
  };
  return { name: "hexmile", server: "ingest", load };
}

async function runLimit(stores: BenchStores, points: number): Promise<LimitOutcome> {
  const settings: LimitSettings = {
    redisUrl: stores.redisUrl,
    prefix: `limit-${crypto.randomUUID().slice(0, 8)}:`,
    couriers: COURIERS,
    points,
    fixes: FIXES,
  };
  const limit = new BenchProcess("limit", at("./peers/redis_limit.ts"), settings);
  try {
    await limit.message("ready", TIMEOUT_MS);
    const pids = [...Object.values(stores.pids), limit.pid];
    const before = await cpuSecondsOf(pids);
    await limit.go();
    const started = await limit.message("started", TIMEOUT_MS);
    const done = await limit.message("done", TIMEOUT_MS);
    const cpuS = await cpuSecondsOf(pids) - before;
    const outcome = { fixes: done.count, seconds: (done.atMs - started.atMs) / 1_000, cpuS };
    console.log(
      `limit     ${outcome.fixes} fixes in ${outcome.seconds.toFixed(2)} s: ` +
        `${rounded(ratePerS(outcome))}/s, ${
          rounded(1e6 / ratePerCpuS(outcome), 1)
        } us CPU per fix; ` +
        `CPU pressure ${await cpuPressure()}`,
    );
    return outcome;
  } finally {
    await limit.stop();
  }
}

async function bench(
  stores: BenchStores,
  sendersFile: string,
  stop: AbortSignal,
): Promise<void> {
  const startedMs = performance.now();
  const figures: Record<string, number> = {};
  for (const points of BATCHES) {
    const ours: Outcome[] = [];
    const limits: LimitOutcome[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      stop.throwIfAborted();
      console.log(`batches of ${points}, round ${round + 1}:`);
      ours.push(await tellRun("hexmile", await runLoad(stores, oursOf(sendersFile, points))));
      limits.push(await runLimit(stores, points));
    }
    const name = points === BATCHES[0] ? "" : `_of_${points}`;
    const rate = median(ours, ratePerS);
    const sent = ours.reduce((sum, { fixes, refused }) => sum + fixes + refused * points, 0);
    figures[`rate_per_s${name}`] = rounded(rate);
    figures[`limit_rate_per_s${name}`] = rounded(median(limits, ratePerS));
    figures[`ratio_limit${name}`] = rounded(rate / median(limits, ratePerS), 2);
    figures[`ratio_cpu${name}`] = rounded(
      median(ours, ratePerCpuS) / median(limits, ratePerCpuS),
      2,
    );
    figures[`cpu_us_per_fix${name}`] = rounded(1e6 / median(ours, ratePerCpuS), 1);
    const accepted = ours.reduce((sum, { fixes }) => sum + fixes, 0);
    figures[`accepted_share${name}`] = rounded(accepted / sent, 4);
    figures[`p50_ms${name}`] = rounded(median(ours, ({ p50Ms }) => p50Ms), 1);
    figures[`p99_ms${name}`] = rounded(median(ours, ({ p99Ms }) => p99Ms), 1);
  }
  console.log("the limit where each fix is another courier's:");
  const apart = await runLimit(stores, 1);
  console.log(JSON.stringify({
    bench: "ingest-batch",
    ...figures,
    limit_rate_per_s_of_1: rounded(ratePerS(apart)),
    seconds: rounded((performance.now() - startedMs) / 1_000),
    machine: await describeMachine(),
  }));
}

const wishes = listenForStop();
await withBenchStores(
  "ingest-batch",
  wishes.stop,
  (stores) =>
    withCouriers(
      stores.databaseUrl,
      COURIERS,
      (sendersFile) => bench(stores, sendersFile, wishes.stop),
    ),
);
wishes.dispose();
