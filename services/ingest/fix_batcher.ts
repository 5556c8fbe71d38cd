/**
 * Group commit: what arrives within a few milliseconds goes to Redis in one script call, and each
 * caller is answered after Redis has accepted its own fixes.
 *
 * Contract: calls of a partition are sent in the order in which their fixes were submitted, on one
 * connection, so that Redis applies one courier's fixes in that order. A call is sent at once after
 * a pause, then one every 6 ms, or sooner when it is full; two may be under way, so that Redis need
 * not wait for this process nor this process for Redis. The queue is bounded for all and for each
 * courier: over the bound a fix is refused at once, which the caller tells its client (503), never
 * dropped in silence. Everybody who waits is told, whatever the others do.
 */
import type { Availability, Heard, HeardAnswer } from "shared/availability/availability.ts";
import { FIX_BURST } from "shared/availability/cleaning.ts";
import type { IngestMetrics } from "./metrics.ts";

/**
 * Between two calls that are not full: what comes meanwhile goes together. Each call, and its entry
 * in each reader of the stream, has a cost of its own.
 */
const COMMIT_INTERVAL_MS = 6;
/** A script call blocks Redis for all; 200 fixes take about 1 ms of it. */
const MAX_BATCH = 200;
const MAX_IN_FLIGHT = 2;
const MAX_QUEUED = 10_000;
/** More than the limit could ever let through at once, and too few to crowd others out. */
const MAX_QUEUED_PER_COURIER = 2 * FIX_BURST;

/** Thrown when more fixes wait than the bound allows. */
export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
}

/** What was heard of a courier, while it waits for its call. */
export interface Waiting extends Heard {
  /** Called with Redis's answer. */
  resolve(answer: HeardAnswer): void;
  /** Called with why there is none, or with what `resolve` threw; must not throw. */
  reject(error: unknown): void;
}

/** The batcher of one partition. */
export class FixBatcher {
  readonly #availability: Availability;
  readonly #metrics: IngestMetrics;
  readonly #queue: Waiting[] = [];
  /** Points that wait of each courier; only while so many wait that one could have too many. */
  #queuedOf: Map<string, number> | undefined;
  #queued = 0;
  #inFlight = 0;
  #isDelayed = false;
  #sentAtMs = -Infinity;

  constructor(availability: Availability, metrics: IngestMetrics) {
    this.#availability = availability;
    this.#metrics = metrics;
  }

  /** Submits what was heard; resolves with Redis's answer. @throws QueueFullError at a bound. */
  submit({ courierId, maxSpeedMps, fixes }: Heard): Promise<HeardAnswer> {
    return new Promise((resolve, reject) => {
      this.add({ courierId, maxSpeedMps, fixes, resolve, reject });
    });
  }

  /** The same for who needs no promise of its own; rejected with QueueFullError at a bound. */
  add(waiting: Waiting): void {
    const points = pointsOf(waiting);
    if (this.#queued + points > MAX_QUEUED) {
      return waiting.reject(new QueueFullError(`queued fixes must be <= ${MAX_QUEUED}`));
    }
    if (this.#wouldCrowd(waiting.courierId, points)) {
      return waiting.reject(
        new QueueFullError(`a courier's queued fixes must be <= ${MAX_QUEUED_PER_COURIER}`),
      );
    }
    this.#queued += points;
    this.#queue.push(waiting);
    this.#wake();
  }

  /** Whether a courier would have more waiting than its share; counts it where it has not. */
  #wouldCrowd(courierId: string, points: number): boolean {
    // Nobody has more than all have together.
    if (this.#queued + points <= MAX_QUEUED_PER_COURIER) {
      // One who was refused may have left it behind.
      this.#queuedOf = undefined;
      return false;
    }
    const queuedOf = this.#queuedOf ??= countByCourier(this.#queue);
    const ofCourier = (queuedOf.get(courierId) ?? 0) + points;
    if (ofCourier > MAX_QUEUED_PER_COURIER) return true;
    queuedOf.set(courierId, ofCourier);
    return false;
  }

  /** Whether anybody waits for an answer. */
  get isBusy(): boolean {
    return this.#queue.length > 0 || this.#inFlight > 0;
  }

  /** Fixes that wait for their call. */
  get queued(): number {
    return this.#queued;
  }

  /** Sends when it is time; whoever finds that it is not yet sees to it that it will be. */
  #wake(): void {
    if (this.#queue.length === 0 || this.#inFlight >= MAX_IN_FLIGHT) return;
    if (this.#queued >= MAX_BATCH) return this.#send();
    if (this.#isDelayed) return;
    this.#isDelayed = true;
    const waitMs = this.#sentAtMs + COMMIT_INTERVAL_MS - performance.now();
    // Not in this turn even so: what was read together from the network goes together.
    setTimeout(() => {
      this.#isDelayed = false;
      if (this.#inFlight < MAX_IN_FLIGHT) this.#send();
    }, Math.max(0, waitMs));
  }

  #send(): void {
    const batch = this.#take();
    if (batch.length === 0) return;
    this.#sentAtMs = performance.now();
    this.#inFlight++;
    // Never rejects: every failure goes to the callers it concerns.
    void this.#commit(batch);
  }

  #take(): Waiting[] {
    let points = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      if (points >= MAX_BATCH) break;
      points += pointsOf(waiting);
      count++;
    }
    const batch = this.#queue.splice(0, count);
    this.#queued -= points;
    if (this.#queued <= MAX_QUEUED_PER_COURIER) this.#queuedOf = undefined;
    else if (this.#queuedOf !== undefined) uncount(this.#queuedOf, batch);
    this.#metrics.batchSize.observe(points);
    return batch;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const startedAtMs = performance.now();
    try {
      const answers = await this.#availability.applyHeard(batch);
      for (const [index, waiting] of batch.entries()) answerOne(waiting, answers[index]);
      this.#metrics.commitDuration.observe((performance.now() - startedAtMs) / 1000);
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
    this.#inFlight--;
    // In the same step: nobody else may look before the next fix comes.
    this.#wake();
  }
}

/** Fixes, or 1 for a heartbeat. */
function pointsOf({ fixes }: Heard): number {
  return Math.max(1, fixes.length);
}

function answerOne(waiting: Waiting, answer: HeardAnswer | undefined): void {
  try {
    if (answer === undefined) throw new Error("script answered too few codes");
    waiting.resolve(answer);
  } catch (error) {
    waiting.reject(error);
  }
}

function countByCourier(queue: readonly Waiting[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const waiting of queue) {
    counts.set(waiting.courierId, (counts.get(waiting.courierId) ?? 0) + pointsOf(waiting));
  }
  return counts;
}

function uncount(counts: Map<string, number>, taken: readonly Waiting[]): void {
  for (const waiting of taken) {
    const rest = (counts.get(waiting.courierId) ?? 0) - pointsOf(waiting);
    if (rest > 0) counts.set(waiting.courierId, rest);
    else counts.delete(waiting.courierId);
  }
}
