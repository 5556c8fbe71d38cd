/**
 * Questions that are asked at the same time go to a store in one call.
 *
 * Contract
 * - A question is answered by a call that began after it was asked, so nothing read earlier is
 *   handed out.
 * - Alone, a question goes at the end of the turn in which it was asked. While a call is under way,
 *   those that come meanwhile wait and go together: the busier, the larger the groups. Another call
 *   begins beside it where a whole group waits, or where it takes longer than calls do, so that one
 *   that hangs does not hold up the others.
 * - With a pace, calls begin at least so far apart: a question after a pause goes at once, those of
 *   a busy time go in groups, so that the busier it is the less each costs.
 * - Questions go in the order in which they were asked. An error of a call is the answer of each of
 *   its questions; where they must fail one by one, the answers themselves say so.
 * - All is bounded: the questions of a call, the calls, and the questions that wait.
 */
import { setImmediate } from "node:timers";
import { type Clock, SYSTEM_CLOCK } from "shared/clock/clock.ts";

export interface GatherBounds {
  /** Names the questions in errors. */
  readonly name: string;
  /** Questions of one call. */
  readonly maxGroup: number;
  /** Calls under way at once; more than one where a group is full, or where a call hangs. */
  readonly maxCalls: number;
  /** Questions that wait for their call; one more is refused at once. */
  readonly maxWaiting?: number;
  /** From the beginning of one call to that of the next, unless a whole group waits. */
  readonly paceMs?: number;
}

/** A call that takes longer is not waited for by those who come after it. */
const OVERLAP_AFTER_MS = 20;
/** A second's questions, several times over, of any gateway that could still answer them. */
const MAX_WAITING = 10_000;

/** Thrown when more questions wait than the bound allows; it passes by itself. */
export class GatherFullError extends Error {
  override readonly name = "GatherFullError";
}

/** Questions that Postgres assumes where it plans for any number of them. */
const USUAL_COUNT = 10;

/**
 * Fills a short list with its last entry, for `= any(...)`. Postgres makes a plan of its own for each
 * list that it takes for cheaper than the usual, and to make it costs more than to look up ten. Not
 * for tables that begin empty: the usual plan is made once, and then it would read them whole.
 */
export function padded<Question>(questions: readonly Question[]): Question[] {
  const filled = [...questions];
  const last = questions.at(-1);
  if (last !== undefined) { while (filled.length < USUAL_COUNT) filled.push(last); }
  return filled;
}

interface Waiting<Question, Answer> {
  readonly question: Question;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** Gathers questions of one kind. */
export class Gather<Question, Answer> {
  readonly #bounds: GatherBounds;
  readonly #maxWaiting: number;
  readonly #answerAll: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  #waiting: Waiting<Question, Answer>[] = [];
  readonly #clock: Clock;
  #calls = 0;
  #isWoken = false;
  #lastCallAtMs = -Infinity;
  /** Ends the wait for the next call to begin; undefined where nobody waits for a moment. */
  #cancelWait: (() => void) | undefined;
  /** When that wait ends. */
  #waitUntilMs = Infinity;

  /** @param answerAll answers questions in their order; one call of it is one trip to the store. */
  constructor(
    bounds: GatherBounds,
    answerAll: (questions: readonly Question[]) => Promise<readonly Answer[]>,
    clock: Clock = SYSTEM_CLOCK,
  ) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#maxWaiting = bounds.maxWaiting ?? MAX_WAITING;
    this.#answerAll = answerAll;
  }

  /** Asks; rejects with the error of the call, or GatherFullError at the bound. */
  ask(question: Question): Promise<Answer> {
    if (this.#waiting.length >= this.#maxWaiting) {
      const { name } = this.#bounds;
      return Promise.reject(
        new GatherFullError(`Cannot ask: waiting ${name} must be <= ${this.#maxWaiting}`),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject });
      this.#wake();
    });
  }

  #wake(): void {
    const { maxGroup, maxCalls } = this.#bounds;
    if (this.#isWoken || this.#waiting.length === 0 || this.#calls >= maxCalls) return;
    if (this.#waiting.length < maxGroup && this.#waitForMore()) return;
    this.#isWoken = true;
    // Not in this turn: what was read together from the network goes together.
    setImmediate(() => {
      this.#isWoken = false;
      this.#send();
    });
  }

  /** Whether the next call is not to begin yet; then it does later. */
  #waitForMore(): boolean {
    const nowMs = this.#clock.nowMs();
    const untilMs = this.#calls > 0
      ? nowMs + OVERLAP_AFTER_MS
      : this.#lastCallAtMs + (this.#bounds.paceMs ?? 0);
    if (untilMs <= nowMs) return false;
    // Each question would put it off again.
    if (untilMs >= this.#waitUntilMs) return true;
    this.#stopWaiting();
    this.#waitUntilMs = untilMs;
    this.#cancelWait = this.#clock.startTimer(untilMs - nowMs, () => this.#send());
    return true;
  }

  #stopWaiting(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#waitUntilMs = Infinity;
  }

  #send(): void {
    this.#stopWaiting();
    if (this.#waiting.length === 0 || this.#calls >= this.#bounds.maxCalls) return;
    this.#calls++;
    this.#lastCallAtMs = this.#clock.nowMs();
    // Never rejects: every failure goes to those who asked.
    void this.#call(this.#waiting.splice(0, this.#bounds.maxGroup));
    this.#wake();
  }

  async #call(group: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.#answerAll(group.map(({ question }) => question));
      if (answers.length !== group.length) {
        throw new Error(`${this.#bounds.name}: ${group.length} asked, ${answers.length} answered`);
      }
      group.forEach(({ resolve }, index) => resolve(answers[index] as Answer));
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
    this.#calls--;
    this.#wake();
  }
}
