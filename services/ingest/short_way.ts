/**
 * The way of a single fix with which all is well: nothing is looked at twice, and there is no line
 * in the log for it (metrics count it). Whatever is unusual about it goes the long way, which words
 * the answer.
 *
 * What it leaves out was measured: to ask whether a header is there copies all of them, a body as
 * text is read by a slower way of the runtime's than as JSON, and an answer whose headers are
 * more than the type that `Response.json` gives is put together from scratch.
 */
import { Tally } from "shared/metrics/tally.ts";
import type { Metrics } from "shared/metrics/metrics.ts";
import type { ConnectionInfo } from "shared/http/serve_requests.ts";
import { LOCATION_PATH } from "shared/live_api/ingest_routes.ts";
import { pathOf } from "shared/service/path_of.ts";
import { readPlainFix } from "./parse_fix.ts";
import { MAX_FIX_BYTES } from "./post_positions.ts";
import type { PrincipalCache } from "./principal_cache.ts";
import type { FixRecorder, Recorded } from "./record_fix.ts";

const ACCEPTED = { accepted: true };

/** What the short way had done of a request before it gave it to the long one. */
export interface Begun {
  /** The body, which can be read only once. */
  readonly input?: unknown;
  readonly isMalformed?: boolean;
  readonly recorded?: Recorded;
  readonly failure?: unknown;
}

export interface ShortWayDeps {
  readonly recorder: FixRecorder;
  readonly principals: PrincipalCache;
  readonly metrics: Metrics;
}

type Fetch = (request: Request, info?: ConnectionInfo) => Promise<Response>;

export class ShortWay {
  readonly #deps: ShortWayDeps;
  readonly #longWay: Fetch;
  readonly #begun = new WeakMap<Request, Begun>();
  readonly #answered = new Tally<typeof LOCATION_PATH>();
  readonly #duration: { observe(durationS: number): void };

  constructor(deps: ShortWayDeps, longWay: Fetch) {
    this.#deps = deps;
    this.#longWay = longWay;
    const { httpRequests, httpDuration, beforeRead } = deps.metrics;
    this.#duration = httpDuration.labels({ method: "POST", route: LOCATION_PATH });
    beforeRead.add(() =>
      this.#answered.moveTo(httpRequests, (route) => ({ method: "POST", route, status: "200" }))
    );
  }

  /** What was done of a request that came to the long way from here. */
  begun(request: Request): Begun | undefined {
    return this.#begun.get(request);
  }

  fetch(request: Request, info?: ConnectionInfo): Promise<Response> {
    const authorization = isPlain(request) ? request.headers.get("authorization") : null;
    if (authorization === null) return this.#longWay(request, info);
    const { principals } = this.#deps;
    const courierId = principals.peekSender(authorization);
    if (courierId !== undefined) return this.#record(request, courierId, info);
    const asked = principals.askSender(authorization);
    if (asked === undefined) return this.#longWay(request, info);
    return asked.then(
      (found) =>
        found === undefined ? this.#longWay(request, info) : this.#record(request, found, info),
      // It asks again, and words what fails.
      () => this.#longWay(request, info),
    );
  }

  async #record(
    request: Request,
    courierId: string,
    info: ConnectionInfo | undefined,
  ): Promise<Response> {
    const startedAtMs = performance.now();
    const begun = await this.#begin(request, courierId);
    if (begun !== undefined) {
      this.#begun.set(request, begun);
      return await this.#longWay(request, info);
    }
    this.#answered.add(LOCATION_PATH);
    this.#duration.observe((performance.now() - startedAtMs) / 1000);
    return Response.json(ACCEPTED);
  }

  /** Records the fix; undefined when it was accepted and nothing more is to be said. */
  async #begin(request: Request, courierId: string): Promise<Begun | undefined> {
    let input: unknown;
    try {
      input = await request.json();
    } catch (error) {
      if (error instanceof SyntaxError) return { isMalformed: true };
      throw error;
    }
    const fix = readPlainFix(input);
    if (fix === undefined) return { input };
    try {
      const recorded = await this.#deps.recorder.record(courierId, [fix]);
      const isPlain = recorded.codes[0] === "accepted" && recorded.clamped === 0 &&
        !recorded.isDegraded;
      return isPlain ? undefined : { input, recorded };
    } catch (failure) {
      return { input, failure };
    }
  }
}

/** Whether a request is as most are, but for who sends it. */
function isPlain({ method, url, headers }: Request): boolean {
  if (method !== "POST" || pathOf(url) !== LOCATION_PATH) return false;
  // A body whose length is told is no longer than that: the server sees to it.
  const length = Number(headers.get("content-length") ?? "0");
  return length > 0 && length <= MAX_FIX_BYTES && headers.get("origin") === null;
}
