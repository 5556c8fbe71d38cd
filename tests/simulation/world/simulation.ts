/**
 * One simulated world: two servers, a few processes, faults, and the invariants over all of it.
 *
 * A run has two parts. In the first, faults of every kind happen ("safety": nothing wrong may ever
 * be seen). Then the faults stop, all but perhaps one process are there again, and everything must
 * come to its end within a bound ("liveness"; as in TigerBeetle's VOPR).
 */
import { Registry } from "prom-client";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import type { Wake } from "shared/clock/wake.ts";
import { EVENT_GROUPS } from "shared/streams/groups.ts";
import { createKeeperMetrics } from "../../../services/keeper/metrics.ts";
import { Database } from "../postgres/database.ts";
import { loadProductSchema } from "../postgres/product_schema.ts";
import type { Schema } from "../postgres/schema.ts";
import { RedisServer } from "../redis/server.ts";
import { Faults } from "./faults.ts";
import { Invariants } from "./invariants.ts";
import { Life } from "./life.ts";
import { OWN_DDL, OWN_TABLES } from "./own_tables.ts";
import { type Claim, gateway } from "./people.ts";
import { openPool, PostgresServer } from "./postgres_pool.ts";
import { RedisNetwork } from "./redis_link.ts";
import {
  keeper,
  KEYS,
  matcher,
  PARTITION,
  type Surroundings,
  type Temper,
  worker,
} from "./roles.ts";
import { Scheduler } from "./scheduler.ts";
import { settleCity, type SettledCity } from "./settle_city.ts";

/** Virtual time starts here; the product only ever compares times. */
const START_MS = Date.UTC(2026, 0, 1);
const MAX_STEPS = 60_000;
/** After the faults: leases end (6 s), rescans and retries happen (5 s), and some room. */
const LIVENESS_MS = 60_000;

/** Of all seeds: those about the ownership of one lease alone. */
const OWNERS_SHARE = 0.2;
/** What a timer may be late when nothing goes wrong. */
const TIMER_SLACK_MS = 1_000;

/** A process of the world, whichever life of it runs. */
export interface Member {
  readonly name: string;
  readonly run: (around: Surroundings) => Promise<void>;
  life: Life | undefined;
  lives: number;
}

/** What a seed came to. */
export interface Report {
  readonly seed: number;
  readonly violation: string | undefined;
  readonly steps: number;
  readonly virtualMs: number;
  readonly events: number;
  readonly effects: number;
  readonly parked: number;
  /** How often each fault happened. */
  readonly faults: ReadonlyMap<string, number>;
}

export interface SimulateOptions {
  /** Each step, as a line. */
  readonly trace?: (line: string) => void;
  /** Breaks the product on purpose: a simulation that cannot fail proves nothing. */
  readonly sabotage?: Sabotage;
}

/** What is broken; each gets the product's text and answers another one. */
export interface Sabotage {
  readonly ddl?: (text: string) => string;
  readonly sql?: (text: string) => string;
  readonly lua?: (text: string) => string;
  /** Consumers that acknowledge before their effect is committed. */
  readonly acknowledgesEarly?: boolean;
}

let schema: Schema | undefined;

/** Runs one seed from its start to its end. The same seed always does the same. */
export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Report> {
  const { ddl } = options.sabotage ?? {};
  if (ddl !== undefined) {
    const bent = loadProductSchema(OWN_DDL, OWN_TABLES, ddl);
    return await new Simulation(seed, bent, options).run();
  }
  schema ??= loadProductSchema(OWN_DDL, OWN_TABLES);
  return await new Simulation(seed, schema, options).run();
}

export class Simulation {
  readonly seed: number;
  readonly random: () => number;
  readonly scheduler: Scheduler;
  readonly database: Database;
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
  readonly network: RedisNetwork;
  readonly members: Member[] = [];
  readonly #invariants: Invariants;
  readonly #faults: Faults;
  readonly #metrics = createKeeperMetrics(new Registry());
  readonly #wakes = new Set<Wake>();
  /** Whether this seed is about the ownership of one lease alone. */
  readonly hasOnlyOwners: boolean;
  readonly #temper: Temper;
  readonly #claims: Claim[] = [];
  readonly #city: SettledCity;
  #orders = 0;

  constructor(seed: number, schema: Schema, options: SimulateOptions) {
    this.seed = seed;
    this.random = createSeededRandom(seed);
    this.hasOnlyOwners = this.random() < OWNERS_SHARE;
    this.scheduler = new Scheduler({
      random: this.random,
      startMs: START_MS,
      drawFate: (request) => this.#faults.drawFate(request),
      drawDelayMs: () => this.#faults.drawDelayMs(),
      tick: () => this.postgres.tick(),
      trace: options.trace,
    });
    const now = () => this.scheduler.nowMs;
    this.database = new Database(schema, now);
    this.postgres = new PostgresServer(this.database, this.scheduler, options.sabotage?.sql);
    this.redis = new RedisServer(now, options.sabotage?.lua);
    this.network = new RedisNetwork(this.redis, this.scheduler, this.random);
    this.#faults = new Faults(this);
    this.#temper = {
      flakiness: this.random() < 0.5 ? 0 : 0.05,
      hasPoison: this.random() < 0.3,
      acknowledgesEarly: options.sabotage?.acknowledgesEarly === true,
    };
    this.#city = settleCity({
      random: this.random,
      nextOrderId: () => idOf("0", ++this.#orders),
      onGranted: (claim) => this.#claims.push(claim),
    });
    this.#invariants = new Invariants({
      database: this.database,
      redis: this.redis,
      eventsKey: KEYS.events(PARTITION),
      nowMs: now,
      fail: (violation) => this.scheduler.fail(violation),
    });
    this.#addMembers();
  }

  /** Most seeds have the whole backbone; in some, processes only contend for one lease. */
  #addMembers(): void {
    const add = (name: string, run: Member["run"]) => {
      this.members.push({ name, run, life: undefined, lives: 0 });
    };
    const second = () => this.random() < 0.7;
    if (this.hasOnlyOwners) {
      for (const name of ["matcher-1", "matcher-2", "matcher-3"]) add(name, matcher);
      this.#city.deedsLeft = 0;
      return;
    }
    add("keeper-1", keeper);
    if (second()) add("keeper-2", keeper);
    add("worker-1", worker);
    if (second()) add("worker-2", worker);
    add("gateway-1", (around) => gateway(around, this.#city));
  }

  async run(): Promise<Report> {
    await this.#prepare();
    for (const member of this.members) this.start(member);
    this.#faults.begin();
    const bounds = { untilMs: Infinity, maxSteps: MAX_STEPS };
    await this.scheduler.run(() => this.#faults.isTimeUp(), bounds);
    if (this.scheduler.violation === undefined) await this.#comeToAnEnd();
    if (this.scheduler.violation === undefined) this.#checkClaims();
    return this.#report();
  }

  /** The city is built before anything can go wrong. */
  async #prepare(): Promise<void> {
    const builder = this.#newLife("builder", 0);
    let isBuilt = false;
    this.#city.build(openPool(this.postgres, builder)).then(
      () => isBuilt = true,
      (error) => this.scheduler.fail(`the city cannot be built: ${error?.stack ?? error}`),
    );
    await this.scheduler.run(() => isBuilt, { untilMs: Infinity, maxSteps: MAX_STEPS });
    builder.end();
  }

  /** Starts the next life of a process. */
  start(member: Member): void {
    member.lives++;
    const life = this.#newLife(member.name, member.lives);
    member.life = life;
    this.scheduler.trace(() => `${member.name} starts (life ${member.lives})`);
    const openRedis = () => this.network.connect(life);
    const around: Surroundings = {
      life,
      sql: openPool(this.postgres, life),
      redis: openRedis(),
      metrics: this.#metrics,
      temper: this.#temper,
      openRedis,
      isQuiet: () => this.#city.deedsLeft <= 0,
      notifyOutbox: () => this.#notify(),
      onWake: (wake) => {
        this.#wakes.add(wake);
        return () => void this.#wakes.delete(wake);
      },
    };
    member.run(around).then(
      () => this.#ended(member, life),
      (error) => this.scheduler.fail(`${member.name} ended with ${error?.stack ?? error}`),
    );
  }

  #ended(member: Member, life: Life): void {
    if (!life.signal.aborted) this.scheduler.fail(`${member.name} ended by itself`);
    this.scheduler.trace(() => `${member.name} has stopped`);
    life.end();
    if (member.life !== life) return;
    member.life = undefined;
    this.#faults.onStopped(member);
  }

  /** Keepers that do not own the relay, but may believe so. */
  formerRelays(): Member[] {
    const lease = this.database.committed("leases")
      .find(({ name }) => name === `keeper:${PARTITION}`);
    return this.members.filter(({ name, life }) =>
      name.startsWith("keeper") && life !== undefined && life.owner !== lease?.["owner"]
    );
  }

  /** SIGKILL: nothing of it goes on but what the servers have received. */
  kill(member: Member): void {
    const { life } = member;
    if (life === undefined) return;
    this.scheduler.trace(() => `${member.name} is killed`);
    life.end();
    member.life = undefined;
    this.scheduler.abandon((request) => request.life === life, () => this.random() < 0.5);
    this.scheduler.at(this.random() * 300, () => this.postgres.hangUp(life));
  }

  #newLife(name: string, number: number): Life {
    const draw = this.random();
    return new Life(this.scheduler, {
      name,
      owner: `${name}:${number}`,
      seed: Math.floor(this.random() * 2 ** 32),
      // Some seeds have a process that nearly never gets its turn.
      weight: draw < 0.15 ? 0.03 : draw < 0.3 ? 0.2 : 1,
    });
  }

  #notify(): void {
    if (this.random() < 0.3) return;
    for (const wake of this.#wakes) wake.notify();
  }

  /** The faults stop; then everything must come to its end. */
  async #comeToAnEnd(): Promise<void> {
    this.#faults.stop();
    this.#city.deedsLeft = 0;
    const bounds = { untilMs: this.scheduler.nowMs + LIVENESS_MS, maxSteps: MAX_STEPS };
    const end = await this.scheduler.run(() => this.#unfinished() === undefined, bounds);
    if (end === "done" || end === "violated") return;
    this.scheduler.fail(
      `not at its end after ${LIVENESS_MS} ms without faults (${end}): ${this.#unfinished()}`,
    );
  }

  /** What is still to do; undefined when all is at rest. */
  #unfinished(): string | undefined {
    if (this.hasOnlyOwners) return undefined;
    const unpublished = this.database.committed("outbox")
      .filter((row) => row["published_at"] === null);
    if (unpublished.length > 0) return `${unpublished.length} changes unpublished`;
    const ledger = this.#invariants.ledger;
    for (const group of EVENT_GROUPS) {
      const unsettled = ledger.unsettled(group);
      if (unsettled.length > 0) return `${unsettled.length} events without effect in ${group}`;
    }
    const stored = this.redis.get(KEYS.events(PARTITION));
    if (stored?.kind !== "stream") return "no stream";
    for (const [name, { pending }] of stored.stream.groups) {
      if (pending.size > 0) return `${pending.size} entries pending in ${name}`;
    }
    const due = this.database.committed("timers")
      .filter((row) => Number(row["due_at"]) + TIMER_SLACK_MS < this.scheduler.nowMs);
    return due.length > 0 ? `${due.length} timers due` : undefined;
  }

  #checkClaims(): void {
    const ids = (table: string) => new Set(this.database.committed(table).map((row) => row["id"]));
    const known = { order: ids("orders"), assignment: ids("assignments") };
    for (const { kind, id } of this.#claims) {
      if (!known[kind].has(id)) this.scheduler.fail(`${kind} ${id} was granted and is not there`);
    }
    if (this.database.deadlocks > 0) this.scheduler.fail("there was a deadlock");
  }

  #report(): Report {
    return {
      seed: this.seed,
      violation: this.scheduler.violation,
      steps: this.scheduler.steps,
      virtualMs: this.scheduler.nowMs - START_MS,
      ...this.#invariants.ledger.counts(),
      faults: this.#faults.counts,
    };
  }
}

/** Ids whose order follows from their number, unlike random ones. */
export function idOf(prefix: string, number: number): string {
  const hex = number.toString(16).padStart(12, "0");
  return `${prefix.padEnd(8, "0")}-0000-7000-8000-${hex}`;
}
