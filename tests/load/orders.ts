/**
 * `deno task bench:orders`: orders placed over HTTP with all their checks, beside Express and pg.
 *
 * Ours is the gateway as its task starts it, with every limit on. Both sides have one process, ten
 * connections and the same durable Postgres (every commit waits for the disk); distances are
 * straight lines on both, because the yardstick knows no streets. The load is an open loop.
 *
 * Capacity: far more orders are offered than can be taken; what is taken counts, and the CPU time
 * of server and stores meanwhile. The sides run in turn, some rounds; the median round counts.
 * Latency: 700 orders/s (a peak of 35/s, times 20) from the moment each was meant to be sent.
 */
import { connectSql, type Sql } from "shared/sql/connect.ts";
import { freePort } from "../../deploy/local/ports.ts";
import { listenForStop } from "../../deploy/local/stop_signals.ts";
import { BenchProcess } from "./harness/bench_process.ts";
import { type BenchStores, withBenchStores } from "./harness/bench_stores.ts";
import { cpuSecondsOf } from "./harness/cpu_time.ts";
import { cpuPressure, describeMachine } from "./harness/machine.ts";
import type { LoopOutcome } from "./harness/open_loop.ts";
import { ServerProcess } from "./harness/server_process.ts";
import { type GeneratorSettings, type Menu, ORDERS_PER_CUSTOMER, seed } from "./orders/work.ts";

const ROUNDS = 3;
/** What no side can take. */
const OVERLOAD_PER_S = 6_000;
const PEAK_PER_S = 700;
// Neither side is measured while its code is still being compiled: the first seconds of a process
// cost twice what the later ones do, on either.
const CAPACITY = { ratePerS: OVERLOAD_PER_S, seconds: 15, warmUpS: 9, maxOutstanding: 256 };
const LATENCY = { ratePerS: PEAK_PER_S, seconds: 26, warmUpS: 9, maxOutstanding: 5_000 };
const RUN_TIMEOUT_MS = 90_000;
const READY_TIMEOUT_MS = 30_000;

/** Orders of a run at most: what is offered, or a rate that nobody reaches here. */
const MAX_TAKEN_PER_S = 3_500;
const customersOf = ({ ratePerS, seconds }: { ratePerS: number; seconds: number }) =>
  Math.ceil(Math.min(ratePerS * 1.2, MAX_TAKEN_PER_S) * seconds / ORDERS_PER_CUSTOMER);
const CUSTOMERS = ROUNDS * 2 * customersOf(CAPACITY) + 2 * customersOf(LATENCY);

type SideName = "hexmile" | "express";

interface Server {
  readonly pid: number;
  stop(): Promise<void>;
}

interface GeneratorReport extends LoopOutcome {
  readonly placed: number;
  readonly mismatches: number;
  readonly refused: Readonly<Record<string, number>>;
}

interface Outcome extends GeneratorReport {
  readonly cpuUsPerOrder: Readonly<Record<string, number>>;
  /** Of the load itself, which counts for nobody but takes from both. */
  readonly generatorUsPerOrder: number;
  readonly lost: number;
  readonly duplicate: number;
}

async function startServer(side: SideName, stores: BenchStores, port: number): Promise<Server> {
  const { databaseUrl, redisUrl } = stores;
  if (side === "express") {
    const file = new URL("./peers/express_orders.ts", import.meta.url);
    const peer = new BenchProcess("express", file, { databaseUrl, port });
    await peer.message("ready", READY_TIMEOUT_MS);
    return peer;
  }
  return await ServerProcess.start("gateway", port, {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    SECRET_KEY: "a secret of the bench that opens nothing else",
    // Its streets are loaded but not asked: the orders are in a region without any.
    CITIES: "data/gridtown",
    LOG_LEVEL: "warn",
  });
}

type Load = Pick<GeneratorSettings, "ratePerS" | "seconds" | "warmUpS" | "maxOutstanding">;

/** The stage: stores, menus, and customers who have not ordered yet. */
class Stage {
  readonly #stores: BenchStores;
  readonly #sql: Sql;
  readonly #menus: readonly Menu[];
  #nextCustomer = 0;
  #runs = 0;

  constructor(stores: BenchStores, sql: Sql, menus: readonly Menu[]) {
    this.#stores = stores;
    this.#sql = sql;
    this.#menus = menus;
  }

  async run(side: SideName, load: Load): Promise<Outcome> {
    const port = freePort();
    const run = `${side}-${++this.#runs}`;
    const customers = customersOf(load);
    const firstCustomer = this.#nextCustomer;
    this.#nextCustomer += customers;
    const server = await startServer(side, this.#stores, port);
    const file = new URL("./orders/generator.ts", import.meta.url);
    const settings = { ...load, port, menus: this.#menus, firstCustomer, customers, run };
    const generator = new BenchProcess("generator", file, settings satisfies GeneratorSettings);
    try {
      await generator.message("ready", READY_TIMEOUT_MS);
      await generator.go();
      await generator.message("warm", RUN_TIMEOUT_MS);
      const pids = { ...this.#stores.pids, [side]: server.pid, generator: generator.pid };
      const before = await cpuByName(pids);
      const sinceMs = performance.now();
      const done = generator.message("done", RUN_TIMEOUT_MS);
      await Promise.race([done, pause((load.seconds - load.warmUpS) * 1_000)]);
      const after = await cpuByName(pids);
      const countedS = (performance.now() - sinceMs) / 1_000;
      const report = (await done).data as GeneratorReport;
      const orders = report.completedPerS * countedS;
      const usOf = (name: string) =>
        Math.round(1e6 * ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / orders);
      const servers = Object.keys(pids).filter((name) => name !== "generator");
      return {
        ...report,
        cpuUsPerOrder: Object.fromEntries(servers.map((name) => [name, usOf(name)])),
        generatorUsPerOrder: usOf("generator"),
        ...await this.#check(run, report.placed),
      };
    } finally {
      await generator.stop();
      await server.stop();
    }
  }

  /** Every order that was answered is there, once, with its key. */
  async #check(run: string, placed: number): Promise<{ lost: number; duplicate: number }> {
    const [row] = await this.#sql<{ orders: number; keys: number }[]>`
      select (select count(*)::int from orders where note = ${run}) as orders,
        (select count(*)::int from idempotency where key like ${`${run}-%`} and status = 201) as keys`;
    const { orders = 0, keys = 0 } = row ?? {};
    return {
      lost: Math.max(0, placed - Math.min(orders, keys)),
      duplicate: Math.max(0, orders - keys),
    };
  }
}

async function cpuByName(pids: Readonly<Record<string, number>>): Promise<Map<string, number>> {
  const entries = Object.entries(pids).map(async ([name, pid]) =>
    [name, await cpuSecondsOf([pid])] as const
  );
  return new Map(await Promise.all(entries));
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const cpuUs = ({ cpuUsPerOrder }: Outcome) =>
  Object.values(cpuUsPerOrder).reduce((sum, us) => sum + us, 0);
const rounded = (value: number, digits = 0) => Number(value.toFixed(digits));

function median(outcomes: readonly Outcome[], value: (outcome: Outcome) => number): number {
  const sorted = outcomes.map(value).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

async function tell(what: string, side: SideName, outcome: Outcome): Promise<Outcome> {
  const { completedPerS, p50Ms, p99Ms, maxMs, lagP99Ms, refused, lost, duplicate } = outcome;
  const parts = Object.entries(outcome.cpuUsPerOrder).map(([name, us]) => `${name} ${us}`);
  console.log(
    `${what.padEnd(8)} ${side.padEnd(8)} ${rounded(completedPerS)}/s, p50 ${
      rounded(p50Ms, 1)
    } ms, ` +
      `p99 ${rounded(p99Ms, 1)} ms, worst ${rounded(maxMs)} ms (generator late by ` +
      `${rounded(lagP99Ms, 1)} ms p99), lost ${lost}, duplicate ${duplicate}, ` +
      `mismatches ${outcome.mismatches}, refused ${JSON.stringify(refused)}\n` +
      `         CPU us per order: ${cpuUs(outcome)} (${
        parts.join(", ")
      }), of the load ${outcome.generatorUsPerOrder}; CPU pressure ${await cpuPressure()}`,
  );
  return outcome;
}

async function bench(stores: BenchStores, sql: Sql, stop: AbortSignal): Promise<void> {
  const startedMs = performance.now();
  const stage = new Stage(stores, sql, await seed(sql, CUSTOMERS));
  const outcomes: Record<SideName, Outcome[]> = { hexmile: [], express: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of ["hexmile", "express"] as const) {
      stop.throwIfAborted();
      outcomes[side].push(await tell("capacity", side, await stage.run(side, CAPACITY)));
    }
  }
  const latency = await tell("latency", "hexmile", await stage.run("hexmile", LATENCY));
  stop.throwIfAborted();
  const peerLatency = await tell("latency", "express", await stage.run("express", LATENCY));
  const { hexmile, express } = outcomes;
  const all = [...hexmile, ...express, latency, peerLatency];
  const sum = (of: "lost" | "duplicate" | "mismatches") =>
    all.reduce((total, outcome) => total + outcome[of], 0);
  const rate = ({ completedPerS }: Outcome) => completedPerS;
  console.log(JSON.stringify({
    bench: "orders",
    rate_per_s: rounded(median(hexmile, rate)),
    peer_rate_per_s: rounded(median(express, rate)),
    ratio_wall: rounded(median(hexmile, rate) / median(express, rate), 2),
    ratio_cpu: rounded(median(express, cpuUs) / median(hexmile, cpuUs), 2),
    cpu_us_per_order: median(hexmile, cpuUs),
    peer_cpu_us_per_order: median(express, cpuUs),
    offered_per_s: PEAK_PER_S,
    taken_per_s: rounded(latency.completedPerS),
    p50_ms: rounded(latency.p50Ms, 1),
    p99_ms: rounded(latency.p99Ms, 1),
    peer_p99_ms: rounded(peerLatency.p99Ms, 1),
    generator_lag_p99_ms: rounded(latency.lagP99Ms, 1),
    lost: sum("lost"),
    duplicate: sum("duplicate"),
    mismatches: sum("mismatches"),
    seconds: rounded((performance.now() - startedMs) / 1_000, 1),
    machine: await describeMachine(),
    cpu_pressure: await cpuPressure(),
  }));
}

const wishes = listenForStop();
await withBenchStores("orders", wishes.stop, async (stores) => {
  const sql = connectSql(stores.databaseUrl, {
    applicationName: "bench",
    max: 3,
    queryTimeoutMs: 60_000,
  });
  try {
    await bench(stores, sql, wishes.stop);
  } finally {
    await sql.end({ timeout: 5 });
  }
});
wishes.dispose();
