import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import {
  type ConnectionInfo,
  errorResponse,
  type RequestContext,
  serveRequests,
} from "shared/http/serve_requests.ts";
import { ProblemError, problemResponse } from "shared/problem/problem.ts";
import type { GatewayDeps } from "./deps.ts";
import { quotaRefusal } from "./middleware/limits.ts";
import { limitHeaders } from "./middleware/rate_limit_headers.ts";
import { httpCache, PRIVATE } from "./middleware/http_cache.ts";
import { KnownPaths } from "./middleware/known_paths.ts";
import { createRoutes, type GatewayApp, type GatewayContext, type GatewayEnv } from "./http.ts";
import { hasBody } from "./request_body.ts";
import { accountRoutes } from "./routes/account_routes.ts";
import { apiKeyRoutes } from "./routes/api_key_routes.ts";
import { auditRoutes } from "./routes/audit_routes.ts";
import { afterDeliveryRoutes } from "./routes/after_delivery_routes.ts";
import { authRoutes } from "./routes/auth_routes.ts";
import { courierRoutes } from "./routes/courier_routes.ts";
import { courierShiftRoutes } from "./routes/courier_shift_routes.ts";
import { courierWorkRoutes } from "./routes/courier_work_routes.ts";
import { deviceKeyRoutes } from "./routes/device_key_routes.ts";
import { dispatcherRoutes } from "./routes/dispatcher_routes.ts";
import { merchantOrderRoutes } from "./routes/merchant_order_routes.ts";
import { locationRoutes } from "./routes/location_routes.ts";
import { menuRoutes } from "./routes/menu_routes.ts";
import { merchantProfileRoutes } from "./routes/merchant_profile_routes.ts";
import { merchantRoutes } from "./routes/merchant_routes.ts";
import { orderRoutes } from "./routes/order_routes.ts";
import { nearestRoutes } from "./routes/nearest_routes.ts";
import { pageRoutes } from "./routes/page_routes.ts";
import { positionRoutes } from "./routes/position_routes.ts";
import { placeOrderRoutes } from "./routes/place_order_routes.ts";
import { quoteRoutes } from "./routes/quote_routes.ts";
import { referenceRoutes } from "./routes/reference_routes.ts";
import { sessionRoutes } from "./routes/session_routes.ts";
import { tokenRoutes } from "./routes/token_routes.ts";
import { trackTicketRoutes } from "./routes/track_ticket_routes.ts";
import { zoneRoutes } from "./routes/zone_routes.ts";

const MAX_BODY_BYTES = 64 * 1024;
/** Routes that take more. */
const LARGE_BODIES: Readonly<Record<string, number>> = { "/api/v1/orders/batch": 1024 * 1024 };

export interface Gateway {
  fetch(request: Request, info?: ConnectionInfo): Promise<Response>;
  /** What it serves, as the router lists it; middleware has the method `ALL`. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
}

/** The gateway as a fetch handler; everything it touches comes in through `deps`. */
export function createApp(deps: GatewayDeps): Gateway {
  const app = createRoutes();
  useMiddleware(app, deps);
  for (
    const routes of [
      authRoutes(deps),
      sessionRoutes(deps),
      tokenRoutes(deps),
      apiKeyRoutes(deps),
      accountRoutes(deps),
      auditRoutes(deps),
      merchantRoutes(deps),
      merchantProfileRoutes(deps),
      menuRoutes(deps),
      zoneRoutes(deps),
      quoteRoutes(deps),
      placeOrderRoutes(deps),
      orderRoutes(deps),
      afterDeliveryRoutes(deps),
      trackTicketRoutes(deps),
      positionRoutes(deps),
      locationRoutes(deps),
      deviceKeyRoutes(deps),
      merchantOrderRoutes(deps),
      courierRoutes(deps),
      courierShiftRoutes(deps),
      courierWorkRoutes(deps),
      dispatcherRoutes(deps),
      nearestRoutes(deps),
    ]
  ) app.route("/", routes);
  app.route("/", pageRoutes(deps));
  app.route("/", referenceRoutes(app));
  const paths = new KnownPaths(app.routes);
  app.notFound((c) => notFound(c, paths));
  app.onError((error, c) => {
    c.env.context.route = routePath(c, -1);
    if (error instanceof HTTPException) return httpException(error, c.env.context);
    return errorResponse(error, c.env.context);
  });
  const authenticate = (token: string) => deps.credentials.find(token);
  const fetch = serveRequests(
    deps,
    (request, context) => app.fetch(request, { context, authenticate, limits: deps.limits }),
  );
  return { fetch, routes: app.routes };
}

function useMiddleware(app: GatewayApp, deps: GatewayDeps): void {
  app.use(async (c, next) => {
    await next();
    const refusal = quotaRefusal(c);
    if (refusal !== undefined) c.res = refusal;
    const { headers } = c.res;
    for (const [name, value] of Object.entries(limitHeaders(c.env.context))) {
      headers.set(name, value);
    }
    c.env.context.route = routePath(c, -1);
    if (!headers.has("cache-control")) headers.set("cache-control", PRIVATE);
  });
  if (deps.corsOrigins.length > 0) {
    app.use("/api/*", cors({ origin: [...deps.corsOrigins], maxAge: 600 }));
  }
  // Inside of CORS: what is kept is the same for every origin, what CORS adds is not.
  app.use(httpCache(deps.cache));
  app.use("/api/*", async (c, next) => {
    const type = c.req.header("content-type") ?? "";
    if (!/^application\/json\b/i.test(type) && await hasBody(c.req.raw)) {
      throw new ProblemError("request.unsupported_media_type", {
        detail: `Cannot read the body: content-type must be application/json: it is ${
          type || "empty"
        }`,
      });
    }
    await next();
  });
  const usual = limitBody(MAX_BODY_BYTES);
  const large = new Map(
    Object.entries(LARGE_BODIES).map(([path, maxBytes]) => [path, limitBody(maxBytes)]),
  );
  app.use("/api/*", (c, next) => (large.get(c.req.path) ?? usual)(c, next));
}

function limitBody(maxBytes: number): MiddlewareHandler<GatewayEnv> {
  const refuse = (c: Context) =>
    problemResponse("request.too_large", {
      detail: `Cannot read the body: it must be <= ${maxBytes} bytes`,
    }, (c.env as { context: RequestContext }).context.requestId);
  const counted = bodyLimit({ maxSize: maxBytes, onError: refuse });
  return async (c, next) => {
    const { headers } = c.req.raw;
    const length = headers.get("content-length");
    // The framework's way looks at `body` first, which makes a stream of what the server has whole.
    if (length === null || headers.has("transfer-encoding")) return await counted(c, next);
    if (Number(length) > maxBytes) return refuse(c);
    await next();
  };
}

/** No such path, or not with this method. */
function notFound(c: GatewayContext, paths: KnownPaths): Response {
  const { requestId } = c.env.context;
  const allowed = paths.methodsOf(c.req.path);
  if (allowed.length === 0) return problemResponse("route.not_found", {}, requestId);
  const detail = `Cannot answer: the method must be ${allowed.join(" or ")}: it is ${c.req.method}`;
  const response = problemResponse("route.method_not_allowed", { detail }, requestId);
  response.headers.set("allow", allowed.join(", "));
  return response;
}

/** What the framework itself refuses: malformed JSON; everything else it throws is an answer. */
function httpException(error: HTTPException, context: RequestContext): Response {
  if (error.res !== undefined) return error.res;
  if (error.status === 400) return problemResponse("request.malformed", {}, context.requestId);
  return errorResponse(error, context);
}
