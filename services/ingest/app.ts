import type { AddressBlock } from "shared/addresses/client_address.ts";
import { LiveConnections } from "shared/auth/live_connections.ts";
import { credentialId, type Principal } from "shared/auth/principal.ts";
import { bearerToken } from "shared/auth/sessions.ts";
import { consumeTicket } from "shared/auth/tickets.ts";
import {
  type ConnectionInfo,
  type RequestContext,
  serveRequests,
} from "shared/http/serve_requests.ts";
import {
  INGEST_ROUTES,
  LOCATION_PATH,
  OSMAND_PATH,
  OWNTRACKS_PATH,
  POSITIONS_PATH,
} from "shared/live_api/ingest_routes.ts";
import { methodsByPath } from "shared/live_api/service_route.ts";
import { pathOf } from "shared/service/path_of.ts";
import type { Log } from "shared/log/log.ts";
import type { Metrics } from "shared/metrics/metrics.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import { answerOne, problemOf } from "./answers.ts";
import { postOwnTracks, takeOsmAnd } from "./device_routes.ts";
import type { IngestMetrics } from "./metrics.ts";
import { readPlainFix } from "./parse_fix.ts";
import { openPositionsSocket } from "./positions_socket.ts";
import type { ParcelRecorder } from "./parcel_recorder.ts";
import {
  MAX_BATCH_BYTES,
  MAX_FIX_BYTES,
  postMany,
  postOne,
  type Sender,
} from "./post_positions.ts";
import type { PrincipalCache } from "./principal_cache.ts";
import { parseJson, readText } from "./read_body.ts";
import type { FixRecorder, Recorded } from "./record_fix.ts";
import { deviceOf, requireSender } from "./require_courier.ts";

/** Each route and its methods. */
const METHODS = methodsByPath(INGEST_ROUTES);

const ACCEPTED = '{"accepted":true}';
const JSON_HEADERS = { headers: [["content-type", "application/json"]] } satisfies ResponseInit;

export interface IngestDeps {
  readonly recorder: FixRecorder;
  readonly parcels: ParcelRecorder;
  readonly principals: PrincipalCache;
  readonly connections: LiveConnections;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly ingestMetrics: IngestMetrics;
  readonly corsOrigins: readonly string[];
  /** Proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly AddressBlock[];
}

/** What the short way had done of a request before it gave it to the long one. */
interface Begun {
  readonly text: string;
  readonly recorded?: Recorded;
  readonly failure?: unknown;
}

/**
 * Ingest as a fetch handler.
 *
 * A single fix takes a short way as long as all is well: nothing is looked at twice, and there is
 * no line in the log for it (metrics count it). Whatever is unusual about it goes the long way,
 * which words the answer.
 */
export function createApp(
  deps: IngestDeps,
): { fetch(request: Request, info?: ConnectionInfo): Promise<Response> } {
  const begun = new WeakMap<Request, Begun>();
  const slow = serveRequests(deps, async (request, context) => {
    const path = pathOf(request.url);
    const methods = METHODS.get(path);
    if (methods === undefined) throw new ProblemError("route.not_found");
    context.route = path;
    const cors = corsHeaders(deps, request);
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: cors });
    if (!methods.includes(request.method)) throw new ProblemError("route.method_not_allowed");
    const response = await answer(deps, request, context, { path, begun: begun.get(request) });
    for (const [name, value] of Object.entries(cors)) response.headers.set(name, value);
    return response;
  });
  const fetch = async (request: Request, info?: ConnectionInfo): Promise<Response> => {
    const courierId = request.method === "POST" && pathOf(request.url) === LOCATION_PATH
      ? plainSender(deps, request)
      : undefined;
    if (courierId === undefined) return await slow(request, info);
    const startedAtMs = performance.now();
    const text = await request.text();
    const done = await recordPlain(deps, courierId, text);
    if (done !== undefined) {
      begun.set(request, done);
      return await slow(request, info);
    }
    const { metrics } = deps;
    metrics.httpRequests.inc({ method: "POST", route: LOCATION_PATH, status: "200" });
    const durationS = (performance.now() - startedAtMs) / 1000;
    metrics.httpDuration.observe({ method: "POST", route: LOCATION_PATH }, durationS);
    return new Response(ACCEPTED, JSON_HEADERS);
  };
  return { fetch };
}

/** The courier of a request that is as most are; undefined where the long way has to look. */
function plainSender({ principals }: IngestDeps, { headers }: Request): string | undefined {
  // A body whose length is told is no longer than that: the server sees to it.
  const length = Number(headers.get("content-length") ?? "0");
  if (!(length > 0 && length <= MAX_FIX_BYTES) || headers.has("origin")) return undefined;
  const token = bearerToken(headers.get("authorization"));
  return token === undefined ? undefined : principals.peekSender(token);
}

/** Records a fix; undefined when it was accepted and nothing more is to be said. */
async function recordPlain(
  { recorder }: IngestDeps,
  courierId: string,
  text: string,
): Promise<Begun | undefined> {
  let fix: ReturnType<typeof readPlainFix>;
  try {
    fix = readPlainFix(JSON.parse(text));
  } catch {
    // No JSON: the long way says so.
    return { text };
  }
  if (fix === undefined) return { text };
  try {
    const recorded = await recorder.record(courierId, [fix]);
    const isPlain = recorded.codes[0] === "accepted" && recorded.clamped === 0 &&
      !recorded.isDegraded;
    return isPlain ? undefined : { text, recorded };
  } catch (failure) {
    return { text, failure };
  }
}

async function answer(
  deps: IngestDeps,
  request: Request,
  context: RequestContext,
  { path, begun }: { readonly path: string; readonly begun: Begun | undefined },
): Promise<Response> {
  const findPrincipal = (token: string) => deps.principals.find(token);
  const senderOf = (principal: Principal | undefined) => requireAnySender(deps, principal, context);
  if (path === OWNTRACKS_PATH) return await postOwnTracks({ findPrincipal, senderOf }, request);
  if (path === OSMAND_PATH) return await takeOsmAnd({ findPrincipal, senderOf }, request);
  if (path === POSITIONS_PATH) return await openSocket(deps, request, context);
  const token = bearerToken(request.headers.get("authorization"));
  const sender = senderOf(token === undefined ? undefined : await findPrincipal(token));
  if (begun?.failure !== undefined) throw problemOf(begun.failure, context.log);
  if (begun?.recorded !== undefined) return answerOne(begun.recorded);
  const maxBytes = path === LOCATION_PATH ? MAX_FIX_BYTES : MAX_BATCH_BYTES;
  const input = parseJson(begun?.text ?? await readText(request, maxBytes));
  return path === LOCATION_PATH ? await postOne(sender, input) : await postMany(sender, input);
}

/** A courier, or a device that travels with an order. @throws ProblemError for anybody else. */
function requireAnySender(
  { recorder, parcels }: IngestDeps,
  principal: Principal | undefined,
  { ids, log }: RequestContext,
): Sender {
  const device = deviceOf(principal);
  if (device !== undefined) {
    ids["orderId"] = device.orderId;
    return { log, record: (fixes) => parcels.record(device, fixes) };
  }
  const { accountId } = requireSender(principal);
  ids["courierId"] = accountId;
  return { log, record: (fixes) => recorder.record(accountId, fixes) };
}

/** A courier's WebSocket: by a ticket in the URL (browsers), or a token in the header (apps). */
async function openSocket(
  deps: IngestDeps,
  request: Request,
  context: RequestContext,
): Promise<Response> {
  refuseForeignOrigin(deps, request);
  const sender = await socketSender(deps, request);
  // A stranger learns nothing about its own mistakes.
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    throw new ProblemError("request.invalid", {
      errors: [{ field: "upgrade", bound: "must be websocket" }],
    });
  }
  context.ids["courierId"] = sender.courierId;
  const { recorder, connections, ingestMetrics: metrics } = deps;
  const options = { recorder, connections, metrics, log: context.log, ...sender };
  return openPositionsSocket(request, options);
}

async function socketSender(
  deps: IngestDeps,
  request: Request,
): Promise<{ readonly courierId: string; readonly credentialId: string }> {
  const secret = new URL(request.url).searchParams.get("ticket");
  if (secret !== null) {
    const ticket = await consumeTicket(deps.redis, deps.keys, secret);
    if (ticket?.kind !== "courier_positions") throw new ProblemError("ticket.invalid");
    return { courierId: ticket.courierId, credentialId: ticket.credentialId };
  }
  const token = bearerToken(request.headers.get("authorization"));
  const principal: Principal = requireSender(
    token === undefined ? undefined : await deps.principals.find(token),
  );
  return {
    courierId: principal.accountId,
    credentialId: credentialId(principal.credential),
  };
}

/** Browsers let any page open a WebSocket; we do not (OWASP ASVS 4.4.2). */
function refuseForeignOrigin({ corsOrigins }: IngestDeps, request: Request): void {
  const origin = request.headers.get("origin");
  if (origin === null || corsOrigins.includes(origin)) return;
  throw new ProblemError("auth.forbidden", { detail: "Cannot connect: the origin is not allowed" });
}

function corsHeaders(deps: IngestDeps, request: Request): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origin === null || !deps.corsOrigins.includes(origin)) return {};
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
    "vary": "Origin",
  };
}
