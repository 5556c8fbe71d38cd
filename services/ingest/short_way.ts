/**
 * The way of plain fixes, one or a batch, with which all is well: nothing is looked at twice, and
 * there is no line in the log for them (metrics count them). Whatever is unusual about a request
 * goes the long way, which words the answer.
 *
 * What it leaves out was measured: to ask whether a header is there copies all of them, and an
 * answer whose headers are more than the type of its content is put together from scratch.
 */
import type { Fix } from "shared/availability/fix.ts";
import { Tally } from "shared/metrics/tally.ts";
import type { Metrics } from "shared/metrics/metrics.ts";
import type { ConnectionInfo } from "shared/http/serve_requests.ts";
import { MAX_BATCH_POINTS } from "shared/live_api/fix_schemas.ts";
import { LOCATION_PATH, LOCATIONS_PATH } from "shared/live_api/ingest_routes.ts";
import { pathOf } from "shared/service/path_of.ts";
import { readPlainFix } from "./parse_fix.ts";
import { MAX_BATCH_BYTES, MAX_FIX_BYTES } from "./post_positions.ts";
import type { PrincipalCache } from "./principal_cache.ts";
import type { FixRecorder, Recorded, RecordListener } from "./record_fix.ts";

const METHOD = "POST";
/**
 * Passes over a byte order mark, with which firmwares of devices begin their JSON (RFC 8259 §8.1
 * lets a reader do so). The runtime's own way to read a body as JSON does not, though it is faster:
 * 1 µs of a request.
 */
const UTF8 = new TextDecoder();
const JSON_TYPE = { headers: { "content-type": "application/json" } };

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

/** What the routes of the short way differ in. */
interface Route {
  readonly path: string;
  readonly maxBytes: number;
  /** Fixes that are certainly good; undefined where the long way has to look. */
  read(input: unknown): readonly Fix[] | undefined;
  /** What is answered where so many were accepted. */
  accepted(count: number): string;
}

const ONE: Route = {
  path: LOCATION_PATH,
  maxBytes: MAX_FIX_BYTES,
  read(input) {
    const fix = readPlainFix(input);
    return fix === undefined ? undefined : [fix];
  },
  accepted: () => '{"accepted":true}',
};

/** By the number of points, which is bounded: the same hundred words need not be written anew. */
const MANY_ACCEPTED = Array.from({ length: MAX_BATCH_POINTS + 1 }, (_, count) => {
  return JSON.stringify({ accepted: count, results: Array(count).fill("accepted") });
});

const MANY: Route = {
  path: LOCATIONS_PATH,
  maxBytes: MAX_BATCH_BYTES,
  read: readPlainBatch,
  accepted: (count) => MANY_ACCEPTED[count] ?? "",
};

type Fetch = (request: Request, info?: ConnectionInfo) => Promise<Response>;

export class ShortWay {
  readonly #deps: ShortWayDeps;
  readonly #longWay: Fetch;
  readonly #begun = new WeakMap<Request, Begun>();
  readonly #answered = new Tally<string>();
  readonly #durations: ReadonlyMap<Route, { observe(durationS: number): void }>;

  constructor(deps: ShortWayDeps, longWay: Fetch) {
    this.#deps = deps;
    this.#longWay = longWay;
    const { httpRequests, httpDuration, beforeRead } = deps.metrics;
    this.#durations = new Map(
      [ONE, MANY].map((route) => [
        route,
        httpDuration.labels({ method: METHOD, route: route.path }),
      ]),
    );
    beforeRead.add(() =>
      this.#answered.moveTo(httpRequests, (route) => ({ method: METHOD, route, status: "200" }))
    );
  }

  /** What was done of a request that came to the long way from here. */
  begun(request: Request): Begun | undefined {
    return this.#begun.get(request);
  }

  fetch(request: Request, info?: ConnectionInfo): Promise<Response> {
    const route = routeOf(request);
    const authorization = route && request.headers.get("authorization");
    if (route === undefined || typeof authorization !== "string") {
      return this.#longWay(request, info);
    }
    const { principals } = this.#deps;
    const known = principals.peekSender(authorization);
    if (known !== undefined) return this.#answer(request, { route, courierId: known }, info);
    const asked = principals.askSender(authorization);
    if (asked === undefined) return this.#longWay(request, info);
    return asked.then(
      (courierId) =>
        courierId === undefined
          ? this.#longWay(request, info)
          : this.#answer(request, { route, courierId }, info),
      // It asks again, and words what fails.
      () => this.#longWay(request, info),
    );
  }

  #answer(
    request: Request,
    about: { readonly route: Route; readonly courierId: string },
    info: ConnectionInfo | undefined,
  ): Promise<Response> {
    return new Promise((resolve) => {
      const post = new PlainPost(this.#deps.recorder, about, (begun) => {
        if (typeof begun === "number") return resolve(this.#accepted(post, begun));
        this.#begun.set(request, begun);
        resolve(this.#longWay(request, info));
      });
      request.bytes().then((body) => post.record(body), (error) => post.failed(error));
    });
  }

  #accepted({ route, startedAtMs }: PlainPost, count: number): Response {
    this.#answered.add(route.path);
    this.#durations.get(route)?.observe((performance.now() - startedAtMs) / 1000);
    return new Response(route.accepted(count), JSON_TYPE);
  }
}

/**
 * One request on the short way, and the one who listens to what becomes of its fixes: it lives
 * until Redis has answered, as all that hangs on it, so it is one object and no chain of promises.
 */
class PlainPost implements RecordListener {
  readonly route: Route;
  readonly startedAtMs = performance.now();
  readonly #recorder: FixRecorder;
  readonly #courierId: string;
  /** Called once: how many fixes were accepted when nothing more is to be said, or what was done. */
  readonly #end: (begun: number | Begun) => void;
  #input: unknown;
  #isRead = false;

  constructor(
    recorder: FixRecorder,
    { route, courierId }: { readonly route: Route; readonly courierId: string },
    end: (begun: number | Begun) => void,
  ) {
    this.#recorder = recorder;
    this.route = route;
    this.#courierId = courierId;
    this.#end = end;
  }

  record(body: Uint8Array): void {
    try {
      const input: unknown = JSON.parse(UTF8.decode(body));
      this.#input = input;
      this.#isRead = true;
      const fixes = this.route.read(input);
      if (fixes === undefined) this.#end({ input });
      else this.#recorder.hear(this.#courierId, fixes, this);
    } catch (error) {
      this.failed(error);
    }
  }

  recorded(recorded: Recorded): void {
    this.#end(isPlain(recorded) ? recorded.codes.length : { input: this.#input, recorded });
  }

  failed(failure: unknown): void {
    if (this.#isRead) return this.#end({ input: this.#input, failure });
    this.#end(failure instanceof SyntaxError ? { isMalformed: true } : { failure });
  }
}

/** The route of a request that is as most are, but for who sends it. */
function routeOf({ method, url, headers }: Request): Route | undefined {
  if (method !== METHOD) return undefined;
  const path = pathOf(url);
  const route = path === ONE.path ? ONE : path === MANY.path ? MANY : undefined;
  if (route === undefined || headers.get("origin") !== null) return undefined;
  // A body whose length is told is no longer than that: the server sees to it.
  const length = Number(headers.get("content-length") ?? "0");
  return length > 0 && length <= route.maxBytes ? route : undefined;
}

function isPlain({ codes, clamped, isDegraded, retryAfterMs }: Recorded): boolean {
  if (clamped > 0 || isDegraded || retryAfterMs !== undefined) return false;
  for (const code of codes) if (code !== "accepted") return false;
  return true;
}

/** The points of a body where all of them are certainly good. */
function readPlainBatch(input: unknown): Fix[] | undefined {
  const points = typeof input === "object" && input !== null && "positions" in input
    ? input.positions
    : undefined;
  if (!Array.isArray(points) || points.length < 1 || points.length > MAX_BATCH_POINTS) {
    return undefined;
  }
  const fixes: Fix[] = [];
  for (const point of points) {
    const fix = readPlainFix(point);
    if (fix === undefined) return undefined;
    fixes.push(fix);
  }
  return fixes;
}
