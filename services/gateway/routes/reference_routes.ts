/** The API's description of itself, as a document and as a page. */
import { Hono } from "hono";
import type { GatewayApp, GatewayEnv } from "../http.ts";
import { describeApi } from "../openapi/describe.ts";
import type { OpenApiDocument } from "../openapi/document.ts";
import { referencePage } from "../openapi/reference_page.ts";
import { REFERENCE_STYLE } from "../openapi/reference_style.ts";

const STYLE_PATH = "/api/v1/docs/reference.css";
/** The page has no script and loads nothing but its style sheet. */
const PAGE_HEADERS = {
  "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Documents the routes that `app` has, these included. Add it last. */
export function referenceRoutes(app: GatewayApp) {
  const routes = new Hono<GatewayEnv>();
  // Made when first asked for: a service that starts should not wait for them.
  const document = once(() => describeApi(app));
  const json = once(() => JSON.stringify(document()));
  const page = once(() => referencePage(document(), STYLE_PATH));
  routes.get("/api/v1/openapi.json", (c) => {
    return c.body(json(), 200, { "content-type": "application/json" });
  });
  routes.get("/api/v1/docs", (c) => {
    return c.body(page(), 200, { ...PAGE_HEADERS, "content-type": "text/html; charset=utf-8" });
  });
  routes.get(STYLE_PATH, (c) => {
    const headers = { ...PAGE_HEADERS, "content-type": "text/css; charset=utf-8" };
    return c.body(REFERENCE_STYLE, 200, headers);
  });
  return routes;
}

function once<Value extends OpenApiDocument | string>(make: () => Value): () => Value {
  let value: Value | undefined;
  return () => value ??= make();
}
