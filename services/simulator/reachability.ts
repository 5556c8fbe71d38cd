import type { Log } from "shared/log/log.ts";

export type ServiceName = "api" | "ingest" | "tracker";

/** Failures among answers are normal in an outage's first seconds; only lasting silence is news. */
const SILENCE_MS = 5_000;
/** An API that has been silent for so long makes `/health` say degraded. */
const DEGRADED_MS = 30_000;

/**
 * Whether the services answer, as seen by all agents together: so that an outage is one line of log
 * and not one per agent and second.
 */
export class Reachability {
  readonly #log: Log;
  readonly #nowMs: () => number;
  readonly #createdAtMs: number;
  readonly #answeredAtMs = new Map<ServiceName, number>();
  readonly #silent = new Set<ServiceName>();

  constructor(log: Log, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
    this.#createdAtMs = nowMs();
  }

  /** Takes note of one call's outcome. */
  note(service: ServiceName, answered: boolean): void {
    const nowMs = this.#nowMs();
    if (answered) {
      this.#answeredAtMs.set(service, nowMs);
      if (this.#silent.delete(service)) this.#log.info("answers again", { target: service });
      return;
    }
    const sinceMs = this.#answeredAtMs.get(service) ?? this.#createdAtMs;
    if (nowMs - sinceMs < SILENCE_MS || this.#silent.has(service)) return;
    this.#silent.add(service);
    this.#log.warn("does not answer", { target: service });
  }

  /** Rejects until the API has answered once: before that the simulator cannot do anything. */
  apiAnsweredOnce(): Promise<void> {
    return this.#answeredAtMs.has("api")
      ? Promise.resolve()
      : Promise.reject(new Error("the API has not answered yet"));
  }

  /** Rejects when the API has not answered for half a minute. */
  apiAnswersNow(): Promise<void> {
    const silentMs = this.#nowMs() - (this.#answeredAtMs.get("api") ?? -Infinity);
    return silentMs <= DEGRADED_MS
      ? Promise.resolve()
      : Promise.reject(new Error(`the API has been silent for ${silentMs} ms`));
  }
}
