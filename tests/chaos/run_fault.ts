/**
 * One chaos run: a world, orders under way, a fault, an end to it, quiet, and the checker's verdict.
 *
 * Contract: every random choice of the run comes from one seed, which is printed; CHAOS_SEED sets
 * it. What the machine's scheduler does is not in the seed, so a repeat is likely, not certain. To
 * the file that CHAOS_REPORT names, where there is one, a line of JSON is added.
 */
import assert from "node:assert/strict";
import { isTerminal, type OrderState } from "shared/orders/lifecycle.ts";
import { partitionOf } from "shared/redis/keys.ts";
import { eventually } from "../harness/eventually.ts";
import { checkAll } from "./checker.ts";
import { EVENT_GROUPS } from "./check_streams.ts";
import { Sampler } from "./sampler.ts";
import { readGeneration } from "shared/redis/generation.ts";
import { type Evidence, type Expected, RULES, type Violation } from "./evidence.ts";
import { ChaosWorld, type WorldOptions } from "./world.ts";

/** One fault to run. */
export interface Fault extends Omit<WorldOptions, "seed"> {
  /** Orders placed; a few before the fault, the rest under it. */
  readonly orders?: number;
  readonly meanIntervalMs?: number;
  /** Makes the fault; what it returns would otherwise be violations. */
  inject(world: ChaosWorld): Promise<Expected>;
}

const ORDERS = 6;
const MEAN_INTERVAL_MS = 600;
const ORDERS_BEFORE = 2;
/** Liveness: by then every order must have come to its end, whatever the fault was. */
const QUIET_TIMEOUT_MS = Number(Deno.env.get("CHAOS_QUIET_MS") ?? 75_000);
const SHOWN_LOG_LINES = 60;

/** Whether the slow faults run too: `CHAOS=all`. */
export const RUNS_ALL = Deno.env.get("CHAOS") === "all";

/** Runs a fault and asserts that no promise was broken. */
export async function runFault(fault: Fault): Promise<void> {
  const seed = Number(Deno.env.get("CHAOS_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  const startedAtMs = performance.now();
  const world = await ChaosWorld.start({ ...fault, seed });
  const upAtMs = performance.now();
  const sampler = new Sampler({
    sql: world.sql,
    redisUrl: world.servers.redisUrl,
    keys: world.keys,
    partition: partitionOf(world.city.region.id, 0),
  });
  try {
    const placing = world.customers.place(
      fault.orders ?? ORDERS,
      fault.meanIntervalMs ?? MEAN_INTERVAL_MS,
    );
    // Observed below also where the fault itself fails first.
    placing.catch(() => {});
    await eventually(
      "some orders are under way",
      () => world.customers.placed.length >= ORDERS_BEFORE,
      30_000,
    );
    const generation = await settledGeneration(world);
    const expected = await fault.inject(world);
    world.heal();
    await placing;
    const healedAtMs = performance.now();
    const isQuiet = await waitForQuiet(world, sampler);
    await world.customers.replayAll();
    const violations = await checkAll({
      ...evidenceOf(world, expected),
      generation,
      sampled: sampler.judge.violations,
    });
    const longestWait = await longestWaitOf(world);
    report(fault, world, {
      seed,
      startedAtMs,
      upAtMs,
      healedAtMs,
      isQuiet,
      longestWait,
      sampler,
      violations,
    });
    const rules = new Set(violations.map(({ rule }) => rule));
    assert.equal(violations.length, 0, `broken, as told above: ${[...rules].join(", ")}`);
  } finally {
    await sampler.stop();
    await world.stop();
  }
}

/** The generation of what Redis holds, once the rebuild of the first start is over. */
async function settledGeneration({ sql, redis, keys }: ChaosWorld): Promise<number> {
  return await eventually("Redis has its first generation", async () => {
    const generation = await readGeneration(sql);
    return await redis.get(keys.generation()) === String(generation) ? generation : undefined;
  });
}

interface Run {
  readonly seed: number;
  readonly startedAtMs: number;
  readonly upAtMs: number;
  readonly healedAtMs: number;
  readonly isQuiet: boolean;
  readonly longestWait: string;
  readonly sampler: Sampler;
  readonly violations: readonly Violation[];
}

function report(fault: Fault, world: ChaosWorld, run: Run): void {
  const nowMs = performance.now();
  const seconds = (fromMs: number, toMs: number) => ((toMs - fromMs) / 1000).toFixed(1);
  const { history } = world;
  console.log(
    `chaos ${fault.name}: seed ${run.seed}, orders ${world.customers.placed.length}, ` +
      `attempts ${history.attempts.length} (${history.count("unknown")} unknown), ` +
      `violations ${run.violations.length}; up ${seconds(run.startedAtMs, run.upAtMs)} s, ` +
      `quiet ${run.isQuiet ? "" : "NOT "}after ${seconds(run.healedAtMs, nowMs)} s, ` +
      `all ${seconds(run.startedAtMs, nowMs)} s; longest wait of an order ${run.longestWait}; ` +
      `index looked at ${run.sampler.looks} times, behind Postgres for ` +
      `${seconds(0, run.sampler.judge.longestBehindMs)} s at most`,
  );
  const file = Deno.env.get("CHAOS_REPORT");
  if (file !== undefined) {
    const line = {
      fault: fault.name,
      seed: run.seed,
      violations: run.violations.length,
      seconds: (nowMs - run.startedAtMs) / 1000,
    };
    Deno.writeTextFileSync(file, `${JSON.stringify(line)}\n`, { append: true });
  }
  if (run.violations.length === 0) return;
  for (const { rule, detail } of run.violations) {
    console.log(`broken: ${rule} (${RULES[rule]}): ${detail}`);
  }
  console.log(history.toJsonLines());
  const loud = world.logLines.filter((line) => /"level":"(?:warn|error)"|hexmile +\|/.test(line));
  for (const line of loud.slice(-SHOWN_LOG_LINES)) console.log(line.slice(0, 600));
}

/** Where an order stood still longest: what was slow about a fault that broke nothing. */
async function longestWaitOf({ sql }: ChaosWorld): Promise<string> {
  const [row] = await sql<{ text: string }[]>`
    select format('%s s from %s to %s', round(extract(epoch from occurred_at - before), 1),
      type_before, type) as text
    from (
      select type, occurred_at, lag(occurred_at) over one as before, lag(type) over one as type_before
      from outbox_events where type not like 'courier.%' window one as (partition by key order by id)
    ) steps where before is not null order by occurred_at - before desc limit 1`;
  return row?.text ?? "0 s";
}

/** Waits until nothing moves any more; false when that took too long, and the checker says why. */
async function waitForQuiet(world: ChaosWorld, { judge }: Sampler): Promise<boolean> {
  try {
    await eventually("the system is quiet", async () => {
      // What is broken already does not heal: no need to wait for the rest.
      if (judge.violations.length > 0) return true;
      try {
        return await isQuiet(world);
      } catch {
        return false; // A store is still on its way back; the bound is outside.
      }
    }, QUIET_TIMEOUT_MS);
    return true;
  } catch {
    return false;
  }
}

async function isQuiet({ sql, redis, keys, city, watchers }: ChaosWorld): Promise<boolean> {
  const orders = await sql<{ status: OrderState }[]>`select status from orders`;
  if (!orders.every(({ status }) => isTerminal(status))) return false;
  const unpublished = await sql`select 1 from outbox where published_at is null limit 1`;
  if (unpublished.length > 0) return false;
  if (watchers.some((watcher) => watcher.ended === undefined)) return false;
  const stream = keys.events(partitionOf(city.region.id, 0));
  const [last] = await redis.xrevrange(stream, "+", "-", "COUNT", 1);
  const groups = await redis.xinfo("GROUPS", stream) as unknown[][];
  const done = groups.filter((flat) =>
    flat[flat.indexOf("pending") + 1] === 0 &&
    (last === undefined || flat[flat.indexOf("last-delivered-id") + 1] === last[0])
  );
  return done.length === EVENT_GROUPS.length;
}

function evidenceOf(
  world: ChaosWorld,
  expected: Expected,
): Omit<Evidence, "generation" | "sampled"> {
  return {
    sql: world.sql,
    redis: world.redis,
    keys: world.keys,
    partition: partitionOf(world.city.region.id, 0),
    history: world.history,
    tracks: world.watchers,
    logLines: world.logLines,
    endings: world.endings,
    secrets: world.secrets,
    expected,
  };
}
