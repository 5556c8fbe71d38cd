/**
 * `deno task bench:history`: the stage that samples positions into Postgres.
 *
 * 30,000 couriers with a fix every three seconds, a third of them carrying; entries as ingest's script
 * writes them. First at the rate they come, for the CPU it takes (the stage's and Postgres's; Redis's
 * is shared with the producer and told apart from it by nobody, so it is given as it is). Then a
 * backlog, for how fast a stage that was away catches up. `lost` compares what was sent with what
 * Postgres says was sampled.
 */
import { connectSql, type Sql } from "shared/sql/connect.ts";
import { listenForStop } from "../../deploy/local/stop_signals.ts";
import { BenchProcess } from "./harness/bench_process.ts";
import { type BenchStores, withBenchStores } from "./harness/bench_stores.ts";
import { cpuSecondsOf } from "./harness/cpu_time.ts";
import { cpuPressure, describeMachine } from "./harness/machine.ts";
import { type BenchCouriers, type HistorySettings, type StageFigures } from "./history/settings.ts";
import { withCouriers } from "./ingest/seed.ts";
import type { Sender } from "./ingest/settings.ts";

const COURIERS = 30_000;
const CARRYING = 10_000;
const RATE_PER_S = 10_000;
/** 45 s at the rate. */
const PACED_FIXES_EACH = 15;
const BACKLOG_FIXES_EACH = 20;
const TIMEOUT_MS = 90_000;

const at = (path: string) => new URL(path, import.meta.url);

interface Outcome {
  readonly fixes: number;
  readonly seconds: number;
  /** By process, in seconds. */
  readonly cpuS: Readonly<Record<string, number>>;
  readonly stage: StageFigures;
  /** Fixes that were sent and that no committed batch has counted. */
  readonly lost: number;
}

async function run(
  stores: BenchStores,
  sql: Sql,
  couriersFile: string,
  { ratePerS, fixesEach }: { ratePerS: number; fixesEach: number },
): Promise<Outcome> {
  await sql`truncate courier_positions, position_progress, leases`;
  const { databaseUrl, redisUrl } = stores;
  const prefix = `bench-${crypto.randomUUID().slice(0, 8)}:`;
  const settings: HistorySettings = {
    databaseUrl,
    redisUrl,
    prefix,
    couriersFile,
    ratePerS,
    fixesEach,
  };
  const producer = new BenchProcess("producer", at("./history/producer.ts"), settings);
  let stage: BenchProcess | undefined;
  try {
    await producer.message("ready", TIMEOUT_MS);
    if (ratePerS === 0) {
      await producer.go();
      await producer.message("done", TIMEOUT_MS);
    }
    stage = new BenchProcess("stage", at("./history/stage.ts"), settings);
    await stage.message("ready", TIMEOUT_MS);
    const pids = { ...stores.pids, stage: stage.pid };
    const before = await cpuByName(pids);
    const startedMs = Date.now();
    if (ratePerS > 0) await producer.go();
    const done = await stage.message("done", TIMEOUT_MS);
    const after = await cpuByName(pids);
    const [progress] = await sql<{ fixes: number }[]>`
      select fixes::int from position_progress`;
    return {
      fixes: done.count,
      seconds: (done.atMs - startedMs) / 1_000,
      cpuS: Object.fromEntries(
        Object.keys(pids).map((name) => [name, (after.get(name) ?? 0) - (before.get(name) ?? 0)]),
      ),
      stage: done.data as StageFigures,
      lost: COURIERS * fixesEach - (progress?.fixes ?? 0),
    };
  } finally {
    await stage?.stop();
    await producer.stop();
  }
}

async function cpuByName(pids: Readonly<Record<string, number>>): Promise<Map<string, number>> {
  const entries = Object.entries(pids).map(async ([name, pid]) =>
    [name, await cpuSecondsOf([pid])] as const
  );
  return new Map(await Promise.all(entries));
}

function told(name: string, { fixes, seconds, cpuS, stage }: Outcome): void {
  const us = Object.entries(cpuS).map(([process, s]) =>
    `${process} ${(1e6 * s / fixes).toFixed(1)} us`
  );
  console.log(
    `${name}: ${fixes} fixes in ${seconds.toFixed(1)} s, ${stage.rows} rows, lag at most ` +
      `${stage.maxLagS.toFixed(1)} s, ${stage.rssMb} MB; CPU per fix: ${us.join(", ")}`,
  );
}

async function bench(stores: BenchStores, sql: Sql, couriersFile: string): Promise<void> {
  const paced = await run(stores, sql, couriersFile, {
    ratePerS: RATE_PER_S,
    fixesEach: PACED_FIXES_EACH,
  });
  told("paced", paced);
  const backlog = await run(stores, sql, couriersFile, {
    ratePerS: 0,
    fixesEach: BACKLOG_FIXES_EACH,
  });
  told("backlog", backlog);
  const cores = (name: string) => (paced.cpuS[name] ?? 0) / paced.seconds;
  const us = (name: string) => 1e6 * (paced.cpuS[name] ?? 0) / paced.fixes;
  const rounded = (value: number, digits: number) => Number(value.toFixed(digits));
  console.log(JSON.stringify({
    bench: "history",
    rate_per_s: Math.round(paced.fixes / paced.seconds),
    cores: rounded(cores("stage") + cores("postgres"), 3),
    cores_stage: rounded(cores("stage"), 3),
    cores_postgres: rounded(cores("postgres"), 3),
    cpu_us_per_fix: rounded(us("stage") + us("postgres"), 1),
    rows_per_s: Math.round(paced.stage.rows / paced.seconds),
    max_lag_s: rounded(paced.stage.maxLagS, 1),
    backlog_rate_per_s: Math.round(backlog.fixes / backlog.seconds),
    lost: paced.lost + backlog.lost,
    pressure: await cpuPressure(),
    machine: await describeMachine(),
  }));
}

const isCarrying = (courier: number) => courier < CARRYING;

const wishes = listenForStop();
await withBenchStores("history", wishes.stop, async (stores) => {
  await withCouriers(stores.databaseUrl, COURIERS, async (sendersFile) => {
    const senders = JSON.parse(await Deno.readTextFile(sendersFile)) as Sender[];
    const ids = senders.map(({ id }) => id);
    const carrying = ids.filter((_, courier) => isCarrying(courier));
    await Deno.writeTextFile(
      sendersFile,
      JSON.stringify({ ids, carrying } satisfies BenchCouriers),
    );
    const sql = connectSql(stores.databaseUrl, { applicationName: "bench", max: 2 });
    try {
      await bench(stores, sql, sendersFile);
    } finally {
      await sql.end({ timeout: 5 });
    }
  }, isCarrying);
});
wishes.dispose();
