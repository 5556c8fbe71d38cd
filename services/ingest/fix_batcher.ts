/**
 * Group commit: what arrives within a few milliseconds goes to Redis in one script call, and each
 * caller is answered after Redis has accepted its own fixes.
 *
 * Contract: calls of a partition are sent in the order in which their fixes were submitted, on one
 * connection, so that Redis applies one courier's fixes in that order. A call is sent at once after
 * a pause, then one every 2 ms, or sooner when it is full; two may be under way, so that Redis need
 * not wait for this process nor this process for Redis. The queue is bounded for all and for each courier: over the bound a fix is refused at once, which the caller
 * tells its client (503), never dropped in silence.
 */
import type { Availability, Heard, HeardAnswer } from "shared/availability/availability.ts";
import { FIX_BURST } from "shared/availability/cleaning.ts";
import type { IngestMetrics } from "./metrics.ts";

/** Between two calls that are not full: what comes meanwhile goes together. */
const COMMIT_INTERVAL_MS = 2;
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

interface Waiting {
  readonly heard: Heard;
  /** Fixes, or 1 for a heartbeat. */
  readonly points: number;
  resolve(answer: HeardAnswer): void;
  reject(error: unknown): void;
}

/** The batcher of one partition. */
export class FixBatcher {
  readonly #availability: Availability;
  readonly #metrics: IngestMetrics;
  readonly #queue: Waiting[] = [];
  readonly #queuedOf = new Map<string, number>();
  #queued = 0;
  #inFlight = 0;
  #isDelayed = false;
  #sentAtMs = -Infinity;

  constructor(availability: Availability, metrics: IngestMetrics) {
    this.#availability = availability;
    this.#metrics = metrics;
  }

  /** Submits what was heard; resolves with Redis's answer. @throws QueueFullError at a bound. */
  submit(heard: Heard): Promise<HeardAnswer> {
    const points = Math.max(1, heard.fixes.length);
    const ofCourier = (this.#queuedOf.get(heard.courierId) ?? 0) + points;
    if (this.#queued + points > MAX_QUEUED) {
      return Promise.reject(new QueueFullError(`queued fixes must be <= ${MAX_QUEUED}`));
    }
    if (ofCourier > MAX_QUEUED_PER_COURIER) {
      return Promise.reject(
        new QueueFullError(`a courier's queued fixes must be <= ${MAX_QUEUED_PER_COURIER}`),
      );
    }
    this.#queuedOf.set(heard.courierId, ofCourier);
    this.#queued += points;
    return new Promise((resolve, reject) => {
      this.#queue.push({ heard, points, resolve, reject });
      this.#wake();
    });
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
    while (count < this.#queue.length && points < MAX_BATCH) {
      points += this.#queue[count]?.points ?? 0;
      count++;
    }
    const batch = this.#queue.splice(0, count);
    for (const { heard: { courierId }, points } of batch) {
      const rest = (this.#queuedOf.get(courierId) ?? 0) - points;
      if (rest > 0) this.#queuedOf.set(courierId, rest);
      else this.#queuedOf.delete(courierId);
    }
    this.#queued -= points;
    this.#metrics.batchSize.observe(points);
    return batch;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const startedAtMs = performance.now();
    try {
      const answers = await this.#availability.applyHeard(batch.map(({ heard }) => heard));
      batch.forEach((waiting, index) => {
        const answer = answers[index];
        if (answer === undefined) waiting.reject(new Error("script answered too few codes"));
        else waiting.resolve(answer);
      });
      this.#metrics.commitDuration.observe((performance.now() - startedAtMs) / 1000);
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
    this.#inFlight--;
    // In the same step: nobody else may look before the next fix comes.
    this.#wake();
  }
}
