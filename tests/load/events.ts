/**
 * `deno task bench:events`: events from a commit to one effect each, against BullMQ.
 *
 * Ours: a transaction changes an order and appends 10 events to the outbox; the relay moves them to
 * the stream; a consumer writes one effect row per event. Yardstick: the same change of the order,
 * `addBulk` of 10 jobs, a worker that writes the same row. Same servers, same durability: every
 * commit waits for the disk, Redis flushes each second. They run in turn, some rounds, each after a
 * warm-up in the same processes, and the median round counts. CPU is that of all processes of a side, Postgres and Redis included.
 *
 * Takeover: the process that holds events inside its handler is killed while another one stands by;
 * the time until every event has its effect.
 */
import { connectSql, type Sql } from "shared/sql/connect.ts";
import { listenForStop } from "../../deploy/local/stop_signals.ts";
import { clearTables, createTables, type WorkSettings } from "./events/work.ts";
import { BenchProcess } from "./harness/bench_process.ts";
import { type BenchStores, withBenchStores } from "./harness/bench_stores.ts";
import { cpuSecondsOf } from "./harness/cpu_time.ts";
import { cpuPressure, describeMachine } from "./harness/machine.ts";

const ROUNDS = 3;
/** Both take some seconds. */
const OUR_EVENTS = 40_000;
const PEER_EVENTS = 12_000;
/** Before each measurement, in the same processes. */
const WARM_UP_EVENTS = 5_000;
const TAKEOVER_EVENTS = 200;
const OUR_TAKEOVERS = 3;
const READY_TIMEOUT_MS = 20_000;
const ROUND_TIMEOUT_MS = 40_000;
const TAKEOVER_TIMEOUT_MS = 80_000;
const POLL_MS = 50;

/** One side of the comparison. */
interface Side {
  readonly name: "hexmile" | "bullmq";
  readonly effects: "bench_effects" | "bench_peer_effects";
  readonly producer: URL;
  readonly consumer: URL;
  /** What stands between the two. */
  readonly relay?: URL;
}

const at = (path: string) => new URL(path, import.meta.url);
const OURS: Side = {
  name: "hexmile",
  effects: "bench_effects",
  producer: at("./events/producer.ts"),
  consumer: at("./events/consumer.ts"),
  relay: at("./events/relay.ts"),
};
const PEER: Side = {
  name: "bullmq",
  effects: "bench_peer_effects",
  producer: at("./peers/bullmq_producer.ts"),
  consumer: at("./peers/bullmq_worker.ts"),
};

interface Outcome {
  readonly events: number;
  readonly seconds: number;
  readonly cpuS: number;
  /** The same by process, in microseconds per event. */
  readonly cpuUs: Readonly<Record<string, number>>;
  readonly lost: number;
  readonly duplicate: number;
}

/** Processes of one run, stopped in the end whatever happens. */
class Cast {
  readonly #stores: BenchStores;
  readonly #prefix = `bench-${crypto.randomUUID().slice(0, 8)}:`;
  readonly #events: number;
  readonly #warmUpEvents: number;
  readonly all: BenchProcess[] = [];

  constructor(stores: BenchStores, events: number, warmUpEvents = 0) {
    this.#stores = stores;
    this.#events = events;
    this.#warmUpEvents = warmUpEvents;
  }

  async start(file: URL, hold = false): Promise<BenchProcess> {
    const { databaseUrl, redisUrl } = this.#stores;
    const settings: WorkSettings = {
      databaseUrl,
      redisUrl,
      prefix: this.#prefix,
      warmUpEvents: this.#warmUpEvents,
      events: this.#events,
      owner: crypto.randomUUID(),
      hold,
    };
    const name = file.pathname.split("/").at(-1)?.replace(".ts", "") ?? "";
    const process = new BenchProcess(name, file, settings);
    this.all.push(process);
    await process.message("ready", READY_TIMEOUT_MS);
    return process;
  }

  pids(): Record<string, number> {
    return Object.fromEntries(this.all.map(({ name, pid }) => [name, pid]));
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((process) => process.stop()));
  }
}

async function cpuByName(pids: Readonly<Record<string, number>>): Promise<Map<string, number>> {
  const entries = Object.entries(pids).map(async ([name, pid]) =>
    [name, await cpuSecondsOf([pid])] as const
  );
  return new Map(await Promise.all(entries));
}

function total(cpuSByName: ReadonlyMap<string, number>): number {
  return [...cpuSByName.values()].reduce((sum, cpuS) => sum + cpuS, 0);
}

async function countEffects(sql: Sql, side: Side, expected: number) {
  const [row] = await sql<{ total: number; different: number }[]>`
    select count(*)::int as total, count(distinct event_id)::int as different
    from ${sql(side.effects)}`;
  const { total, different } = row ?? { total: 0, different: 0 };
  return { lost: expected - different, duplicate: total - different };
}

/** One run of a side: from the first change to the last effect. */
async function run(stores: BenchStores, sql: Sql, side: Side, events: number): Promise<Outcome> {
  await clearTables(sql, side.name);
  const cast = new Cast(stores, events, WARM_UP_EVENTS);
  try {
    const consumer = await cast.start(side.consumer);
    if (side.relay !== undefined) await cast.start(side.relay);
    const producer = await cast.start(side.producer);
    await consumer.message("warm", ROUND_TIMEOUT_MS);
    const named = { ...stores.pids, ...cast.pids() };
    const cpuBefore = await cpuByName(named);
    await producer.go();
    const started = await producer.message("started", READY_TIMEOUT_MS);
    const done = await consumer.message("done", ROUND_TIMEOUT_MS);
    const cpuAfter = await cpuByName(named);
    const cpuUs: Record<string, number> = {};
    for (const [name, cpuS] of cpuAfter) {
      cpuUs[name] = rounded(1e6 * (cpuS - (cpuBefore.get(name) ?? 0)) / events);
    }
    const cpuS = total(cpuAfter) - total(cpuBefore);
    const seconds = (done.atMs - started.atMs) / 1_000;
    return {
      events,
      seconds,
      cpuS,
      cpuUs,
      ...await countEffects(sql, side, WARM_UP_EVENTS + events),
    };
  } finally {
    await cast.stop();
  }
}

/** Kills the process that holds events; answers the seconds until each has its effect. */
async function takeOver(stores: BenchStores, sql: Sql, side: Side): Promise<Outcome> {
  await clearTables(sql, side.name);
  const cast = new Cast(stores, TAKEOVER_EVENTS);
  try {
    const owner = await cast.start(side.consumer, true);
    if (side.relay !== undefined) await cast.start(side.relay);
    const producer = await cast.start(side.producer);
    await producer.go();
    await owner.message("holding", READY_TIMEOUT_MS);
    await cast.start(side.consumer);
    await producer.message("done", READY_TIMEOUT_MS);
    const killedAtMs = performance.now();
    await owner.kill();
    const deadlineMs = killedAtMs + TAKEOVER_TIMEOUT_MS;
    let counts = await countEffects(sql, side, TAKEOVER_EVENTS);
    while (counts.lost > 0 && performance.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      counts = await countEffects(sql, side, TAKEOVER_EVENTS);
    }
    const seconds = (performance.now() - killedAtMs) / 1_000;
    return { events: TAKEOVER_EVENTS, seconds, cpuS: 0, cpuUs: {}, ...counts };
  } finally {
    await cast.stop();
  }
}

async function inTurn(times: number, work: () => Promise<Outcome>): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  while (outcomes.length < times) outcomes.push(await work());
  return outcomes;
}

function median(outcomes: readonly Outcome[], value: (outcome: Outcome) => number): number {
  const sorted = outcomes.map(value).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

const ratePerS = ({ events, seconds }: Outcome) => events / seconds;
const ratePerCpuS = ({ events, cpuS }: Outcome) => events / cpuS;
const rounded = (value: number, digits = 0) => Number(value.toFixed(digits));
const sum = (outcomes: readonly Outcome[], of: "lost" | "duplicate") =>
  outcomes.reduce((total, outcome) => total + outcome[of], 0);

async function tellRun(side: Side, outcome: Outcome): Promise<Outcome> {
  const { events, seconds, cpuS, lost, duplicate } = outcome;
  console.log(
    `${side.name.padEnd(8)} ${events} events in ${seconds.toFixed(2)} s: ` +
      `${rounded(ratePerS(outcome))}/s, ${rounded(1e6 * cpuS / events)} us CPU per event, ` +
      `${(cpuS / seconds).toFixed(2)} CPUs busy, lost ${lost}, duplicate ${duplicate}; ` +
      `CPU pressure ${await cpuPressure()}\n         us CPU per event: ` +
      Object.entries(outcome.cpuUs).map(([name, us]) => `${name} ${us}`).join(", "),
  );
  return outcome;
}

async function bench(stores: BenchStores, sql: Sql, stop: AbortSignal): Promise<void> {
  const startedMs = performance.now();
  await createTables(sql);
  const ours: Outcome[] = [];
  const peers: Outcome[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    stop.throwIfAborted();
    ours.push(await tellRun(OURS, await run(stores, sql, OURS, OUR_EVENTS)));
    peers.push(await tellRun(PEER, await run(stores, sql, PEER, PEER_EVENTS)));
  }
  // Almost all of this is waiting, so both sides wait at the same time.
  const [takeoversDone, peerDone] = await Promise.allSettled([
    inTurn(OUR_TAKEOVERS, () => takeOver(stores, sql, OURS)),
    takeOver(stores, sql, PEER),
  ]);
  if (takeoversDone.status === "rejected") throw takeoversDone.reason;
  if (peerDone.status === "rejected") throw peerDone.reason;
  const takeovers = takeoversDone.value;
  const peerTakeover = peerDone.value;
  console.log(
    `takeover: hexmile ${takeovers.map(({ seconds }) => seconds.toFixed(1)).join(", ")} s`,
  );
  console.log(`takeover: bullmq  ${peerTakeover.seconds.toFixed(1)} s`);
  console.log(JSON.stringify({
    bench: "events",
    rate_per_s: rounded(median(ours, ratePerS)),
    peer_rate_per_s: rounded(median(peers, ratePerS)),
    ratio_wall: rounded(median(ours, ratePerS) / median(peers, ratePerS), 2),
    ratio_cpu: rounded(median(ours, ratePerCpuS) / median(peers, ratePerCpuS), 2),
    cpu_us_per_event: rounded(1e6 / median(ours, ratePerCpuS)),
    peer_cpu_us_per_event: rounded(1e6 / median(peers, ratePerCpuS)),
    lost: sum([...ours, ...takeovers], "lost"),
    duplicate: sum([...ours, ...takeovers], "duplicate"),
    peer_lost: sum([...peers, peerTakeover], "lost"),
    takeover_s: rounded(Math.max(...takeovers.map(({ seconds }) => seconds)), 1),
    peer_takeover_s: rounded(peerTakeover.seconds, 1),
    seconds: rounded((performance.now() - startedMs) / 1_000, 1),
    machine: await describeMachine(),
    cpu_pressure: await cpuPressure(),
  }));
}

const wishes = listenForStop();
await withBenchStores("events", wishes.stop, async (stores) => {
  const sql = connectSql(stores.databaseUrl, { applicationName: "bench", max: 3 });
  try {
    await bench(stores, sql, wishes.stop);
  } finally {
    await sql.end({ timeout: 5 });
  }
});
wishes.dispose();
