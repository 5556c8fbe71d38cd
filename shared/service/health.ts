/** Liveness, readiness and overall health of one process. */

import { withTimeout } from "shared/clock/timeout.ts";

/** A dependency check; throws or rejects when the dependency does not answer. */
export type HealthCheck = () => Promise<unknown>;

export interface HealthCheckOptions {
  /** A required dependency makes the process unready; another only degrades it. */
  readonly required: boolean;
}

const CHECK_TIMEOUT_MS = 1_000;

interface CheckResult {
  readonly ok: boolean;
  readonly durationMs: number;
}

/** The state machine behind the three health routes. */
export class Health {
  #phase: "starting" | "running" | "stopping" = "starting";
  readonly #startedAtMs: number;
  readonly #now: () => number;
  readonly #checks = new Map<string, { check: HealthCheck; required: boolean }>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedAtMs = now();
  }

  /** Registers a dependency under a name shown in the answer. */
  add(name: string, check: HealthCheck, options: HealthCheckOptions): void {
    this.#checks.set(name, { check, required: options.required });
  }

  started(): void {
    if (this.#phase === "starting") this.#phase = "running";
  }

  /** From now on readiness fails, so that load balancers stop sending work before it is refused. */
  stopping(): void {
    this.#phase = "stopping";
  }

  /** Answers `/health`, `/health/live` and `/health/ready`; undefined for any other path. */
  async respond(path: string): Promise<Response | undefined> {
    if (path === "/health/live") return this.#answer(200, "live", {});
    if (path !== "/health/ready" && path !== "/health") return undefined;
    const { checks, unready, degraded } = await this.#run();
    const up = this.#phase === "running" && !unready;
    if (path === "/health/ready") {
      return this.#answer(up ? 200 : 503, up ? "ready" : "unready", checks);
    }
    const status = !up ? "unavailable" : degraded ? "degraded" : "ok";
    return this.#answer(up ? 200 : 503, status, checks);
  }

  async #run() {
    const checks: Record<string, CheckResult> = {};
    let unready = false;
    let degraded = false;
    await Promise.all([...this.#checks].map(async ([name, { check, required }]) => {
      const startedAtMs = this.#now();
      const ok = await succeeds(name, check);
      checks[name] = { ok, durationMs: Math.round(this.#now() - startedAtMs) };
      if (!ok && required) unready = true;
      if (!ok) degraded = true;
    }));
    return { checks, unready, degraded };
  }

  #answer(httpStatus: number, status: string, checks: Record<string, CheckResult>): Response {
    const uptimeS = Math.floor((this.#now() - this.#startedAtMs) / 1000);
    return Response.json({ status, phase: this.#phase, uptimeS, checks }, {
      status: httpStatus,
      headers: { "cache-control": "no-store" },
    });
  }
}

/** Whether the check succeeds inside its time; its reason is the dependency's own log's business. */
async function succeeds(name: string, check: HealthCheck): Promise<boolean> {
  try {
    await withTimeout(`health check ${name}`, CHECK_TIMEOUT_MS, check());
    return true;
  } catch {
    return false; // The answer is the `false`: health reports it, and alerts act on it.
  }
}
