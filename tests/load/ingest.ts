/**
 * `deno task bench:ingest`: single fixes over HTTP, acknowledged after Redis has them.
 *
 * Ours: the ingest service as it is (sessions, limit, cleaning, index, stream). Yardstick: Express on
 * Node (on Deno where there is no Node; the last line says which) with GEOADD, HSET and PUBLISH for
 * each request, without sessions, limit or checks. Beside it the same Express that does the same
 * useful work, a look at the session and a limit, and the limit: the least that a server of our
 * runtime can do to be able to answer so. Same servers: Redis flushes its file each second. They run
 * in turn, some rounds, each after a warm-up; the median round counts. The load keeps its
 * connections and sends the next request when one is answered; then ours and the yardstick once at
 * a fixed rate, for their latencies. CPU is that of all processes of a side, Redis and Postgres
 * included, the load's not.
 */
import { listenForStop } from "../../deploy/local/stop_signals.ts";
import { type BenchStores, withBenchStores } from "./harness/bench_stores.ts";
import { describeMachine } from "./harness/machine.ts";
import { type Program, withNodeProgram } from "./harness/node_program.ts";
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

const ROUNDS = 3;
/** As many as the product is made for: each then sends every few seconds, as phones do. */
const COURIERS = 30_000;
/** Phones have a connection each. With few of them, all that is measured is how long an answer takes. */
const CONNECTIONS = 512;
const OUR_REQUESTS = 200_000;
const PEER_REQUESTS = 40_000;
/** What the yardstick can do with some ease, so that its latencies are not those of a queue. */
const FIXED_RATE_PER_S = 2_000;
const FIXED_REQUESTS = 12_000;

const at = (path: string) => new URL(path, import.meta.url);

/** The sides, as fast as they can. */
interface Sides {
  readonly ours: LoadRun;
  readonly peer: LoadRun;
  /** The yardstick with a session and a limit. */
  readonly checking: LoadRun;
  readonly limit: LoadRun;
}

function sidesOf(program: Program, sendersFile: string): Sides {
  const common = { sendersFile, connections: CONNECTIONS, points: 1, ratePerS: 0 };
  const load = { ...common, path: "/api/v1/courier/location", tellsDriver: false };
  const peerLoad = { ...common, path: "/locations", tellsDriver: true, requests: PEER_REQUESTS };
  const peer: LoadRun = { name: "express", server: program, load: peerLoad };
  return {
    ours: { name: "hexmile", server: "ingest", load: { ...load, requests: OUR_REQUESTS } },
    peer,
    checking: { ...peer, name: "checking", checks: true },
    limit: {
      name: "limit",
      server: at("./peers/plain_ingest.ts"),
      load: { ...peerLoad, requests: OUR_REQUESTS },
    },
  };
}

/** The same at a fixed rate. */
function paced(run: LoadRun): LoadRun {
  return { ...run, load: { ...run.load, requests: FIXED_REQUESTS, ratePerS: FIXED_RATE_PER_S } };
}

async function bench(
  stores: BenchStores,
  { program, sendersFile, stop }: { program: Program; sendersFile: string; stop: AbortSignal },
): Promise<void> {
  const startedMs = performance.now();
  const run = async (load: LoadRun) => await tellRun(load.name, await runLoad(stores, load));
  const sides = sidesOf(program, sendersFile);
  const outcomes = { ours: [], peer: [], checking: [], limit: [] } as Record<
    keyof Sides,
    Outcome[]
  >;
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of ["ours", "peer", "checking", "limit"] as const) {
      stop.throwIfAborted();
      outcomes[side].push(await run(sides[side]));
    }
  }
  console.log(`at ${FIXED_RATE_PER_S} requests a second:`);
  const ours = await run(paced(sides.ours));
  const peer = await run(paced(sides.peer));
  const rate = (side: keyof Sides) => median(outcomes[side], ratePerS);
  const perCpuS = (side: keyof Sides) => median(outcomes[side], ratePerCpuS);
  const cpuUs = (side: keyof Sides) => rounded(1e6 / perCpuS(side), 1);
  console.log(JSON.stringify({
    bench: "ingest",
    rate_per_s: rounded(rate("ours")),
    peer_runtime: program.runtime,
    peer_rate_per_s: rounded(rate("peer")),
    ratio_wall: rounded(rate("ours") / rate("peer"), 2),
    ratio_cpu: rounded(perCpuS("ours") / perCpuS("peer"), 2),
    checking_peer_rate_per_s: rounded(rate("checking")),
    ratio_wall_checking: rounded(rate("ours") / rate("checking"), 2),
    ratio_cpu_checking: rounded(perCpuS("ours") / perCpuS("checking"), 2),
    limit_rate_per_s: rounded(rate("limit")),
    ratio_limit: rounded(rate("ours") / rate("limit"), 2),
    ratio_limit_cpu: rounded(perCpuS("ours") / perCpuS("limit"), 2),
    cpu_us_per_fix: cpuUs("ours"),
    peer_cpu_us_per_fix: cpuUs("peer"),
    checking_peer_cpu_us_per_fix: cpuUs("checking"),
    limit_cpu_us_per_fix: cpuUs("limit"),
    p50_ms: rounded(ours.p50Ms, 1),
    p99_ms: rounded(ours.p99Ms, 1),
    peer_p50_ms: rounded(peer.p50Ms, 1),
    peer_p99_ms: rounded(peer.p99Ms, 1),
    lost: outcomes.ours.reduce((sum, { refused }) => sum + refused, 0),
    seconds: rounded((performance.now() - startedMs) / 1_000),
    machine: await describeMachine(),
  }));
}

const wishes = listenForStop();
await withNodeProgram(
  at("./peers/express_locations.mjs"),
  ["express", "ioredis"],
  (program) =>
    withBenchStores(
      "ingest",
      wishes.stop,
      (stores) =>
        withCouriers(stores.databaseUrl, COURIERS, (sendersFile) =>
          bench(stores, { program, sendersFile, stop: wishes.stop })),
    ),
);
wishes.dispose();
