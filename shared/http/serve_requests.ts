/**
 * What every HTTP service does around its routes: a request id and a trace, one log line and two
 * metrics per request, and problems instead of errors.
 */
import type { Log } from "shared/log/log.ts";
import type { Metrics } from "shared/metrics/metrics.ts";
import { type ProblemCode, ProblemError, problemResponse } from "shared/problem/problem.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { currentTrace, inTrace, traceId } from "shared/trace/trace.ts";
import { isUnavailable } from "shared/service/unavailable.ts";
import { type AddressBlock, clientAddressOf } from "shared/addresses/client_address.ts";
import { presentedCredential } from "./presented_credential.ts";

/** One request, as the routes see it. */
export interface RequestContext {
  readonly requestId: string;
  /**
   * Where it came from, through trusted proxies only; one spelling per address. `unknown` where
   * the server did not say, as in tests without a socket.
   */
  readonly clientAddress: string;
  /** With the request id; add ids of what the request is about. */
  readonly log: Log;
  /** The template of the route that matched, set by the router; bounded, for logs and metrics. */
  route: string;
  /** Ids for the log line, such as orderId. */
  readonly ids: Record<string, string>;
  /** Why the request was refused, where it was; set by `errorResponse`. */
  refusedFor?: ProblemCode;
}

/** Refusals that say: you are not who you say, or you may not. */
const AUTH_FAILURES: ReadonlySet<ProblemCode> = new Set([
  "auth.required",
  "auth.invalid_credentials",
  "auth.password_wrong",
  "auth.too_many_attempts",
  "auth.forbidden",
  "auth.scope_missing",
  "auth.session_required",
  "account.suspended",
  "ticket.invalid",
]);

export interface ServeOptions {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Proxies whose `X-Forwarded-For` is believed; nobody's where absent. */
  readonly trustedProxies?: readonly AddressBlock[];
}

/** What `Deno.serve` tells of a connection. */
export interface ConnectionInfo {
  readonly remoteAddr: Deno.Addr;
}

function addressOf(info: ConnectionInfo | undefined): string {
  return info !== undefined && "hostname" in info.remoteAddr ? info.remoteAddr.hostname : "unknown";
}

/** Wraps routes into a handler for `Deno.serve`. */
export function serveRequests(
  options: ServeOptions,
  routes: (request: Request, context: RequestContext) => Response | Promise<Response>,
): (request: Request, info?: ConnectionInfo) => Promise<Response> {
  const serve = async (request: Request, info?: ConnectionInfo) => {
    const startedAtMs = performance.now();
    // Read before the routes run: an upgraded request no longer answers.
    const { method } = request;
    const credential = presentedCredential(request);
    const forwardedFor = request.headers.get("x-forwarded-for");
    const requestId = uuidv7();
    const context: RequestContext = {
      requestId,
      clientAddress: clientAddressOf(
        addressOf(info),
        forwardedFor,
        options.trustedProxies ?? [],
      ),
      log: options.log.with({ requestId, traceId: traceId(currentTrace()) }),
      route: "unmatched",
      ids: {},
    };
    const { response, bytes } = await measured(await answer(request, context, routes));
    const durationMs = performance.now() - startedAtMs;
    const { route } = context;
    options.metrics.httpRequests.inc({ method, route, status: String(response.status) });
    options.metrics.httpDuration.observe({ method, route }, durationMs / 1000);
    const code = context.refusedFor;
    if (code !== undefined && AUTH_FAILURES.has(code)) {
      options.metrics.authFailures.inc({ code, credential });
    }
    context.log.info("request", {
      method,
      route,
      status: response.status,
      durationMs: Math.round(durationMs * 10) / 10,
      bytes,
      ...context.ids,
    });
    if (response.status !== 101) response.headers.set("x-request-id", requestId);
    return response;
  };
  return (request, info) => inTrace(request.headers.get("traceparent"), () => serve(request, info));
}

async function answer(
  request: Request,
  context: RequestContext,
  routes: (request: Request, context: RequestContext) => Response | Promise<Response>,
): Promise<Response> {
  try {
    return await routes(request, context);
  } catch (error) {
    return errorResponse(error, context);
  }
}

/** Turns whatever a route threw into a problem; strangers never see an error's message. */
export function errorResponse(error: unknown, context: RequestContext): Response {
  if (error instanceof ProblemError) {
    context.refusedFor = error.code;
    return problemResponse(error.code, error.extras, context.requestId);
  }
  // A phone lost its network in the middle: nobody here has to look into that.
  if (isCutShort(error)) {
    return errorResponse(
      new ProblemError("request.malformed", { detail: "Cannot read the body: it ended early" }),
      context,
    );
  }
  const { route } = context;
  if (isUnavailable(error)) {
    context.log.warn("a store is unavailable", { route, error: error.message, ...context.ids });
    return problemResponse("service.unavailable", { retryAfterS: 1 }, context.requestId);
  }
  context.log.error("request failed", { route, error, ...context.ids });
  return problemResponse("internal", {}, context.requestId);
}

/** Whether the sender ended before its body did, as the runtime says it. */
function isCutShort(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource && /^Cannot read .*body/.test(error.message);
}

/** Statuses that have no body (Fetch §2.2.3, "null body status"). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/** Counts the bytes of bodies that are whole; streams and upgrades pass untouched. */
async function measured(response: Response): Promise<{ response: Response; bytes: number | null }> {
  const { status, headers } = response;
  const isStream = headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  if (status === 101 || isStream) return { response, bytes: null };
  // Without a look at `body`: that makes a stream of what is a text, to be read piece by piece.
  if (BODILESS.has(status)) return { response, bytes: 0 };
  const body = await response.arrayBuffer();
  const { byteLength: bytes } = body;
  return { response: new Response(bytes === 0 ? null : body, { status, headers }), bytes };
}
