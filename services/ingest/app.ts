import type { AddressBlock } from "shared/addresses/client_address.ts";
import { LiveConnections } from "shared/auth/live_connections.ts";
import { credentialId, type Principal } from "shared/auth/principal.ts";
import { bearerToken } from "shared/auth/sessions.ts";
import { consumeTicket } from "shared/auth/tickets.ts";
import { withCors } from "shared/http/cors.ts";
import { requireUpgrade } from "shared/http/require_upgrade.ts";
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
import { pathOf, queryOf } from "shared/service/path_of.ts";
import type { Log } from "shared/log/log.ts";
import type { Metrics } from "shared/metrics/metrics.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import { answerMany, answerOne, problemOf } from "./answers.ts";
import { postOwnTracks, takeOsmAnd } from "./device_routes.ts";
import type { IngestMetrics } from "./metrics.ts";
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
import type { FixRecorder } from "./record_fix.ts";
import { deviceOf, requireSender } from "./require_courier.ts";
import { type Begun, ShortWay } from "./short_way.ts";
import type { SilenceWatch } from "./silence_watch.ts";

/** Each route and its methods. */
const METHODS = methodsByPath(INGEST_ROUTES);

export interface IngestDeps {
  readonly recorder: FixRecorder;
  readonly parcels: ParcelRecorder;
  readonly principals: PrincipalCache;
  readonly connections: LiveConnections;
  readonly silenceWatch: SilenceWatch;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly ingestMetrics: IngestMetrics;
  readonly corsOrigins: readonly string[];
  /** Proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly AddressBlock[];
}

/**
 * Ingest as a fetch handler. Plain fixes take a short way (short_way.ts), and all else the long one.
 */
export function createApp(
  deps: IngestDeps,
): { fetch(request: Request, info?: ConnectionInfo): Promise<Response> } {
  const cors = { origins: deps.corsOrigins, requestHeaders: "authorization, content-type" };
  const served = serveRequests(deps, async (request, context): Promise<Response> => {
    const path = pathOf(request.url);
    const methods = METHODS.get(path);
    if (methods === undefined) throw new ProblemError("route.not_found");
    context.route = path;
    if (request.method === "OPTIONS") return new Response(null, { status: 204 });
    if (!methods.includes(request.method)) throw new ProblemError("route.method_not_allowed");
    return await answer(deps, request, context, { path, begun: shortWay.begun(request) });
  });
  const shortWay = new ShortWay(deps, withCors(cors, served));
  return { fetch: (request, info) => shortWay.fetch(request, info) };
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
  if (begun?.recorded !== undefined) {
    const { recorded } = begun;
    return path === LOCATION_PATH ? answerOne(recorded) : answerMany(recorded, recorded.codes, []);
  }
  const maxBytes = path === LOCATION_PATH ? MAX_FIX_BYTES : MAX_BATCH_BYTES;
  if (begun?.isMalformed) throw new ProblemError("request.malformed");
  const input = begun === undefined ? parseJson(await readText(request, maxBytes)) : begun.input;
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
  requireUpgrade(request);
  context.ids["courierId"] = sender.courierId;
  const { recorder, connections, silenceWatch, ingestMetrics: metrics, log } = deps;
  // Not the request's log: ten thousand sockets would keep its names for as long as they live.
  const options = { recorder, connections, silenceWatch, metrics, log, ...sender };
  return openPositionsSocket(request, options);
}

async function socketSender(
  deps: IngestDeps,
  request: Request,
): Promise<{ readonly courierId: string; readonly credentialId: string }> {
  const secret = queryOf(request.url).get("ticket");
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
