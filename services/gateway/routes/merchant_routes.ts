import { createRoute, z } from "@hono/zod-openapi";
import { ProblemError } from "shared/problem/problem.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, problems } from "../http.ts";
import {
  idParam,
  limitQuery,
  listOf,
  menuItemSchema,
  merchantSchema,
  regionSchema,
} from "../schemas.ts";
import { findMerchant, listMenu, listMerchants, type Merchant } from "../stores/merchant_store.ts";

const DEFAULT_RADIUS_M = 10_000;
const MAX_RADIUS_M = 100_000;

const regions = createRoute({
  method: "get",
  path: "/api/v1/regions",
  tags: ["catalogue"],
  summary: "Where orders are served",
  responses: { 200: answers("All regions", listOf(regionSchema)) },
});

const list = createRoute({
  method: "get",
  path: "/api/v1/merchants",
  tags: ["catalogue"],
  summary: "Merchants, the nearest first when a place is given",
  request: {
    query: z.strictObject({
      lat: z.coerce.number().min(-85).max(85).optional(),
      lon: z.coerce.number().min(-180).max(180).optional(),
      radiusM: z.coerce.number().min(1).max(MAX_RADIUS_M).default(DEFAULT_RADIUS_M),
      limit: limitQuery,
    }).refine((query) => (query.lat === undefined) === (query.lon === undefined), {
      path: ["lat"],
      message: "must come together with lon",
    }),
  },
  responses: {
    200: answers("Merchants", listOf(merchantSchema)),
    ...problems("request.invalid"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/v1/merchants/{id}",
  tags: ["catalogue"],
  summary: "One merchant",
  request: { params: idParam },
  responses: {
    200: answers("The merchant", merchantSchema),
    ...problems("request.invalid", "merchant.not_found"),
  },
});

const menu = createRoute({
  method: "get",
  path: "/api/v1/merchants/{id}/menu",
  tags: ["catalogue"],
  summary: "What a merchant sells",
  request: { params: idParam },
  responses: {
    200: answers("Menu items", listOf(menuItemSchema)),
    ...problems("request.invalid", "merchant.not_found"),
  },
});

/** Regions, merchants and menus: what anybody may read. */
export function merchantRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(regions, async (c) => {
    const items = (await deps.regions.all()).map(({ id, name, timeZone, currency, bounds }) => ({
      id,
      name,
      timeZone,
      currency,
      bounds,
    }));
    return c.json({ items }, 200);
  });
  routes.openapi(list, async (c) => {
    const { lat, lon, radiusM, limit } = c.req.valid("query");
    const near = lat === undefined || lon === undefined ? {} : { near: { lat, lon } };
    const items = await listMerchants(deps.sql, { ...near, radiusM, limit });
    return c.json({ items: items.map(merchantJson) }, 200);
  });
  routes.openapi(one, async (c) => {
    const merchant = await requireMerchant(deps, c.req.valid("param").id);
    return c.json(merchantJson(merchant), 200);
  });
  routes.openapi(menu, async (c) => {
    const merchant = await requireMerchant(deps, c.req.valid("param").id);
    const region = await deps.regions.find(merchant.region);
    const items = await listMenu(deps.sql, merchant.id);
    const currency = region?.currency ?? "";
    return c.json({ items: items.map((item) => ({ ...item, currency })) }, 200);
  });
  return routes;
}

async function requireMerchant(deps: GatewayDeps, id: string): Promise<Merchant> {
  const merchant = await findMerchant(deps.sql, id);
  if (merchant === undefined) throw new ProblemError("merchant.not_found");
  return merchant;
}

function merchantJson({ region, ...merchant }: Merchant & { distanceM?: number }) {
  return { ...merchant, regionId: region };
}
