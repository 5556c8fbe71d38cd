/**
 * One life of a simulated process, from its start to its end.
 *
 * A killed process simply never hears of anything again: no reply, no timer. Its continuations are
 * left behind and collected. A stopped one (SIGSTOP) hears nothing until it is continued, while
 * its requests under way still run on the servers.
 */
import type { Clock } from "shared/clock/clock.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import type { Scheduler } from "./scheduler.ts";

export class Life {
  readonly name: string;
  /** Unique per life, as processes name themselves. */
  readonly owner: string;
  readonly random: () => number;
  readonly clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #stopping = new AbortController();
  /** How often it gets its turn, compared with the others. */
  weight: number;
  #frozenUntilMs = 0;
  #isOver = false;

  constructor(
    scheduler: Scheduler,
    options: { name: string; owner: string; seed: number; weight: number },
  ) {
    this.#scheduler = scheduler;
    this.name = options.name;
    this.owner = options.owner;
    this.weight = options.weight;
    this.random = createSeededRandom(options.seed);
    this.clock = {
      nowMs: () => scheduler.nowMs,
      startTimer: (delayMs, callback) => scheduler.startTimer(this, delayMs, callback),
    };
  }

  /** Aborts when the process is asked to end in order. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isAwake(): boolean {
    return !this.#isOver && this.#frozenUntilMs <= this.#scheduler.nowMs;
  }

  /** When it hears again; Infinity for one that is over. */
  get wakesAtMs(): number {
    return this.#isOver ? Infinity : this.#frozenUntilMs;
  }

  freeze(durationMs: number): void {
    this.#frozenUntilMs = this.#scheduler.nowMs + durationMs;
  }

  thaw(): void {
    this.#frozenUntilMs = 0;
  }

  askToStop(): void {
    this.#stopping.abort();
  }

  /** SIGKILL, or the end of an orderly stop. */
  end(): void {
    this.#isOver = true;
    this.#scheduler.dropTimers(this);
  }
}
