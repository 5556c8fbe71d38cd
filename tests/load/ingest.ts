/**
 * `deno task bench:ingest`: single fixes over HTTP, acknowledged after Redis has them.
 *
 * Ours: the ingest service as it is (sessions, limit, cleaning, index, stream). Yardstick: Express on
 * Node (on Deno where there is no Node; the last line says which) with GEOADD, HSET and PUBLISH for
 * each request, without sessions, limit or checks. Same servers:
 * Redis flushes its file each second. They run in turn, some rounds, each after a warm-up; the
 * median round counts. The load keeps its connections and sends the next request when one is
 * answered; then each side once at a fixed rate, for its latencies. CPU is that of all processes of
 * a side, Redis and Postgres included, the load's not.
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

function oursOf(sendersFile: string, requests: number, ratePerS: number): LoadRun {
  const path = "/api/v1/courier/location";
  const load = { path, tellsDriver: false, sendersFile, requests, ratePerS, ...COMMON };
  return { name: "hexmile", server: "ingest", load };
}

function peerOf(
  program: Program,
  sendersFile: string,
  requests: number,
  ratePerS: number,
): LoadRun {
  const load = {
    path: "/locations",
    tellsDriver: true,
    sendersFile,
    requests,
    ratePerS,
    ...COMMON,
  };
  return { name: "express", server: program, load };
}

const COMMON = { connections: CONNECTIONS, points: 1 };

async function bench(
  stores: BenchStores,
  { program, sendersFile, stop }: { program: Program; sendersFile: string; stop: AbortSignal },
): Promise<void> {
  const startedMs = performance.now();
  const run = async (load: LoadRun) => await tellRun(load.name, await runLoad(stores, load));
  const ours: Outcome[] = [];
  const peers: Outcome[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    stop.throwIfAborted();
    ours.push(await run(oursOf(sendersFile, OUR_REQUESTS, 0)));
    peers.push(await run(peerOf(program, sendersFile, PEER_REQUESTS, 0)));
  }
  console.log(`at ${FIXED_RATE_PER_S} requests a second:`);
  const paced = await run(oursOf(sendersFile, FIXED_REQUESTS, FIXED_RATE_PER_S));
  const peerPaced = await run(peerOf(program, sendersFile, FIXED_REQUESTS, FIXED_RATE_PER_S));
  console.log(JSON.stringify({
    bench: "ingest",
    rate_per_s: rounded(median(ours, ratePerS)),
    peer_runtime: program.runtime,
    peer_rate_per_s: rounded(median(peers, ratePerS)),
    ratio_wall: rounded(median(ours, ratePerS) / median(peers, ratePerS), 2),
    ratio_cpu: rounded(median(ours, ratePerCpuS) / median(peers, ratePerCpuS), 2),
    cpu_us_per_fix: rounded(1e6 / median(ours, ratePerCpuS), 1),
    peer_cpu_us_per_fix: rounded(1e6 / median(peers, ratePerCpuS), 1),
    p50_ms: rounded(paced.p50Ms, 1),
    p99_ms: rounded(paced.p99Ms, 1),
    peer_p50_ms: rounded(peerPaced.p50Ms, 1),
    peer_p99_ms: rounded(peerPaced.p99Ms, 1),
    lost: ours.reduce((sum, { refused }) => sum + refused, 0),
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
