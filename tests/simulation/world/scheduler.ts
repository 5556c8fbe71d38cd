/**
 * The one who decides what happens next.
 *
 * Contract
 * - Every statement and every command is two choices: when the server runs it, and when its reply
 *   arrives. Timers are one. Nothing else in a simulation takes time, so a seed decides everything.
 * - One thing happens at a time; then all code that can run runs, until it waits for a store or a
 *   clock again. Replies of one connection arrive in the order of its requests.
 * - Virtual time passes a little with each choice, and jumps to the next thing that is due when
 *   nothing can happen.
 */
import type { Life } from "./life.ts";

/** What the server made of a request. */
export type Answer =
  | { readonly isOk: true; readonly value: unknown }
  | { readonly isOk: false; readonly error: Error };

/** What happens to a request on its way. */
export type Fate = "arrives" | "refused" | "reply_lost" | "silent";

/** A request to a server, which may have to wait there. */
export interface Request {
  readonly life: Life;
  /** Requests of one connection are run and answered in order. */
  readonly connection: object;
  describe(): string;
  /** Whether running it could get on: nobody holds what it needs. */
  canRun(): boolean;
  /** When a wait ends by itself. */
  readonly waitsUntilMs?: number;
  /** Runs it on the server; undefined: it has to wait there. */
  run(fate: Fate): Answer | undefined;
  settle(answer: Answer): void;
  /** How long the client waits for a reply that never comes, and what it makes of that. */
  readonly patienceMs: number;
  giveUp(): Answer;
}

interface Operation {
  readonly request: Request;
  answer?: Answer;
  /** Not run before; with an answer, not delivered before. */
  fromMs: number;
}

interface Timer {
  readonly life: Life;
  readonly dueMs: number;
  readonly ring: () => void;
}

interface Appointment {
  readonly atMs: number;
  readonly act: () => void;
}

export interface SchedulerOptions {
  readonly random: () => number;
  readonly startMs: number;
  drawFate(request: Request): Fate;
  /** How long a request is on its way, beyond what the order of the steps makes of it. */
  drawDelayMs(): number;
  /** Looked at after each step: what happens by the servers' own clocks. */
  tick(): void;
  readonly trace?: ((line: string) => void) | undefined;
}

/** Turns of the microtask queue after which everything that could run has run. */
const SETTLE_TURNS = 48;
/** Steps between two looks whether all is done. */
const ASK_STEPS = 16;
/** Chance per step that time goes on at all, and how far at most. */
const TIME_CHANCE = 0.4;
const MAX_STEP_MS = 2;

export class Scheduler {
  readonly #options: SchedulerOptions;
  #operations: Operation[] = [];
  readonly #timers = new Set<Timer>();
  readonly #appointments = new Set<Appointment>();
  #isIdle = false;
  nowMs: number;
  steps = 0;
  /** The first thing that must not happen; ends the run. */
  violation: string | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.nowMs = options.startMs;
  }

  /** Notes a violation; the first one counts. */
  fail(violation: string): void {
    this.trace(() => `VIOLATION ${violation}`);
    this.violation ??= violation;
  }

  trace(line: () => string): void {
    const { trace } = this.#options;
    if (trace === undefined) return;
    const at = (this.nowMs - this.#options.startMs).toFixed(1).padStart(9);
    trace(`${at} ms  ${line()}`);
  }

  submit(request: Request): void {
    this.#operations.push({ request, fromMs: this.nowMs + this.#options.drawDelayMs() });
  }

  startTimer(life: Life, delayMs: number, ring: () => void): () => void {
    const timer = { life, dueMs: this.nowMs + Math.max(0, delayMs), ring };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Has something done at a time, by nobody in particular. */
  at(delayMs: number, act: () => void): void {
    this.#appointments.add({ atMs: this.nowMs + delayMs, act });
  }

  /**
   * Takes away the requests that match: `isLost` says which of those not yet run never reach the
   * server; the others still run, unheard.
   */
  abandon(matches: (request: Request) => boolean, isLost: () => boolean): Request[] {
    const abandoned: Request[] = [];
    const kept: Operation[] = [];
    for (const operation of this.#operations) {
      const { request, answer } = operation;
      if (!matches(request)) {
        kept.push(operation);
        continue;
      }
      abandoned.push(request);
      if (answer !== undefined || isLost()) continue;
      kept.push({ request: { ...unheard(request) }, fromMs: 0 });
    }
    this.#operations = kept;
    return abandoned;
  }

  /** Goes on until `isDone`, a violation, or a bound. */
  async run(
    isDone: () => boolean,
    bounds: { readonly untilMs: number; readonly maxSteps: number },
  ): Promise<"done" | "violated" | "time" | "steps"> {
    const lastStep = this.steps + bounds.maxSteps;
    await settle();
    for (;;) {
      if (this.violation !== undefined) return "violated";
      // Asking costs more than a step.
      if ((this.#isIdle || this.steps % ASK_STEPS === 0) && isDone()) return "done";
      if (this.nowMs >= bounds.untilMs) return "time";
      if (this.steps >= lastStep) return "steps";
      await this.#step();
    }
  }

  /** Does one thing that can be done without time going on; false when there is none. */
  async tryStep(): Promise<boolean> {
    await settle();
    const choice = this.#choose();
    choice?.();
    await settle();
    return choice !== undefined;
  }

  async #step(): Promise<void> {
    this.steps++;
    this.#keepAppointments();
    const choice = this.#choose();
    if (choice === undefined && !this.#isIdle) {
      // Whoever runs this is asked first whether all is done.
      this.#isIdle = true;
      return;
    }
    this.#isIdle = false;
    if (choice === undefined) {
      const nextMs = this.#nextMs();
      if (nextMs === Infinity) return this.fail("nothing can happen any more");
      this.nowMs = Math.max(this.nowMs, nextMs);
    } else {
      choice();
      const { random } = this.#options;
      if (random() < TIME_CHANCE) this.nowMs += random() * MAX_STEP_MS;
    }
    await settle();
    this.#options.tick();
  }

  #keepAppointments(): void {
    for (const appointment of this.#appointments) {
      if (appointment.atMs > this.nowMs) continue;
      this.#appointments.delete(appointment);
      appointment.act();
    }
  }

  /** Draws among all that can happen now, by the weights of who it happens to. */
  #choose(): (() => void) | undefined {
    const choices: { weight: number; act: () => void }[] = [];
    let total = 0;
    const add = (weight: number, act: () => void) => {
      choices.push({ weight, act });
      total += weight;
    };
    const running = new Set<object>();
    const answering = new Set<object>();
    for (const operation of this.#operations) {
      const { request, answer } = operation;
      const { life, connection } = request;
      const seen = answer === undefined ? running : answering;
      const isFirst = !seen.has(connection) && !(answer !== undefined && running.has(connection));
      seen.add(connection);
      if (!isFirst) continue;
      if (answer === undefined) {
        const hasArrived = operation.fromMs <= this.nowMs;
        if (hasArrived && this.#canRun(request)) add(life.weight, () => this.#run(operation));
      } else if (life.isAwake && operation.fromMs <= this.nowMs) {
        add(life.weight, () => this.#deliver(operation, answer));
      }
    }
    for (const timer of this.#timers) {
      if (timer.dueMs > this.nowMs || !timer.life.isAwake) continue;
      add(timer.life.weight, () => this.#ring(timer));
    }
    let draw = this.#options.random() * total;
    for (const { weight, act } of choices) {
      draw -= weight;
      if (draw < 0) return act;
    }
    return choices.at(-1)?.act;
  }

  #canRun(request: Request): boolean {
    return request.canRun() || (request.waitsUntilMs ?? Infinity) <= this.nowMs;
  }

  #run(operation: Operation): void {
    const { request } = operation;
    const fate = this.#options.drawFate(request);
    const answer = request.run(fate);
    const note = answer === undefined ? "waits" : fate === "arrives" ? "" : fate;
    this.trace(() => `${request.life.name.padEnd(12)} ${request.describe()} ${note}`);
    if (answer === undefined) return;
    const isSilent = fate === "silent";
    operation.answer = isSilent ? request.giveUp() : answer;
    if (isSilent) operation.fromMs = this.nowMs + request.patienceMs;
    if (request.life.isOver) this.#remove(operation);
  }

  #deliver(operation: Operation, answer: Answer): void {
    this.#remove(operation);
    this.trace(() => `${operation.request.life.name.padEnd(12)}   <- ${describeAnswer(answer)}`);
    operation.request.settle(answer);
  }

  #ring(timer: Timer): void {
    this.#timers.delete(timer);
    timer.ring();
  }

  #remove(operation: Operation): void {
    this.#operations = this.#operations.filter((each) => each !== operation);
  }

  /** Dead connections are found out at once from here on. */
  endSilence(): void {
    for (const operation of this.#operations) operation.fromMs = 0;
  }

  /** Forgets the timers of a life that is over. */
  dropTimers(life: Life): void {
    for (const timer of this.#timers) {
      if (timer.life === life) this.#timers.delete(timer);
    }
  }

  #nextMs(): number {
    let next = Infinity;
    const consider = (atMs: number) => {
      if (atMs > this.nowMs && atMs < next) next = atMs;
    };
    for (const { request, answer, fromMs } of this.#operations) {
      if (answer === undefined) {
        consider(fromMs);
        consider(request.waitsUntilMs ?? Infinity);
      } else consider(Math.max(fromMs, request.life.wakesAtMs));
    }
    for (const { dueMs, life } of this.#timers) consider(Math.max(dueMs, life.wakesAtMs));
    for (const { atMs } of this.#appointments) consider(atMs);
    return next;
  }
}

/** The same request, whose sender does not hear of it any more. */
function unheard(request: Request): Request {
  return {
    life: request.life,
    connection: {},
    describe: () => `${request.describe()} (unheard)`,
    canRun: () => request.canRun(),
    run: (fate) => request.run(fate),
    settle: () => {},
    patienceMs: 0,
    giveUp: () => request.giveUp(),
    ...(request.waitsUntilMs === undefined ? {} : { waitsUntilMs: request.waitsUntilMs }),
  };
}

function describeAnswer(answer: Answer): string {
  if (!answer.isOk) return `${answer.error.name}: ${answer.error.message}`;
  const text = JSON.stringify(answer.value) ?? "nothing";
  return text.length > 160 ? `${text.slice(0, 160)}...` : text;
}

/** Lets all code run that waits for nothing but promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await undefined;
}
