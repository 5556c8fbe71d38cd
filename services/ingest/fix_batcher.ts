/**
 * Group commit: fixes that arrive within a few milliseconds go to Redis in one script call, and
 * each caller is answered after Redis has accepted its own fix.
 *
 * Contract: one call per partition runs at a time, so fixes of one courier are applied in the
 * order in which they were submitted. The queue is bounded: over the bound a fix is refused at
 * once, which the caller tells its client (503), never dropped in silence.
 */
import type { Availability, Fix, FixCode } from "shared/availability/availability.ts";
import { pause } from "shared/clock/timeout.ts";
import type { IngestMetrics } from "./metrics.ts";

/** How long the first fix of a batch waits for company. */
const COMMIT_DELAY_MS = 4;
/** A script call blocks Redis for all; 200 fixes take about 1 ms of it. */
const MAX_BATCH = 200;
const MAX_QUEUED = 10_000;

/** Thrown when more fixes wait than the bound allows. */
export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
}

interface Waiting {
  readonly courierId: string;
  readonly fix: Fix;
  resolve(code: FixCode): void;
  reject(error: unknown): void;
}

/** The batcher of one partition. */
export class FixBatcher {
  readonly #availability: Availability;
  readonly #metrics: IngestMetrics;
  #queue: Waiting[] = [];
  #isRunning = false;

  constructor(availability: Availability, metrics: IngestMetrics) {
    this.#availability = availability;
    this.#metrics = metrics;
  }

  /** Submits a fix; resolves with Redis's answer for it. @throws QueueFullError at the bound. */
  submit(courierId: string, fix: Fix): Promise<FixCode> {
    if (this.#queue.length >= MAX_QUEUED) {
      return Promise.reject(new QueueFullError(`queued fixes must be < ${MAX_QUEUED}`));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ courierId, fix, resolve, reject });
      this.#metrics.queued.inc();
      this.#run();
    });
  }

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Never rejects: every failure goes to the callers it concerns.
    void this.#drain();
  }

  async #drain(): Promise<void> {
    await pause(COMMIT_DELAY_MS);
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, MAX_BATCH);
      this.#queue = this.#queue.slice(MAX_BATCH);
      this.#metrics.queued.dec(batch.length);
      await this.#commit(batch);
    }
    // In the same step in which the queue was found empty: a fix that comes later starts anew.
    this.#isRunning = false;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    this.#metrics.batchSize.observe(batch.length);
    try {
      const codes = await this.#availability.applyFixes(batch);
      batch.forEach((waiting, index) => {
        const code = codes[index];
        if (code === undefined) waiting.reject(new Error("script answered too few codes"));
        else waiting.resolve(code);
      });
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
  }
}
