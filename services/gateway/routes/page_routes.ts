/** The console's static files and the street map they draw. */
import { Hono } from "hono";
import { problemResponse } from "shared/problem/problem.ts";
import type { GatewayDeps } from "../deps.ts";
import type { GatewayContext, GatewayEnv } from "../http.ts";

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
};
const ASSET_NAME = /^[a-z0-9_-]+\.([a-z]+)$/;

/** Pages load nothing from elsewhere and run no inline script. */
const PAGE_HEADERS = {
  "content-security-policy": "default-src 'self'; connect-src 'self' ws: wss: http: https:; " +
    "img-src 'self' data:; style-src 'self'; script-src 'self'; frame-ancestors 'none'; " +
    "base-uri 'none'; form-action 'self'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Everything that is not the API. */
export function pageRoutes(deps: GatewayDeps) {
  const routes = new Hono<GatewayEnv>();
  routes.get("/", (c) => asset(deps, c, "home.html"));
  routes.get("/t/:orderId", (c) => asset(deps, c, "track.html"));
  routes.get("/favicon.ico", (c) => asset(deps, c, "favicon.svg"));
  routes.get("/assets/:name", (c) => asset(deps, c, c.req.param("name")));
  routes.get("/api/v1/map/:regionId", (c) => {
    const streets = deps.streets.get(c.req.param("regionId"));
    if (streets === undefined) return problemResponse("region.not_found");
    const isGzip = /\bgzip\b/.test(c.req.header("accept-encoding") ?? "");
    return new Response(isGzip ? streets.mapGzip : gunzip(streets.mapGzip), {
      headers: {
        "content-type": "application/json",
        "vary": "Accept-Encoding",
        ...(isGzip ? { "content-encoding": "gzip" } : {}),
        // Tagged once: the map is large. The two spellings are different bytes.
        etag: isGzip ? streets.mapTag : streets.mapTag.replace(/"$/, '-plain"'),
      },
    });
  });
  routes.get("/api/v1/demo", async (c) => {
    const [region] = await deps.regions.all();
    if (deps.demoPassword === undefined || region === undefined) {
      return problemResponse("route.not_found");
    }
    const email = `customer-1@${region.id}.demo`;
    return c.json({
      enabled: true,
      regionId: region.id,
      customer: { email, password: deps.demoPassword },
    });
  });
  return routes;
}

function gunzip(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
}

async function asset(deps: GatewayDeps, c: GatewayContext, name: string): Promise<Response> {
  const type = CONTENT_TYPES[ASSET_NAME.exec(name)?.[1] ?? ""];
  const bytes = type === undefined ? undefined : await deps.readAsset(name);
  if (type === undefined || bytes === undefined) {
    return problemResponse("route.not_found", {}, c.env.context.requestId);
  }
  return new Response(bytes, {
    headers: { ...PAGE_HEADERS, "content-type": type },
  });
}
