import type { AddressBlock } from "shared/addresses/client_address.ts";
import { withCors } from "shared/http/cors.ts";
import { isUpgrade, requireUpgrade } from "shared/http/require_upgrade.ts";
import {
  type ConnectionInfo,
  type RequestContext,
  serveRequests,
} from "shared/http/serve_requests.ts";
import { methodsByPath } from "shared/live_api/service_route.ts";
import { TRACK_PATH, TRACKER_ROUTES } from "shared/live_api/tracker_routes.ts";
import type { Metrics } from "shared/metrics/metrics.ts";
import { listPendingOffers } from "shared/orders/offer_view.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { Redis } from "shared/redis/connect.ts";
import { partitionOf } from "shared/redis/keys.ts";
import { pathOf, queryOf } from "shared/service/path_of.ts";
import { type FollowDeps, TrackFollower } from "./follow_track.ts";
import type { LiveConnections } from "shared/auth/live_connections.ts";
import { openEventStream, openWebSocket, type Sink } from "./sink.ts";
import { parseCursor } from "./track_log.ts";
import { requireChannelCourier, requireTrackViewer, type ViewerDeps } from "./viewer.ts";

export interface TrackerDeps extends FollowDeps, ViewerDeps {
  readonly redis: Redis;
  readonly live: LiveConnections;
  readonly serviceMetrics: Metrics;
  /** Origins whose pages may connect. */
  readonly corsOrigins: readonly string[];
  /** Proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly AddressBlock[];
}

const METHODS = methodsByPath(TRACKER_ROUTES);
const REQUEST_HEADERS = "authorization, x-tracking-token, last-event-id";
const TRACK = new RegExp(`^${TRACK_PATH.replace("{id}", "([^/]+)")}$`);

/** The tracker as a fetch handler. */
export function createApp(
  deps: TrackerDeps,
): { fetch(request: Request, info?: ConnectionInfo): Promise<Response> } {
  const { log, serviceMetrics: metrics, trustedProxies = [] } = deps;
  const options = { log, metrics, trustedProxies };
  const cors = { origins: deps.corsOrigins, requestHeaders: REQUEST_HEADERS };
  const fetch = withCors(
    cors,
    serveRequests(options, async (request, context) => {
      const path = pathOf(request.url);
      const orderId = TRACK.exec(path)?.[1];
      const methods = METHODS.get(orderId === undefined ? path : TRACK_PATH);
      if (methods === undefined) throw new ProblemError("route.not_found");
      context.route = orderId === undefined ? path : "/api/v1/orders/:id/track";
      refuseForeignOrigin(deps, request);
      if (request.method === "OPTIONS") return new Response(null, { status: 204 });
      if (!methods.includes(request.method)) throw new ProblemError("route.method_not_allowed");
      const query = queryOf(request.url);
      if (orderId !== undefined) return await track(deps, request, context, { orderId, query });
      return await courierChannel(deps, request, context, query);
    }),
  );
  return { fetch };
}

async function track(
  deps: TrackerDeps,
  request: Request,
  context: RequestContext,
  { orderId, query }: { orderId: string; query: URLSearchParams },
): Promise<Response> {
  const viewer = await requireTrackViewer(deps, request, query, orderId);
  const { partition, courierId, credentialId } = viewer;
  context.ids["orderId"] = orderId;
  // An EventSource repeats its URL, so the header with where it stopped is the newer of the two.
  const since = parseCursor(request.headers.get("last-event-id") ?? query.get("since"));
  if (isUpgrade(request)) requireUpgrade(request);
  let follower: TrackFollower | undefined;
  let held: { release(): void } | undefined;
  const options = {
    log: context.log,
    metrics: deps.metrics,
    kind: "track" as const,
    onOpen: async (sink: Sink) => {
      if (credentialId !== undefined) {
        held = deps.live.hold(credentialId, sink);
        if (held === undefined) return;
      }
      const isCourier = courierId !== undefined;
      follower = new TrackFollower(deps, { orderId, partition, isCourier }, sink);
      await follower.start(since);
    },
    onClose: () => {
      held?.release();
      follower?.stop();
    },
  };
  if (!isUpgrade(request)) return openEventStream(options);
  return openWebSocket(request, options);
}

/** Offers and assignments of one courier as they happen, after those that wait already. */
async function courierChannel(
  deps: TrackerDeps,
  request: Request,
  context: RequestContext,
  query: URLSearchParams,
): Promise<Response> {
  const { courierId, credentialId } = await requireChannelCourier(deps, request, query);
  requireUpgrade(request);
  const [courier] = await deps.sql<{ region: string; shard: number }[]>`
    select region, shard from couriers where id = ${courierId}`;
  if (courier === undefined) throw new ProblemError("ticket.invalid");
  context.ids["courierId"] = courierId;
  const channel = deps.keys.courierChannel(partitionOf(courier.region, courier.shard), courierId);
  let stop: (() => void) | undefined;
  let held: { release(): void } | undefined;
  let isClosed = false;
  return openWebSocket(request, {
    log: context.log,
    metrics: deps.metrics,
    kind: "courier_channel",
    onOpen: async (sink) => {
      if (credentialId !== undefined) {
        held = deps.live.hold(credentialId, sink);
        if (held === undefined) return;
      }
      // The snapshot must come first: what is heard meanwhile waits.
      let waiting: string[] | undefined = [];
      stop = await deps.channels.listen(
        channel,
        (message) => waiting === undefined ? sink.send(message) : waiting.push(message),
        () => sink.close(1012, "messages may have been missed"),
      );
      if (isClosed) return stop();
      const offers = await listPendingOffers(deps.sql, courierId);
      sink.send(JSON.stringify({ type: "offers", offers }));
      for (const message of waiting) sink.send(message);
      waiting = undefined;
    },
    onClose: () => {
      isClosed = true;
      held?.release();
      stop?.();
    },
  });
}

/** Also of WebSockets, which no browser holds back by itself (OWASP ASVS 4.4.2). */
function refuseForeignOrigin({ corsOrigins }: TrackerDeps, request: Request): void {
  const origin = request.headers.get("origin");
  if (origin === null || corsOrigins.includes(origin)) return;
  throw new ProblemError("auth.forbidden", { detail: "Cannot connect: the origin is not allowed" });
}
