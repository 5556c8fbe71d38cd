import { createRoute, z } from "@hono/zod-openapi";
import { ProblemError } from "shared/problem/problem.ts";
import {
  categoryCountSchema,
  categorySchema,
  menuSchema,
  merchantDetailsSchema,
  merchantSchema,
  numberQuery,
  regionIdSchema,
} from "../catalogue_schemas.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, problems } from "../http.ts";
import { merchantDetailsJson, merchantJson } from "../merchant_json.ts";
import { cursorOf, cursorQuery, parseCursor } from "../page_cursor.ts";
import { idParam, limitQuery, listOf, pageOf, regionSchema, words } from "../schemas.ts";
import { listMenu, listMenuCategories } from "../stores/menu_store.ts";
import {
  type Around,
  type FoundMerchant,
  listByName,
  listCategories,
  listNearby,
  searchMerchants,
} from "../stores/merchant_search_store.ts";
import { findMerchant, type Merchant } from "../stores/merchant_store.ts";

const DEFAULT_RADIUS_M = 10_000;
const MAX_RADIUS_M = 100_000;
const MAX_LAT = 85;
const MIN_WORDS = 2;
const MAX_WORDS = 60;

const regions = createRoute({
  method: "get",
  path: "/api/v1/regions",
  tags: ["catalogue"],
  summary: "Where orders are served",
  responses: { 200: answers("All regions", listOf(regionSchema)) },
});

const listQuery = z.strictObject({
  lat: numberQuery(-MAX_LAT, MAX_LAT).optional(),
  lon: numberQuery(-180, 180).optional(),
  radiusM: numberQuery(1, MAX_RADIUS_M).optional(),
  regionId: regionIdSchema.optional(),
  category: categorySchema.optional(),
  /** Parts of names, categories or dishes. */
  q: words(MAX_WORDS).trim().min(MIN_WORDS).optional(),
  limit: limitQuery,
  cursor: cursorQuery,
}).refine((query) => (query.lat === undefined) === (query.lon === undefined), {
  path: ["lat"],
  message: "must come together with lon",
}).refine((query) => query.radiusM === undefined || query.lat !== undefined, {
  path: ["radiusM"],
  message: "must come together with lat and lon",
}).refine((query) => query.cursor === undefined || query.q === undefined, {
  path: ["cursor"],
  message: "must not come together with q: a search has one page",
});
type ListQuery = z.infer<typeof listQuery>;

const list = createRoute({
  method: "get",
  path: "/api/v1/merchants",
  tags: ["catalogue"],
  summary: "Merchants: the best fit to words, the nearest to a place, or by name",
  request: { query: listQuery },
  responses: {
    200: answers("A page of merchants", pageOf(merchantSchema)),
    ...problems("request.invalid"),
  },
});

const categories = createRoute({
  method: "get",
  path: "/api/v1/categories",
  tags: ["catalogue"],
  summary: "What kinds of merchants there are, the most used first",
  request: { query: z.strictObject({ regionId: regionIdSchema.optional() }) },
  responses: {
    200: answers("Categories", listOf(categoryCountSchema)),
    ...problems("request.invalid"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/v1/merchants/{id}",
  tags: ["catalogue"],
  summary: "One merchant, with its hours",
  request: { params: idParam },
  responses: {
    200: answers("The merchant", merchantDetailsSchema),
    ...problems("request.invalid", "merchant.not_found"),
  },
});

const menu = createRoute({
  method: "get",
  path: "/api/v1/merchants/{id}/menu",
  tags: ["catalogue"],
  summary: "What a merchant sells, with options",
  request: { params: idParam },
  responses: {
    200: answers("Items in the order in which they are shown", menuSchema),
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
    const { found, nextCursor } = await findPage(deps, c.req.valid("query"));
    const nowMs = Date.now();
    const items = found.map((merchant) => merchantJson(merchant, nowMs));
    return c.json({ items, nextCursor }, 200);
  });
  routes.openapi(categories, async (c) => {
    const items = await listCategories(deps.sql, c.req.valid("query"));
    return c.json({ items }, 200);
  });
  routes.openapi(one, async (c) => {
    const merchant = await requireMerchant(deps, c.req.valid("param").id);
    return c.json(merchantDetailsJson(merchant, Date.now()), 200);
  });
  routes.openapi(menu, async (c) => {
    const merchant = await requireMerchant(deps, c.req.valid("param").id);
    const currency = (await deps.regions.find(merchant.region))?.currency ?? "";
    const items = await listMenu(deps.sql, merchant.id);
    const sections = await listMenuCategories(deps.sql, merchant.id);
    return c.json({
      items: items.map((item) => ({
        ...item,
        optionGroups: [...item.optionGroups],
        currency,
      })),
      categories: sections,
    }, 200);
  });
  return routes;
}

interface Page {
  readonly found: readonly FoundMerchant[];
  readonly nextCursor: string | null;
}

async function findPage(deps: GatewayDeps, query: ListQuery): Promise<Page> {
  const { lat, lon, radiusM = DEFAULT_RADIUS_M, q, limit, cursor } = query;
  const { regionId, category } = query;
  const filters = { regionId, category, limit };
  const around: Around | undefined = lat === undefined || lon === undefined
    ? undefined
    : { point: { lat, lon }, radiusM };
  if (q !== undefined) {
    const search = { ...filters, words: q, around };
    const found = await deps.sql.begin((tx) => searchMerchants(tx, search));
    return { found, nextCursor: null };
  }
  if (around === undefined) {
    const after = parseCursor(cursor, "string");
    const found = await listByName(deps.sql, { ...filters, after });
    return pageBy(found, limit, ({ name }) => name);
  }
  const after = parseCursor(cursor, "number");
  const found = await listNearby(deps.sql, around, { ...filters, after });
  return pageBy(found, limit, ({ distanceM = 0 }) => distanceM);
}

function pageBy(
  found: readonly FoundMerchant[],
  limit: number,
  keyOf: (merchant: FoundMerchant) => string | number,
): Page {
  const last = found.length === limit ? found.at(-1) : undefined;
  return { found, nextCursor: last === undefined ? null : cursorOf(keyOf(last), last.id) };
}

async function requireMerchant(deps: GatewayDeps, id: string): Promise<Merchant> {
  const merchant = await findMerchant(deps.sql, id);
  if (merchant === undefined) throw new ProblemError("merchant.not_found");
  return merchant;
}
