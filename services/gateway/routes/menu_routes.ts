import { createRoute } from "@hono/zod-openapi";
import { uuidv7 } from "shared/ids/uuid.ts";
import { ProblemError } from "shared/problem/problem.ts";
import {
  createMenuCategorySchema,
  createMenuItemSchema,
  menuCategorySchema,
  menuItemSchema,
  updateMenuCategorySchema,
  updateMenuItemSchema,
} from "../catalogue_schemas.ts";
import { access } from "../access.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, type GatewayApp, jsonBody, problems } from "../http.ts";
import { invalidField } from "../invalid_field.ts";
import { requireOwnMerchant } from "../own_merchant.ts";
import { idParam, idSchema } from "../schemas.ts";
import {
  deleteMenuCategory,
  deleteMenuItem,
  insertMenuCategory,
  insertMenuItem,
  MAX_MENU_BYTES,
  MAX_MENU_CATEGORIES,
  MAX_MENU_ITEMS,
  type MenuItem,
  type MenuRefusal,
  updateMenuCategory,
  updateMenuItem,
} from "../stores/menu_store.ts";

/** Who writes a merchant; that it is theirs is looked at in the handler. */
const OWNER = { roles: ["merchant", "admin"], scope: "merchants:write" } as const;

const ITEM = answers("The item", menuItemSchema);
const CATEGORY = answers("The category", menuCategorySchema);
const OWNED = ["request.invalid", "auth.required", "merchant.not_found"] as const;
const itemParams = idParam.extend({ itemId: idSchema });
const categoryParams = idParam.extend({ categoryId: idSchema });

const createItem = createRoute({
  method: "post",
  path: "/api/v1/merchants/{id}/menu/items",
  tags: ["merchant"],
  summary: "Add an item to the menu",
  ...access(OWNER),
  request: { params: idParam, body: jsonBody(createMenuItemSchema) },
  responses: { 201: ITEM, ...problems(...OWNED, "catalogue.full") },
});

const updateItem = createRoute({
  method: "patch",
  path: "/api/v1/merchants/{id}/menu/items/{itemId}",
  tags: ["merchant"],
  summary: "Change an item: what is left out stays; optionGroups are replaced whole",
  ...access(OWNER),
  request: { params: itemParams, body: jsonBody(updateMenuItemSchema) },
  responses: { 200: ITEM, ...problems(...OWNED, "menu.entry_not_found", "catalogue.full") },
});

const removeItem = createRoute({
  method: "delete",
  path: "/api/v1/merchants/{id}/menu/items/{itemId}",
  tags: ["merchant"],
  summary: "Take an item off the menu; orders keep their copy",
  ...access(OWNER),
  request: { params: itemParams },
  responses: {
    204: { description: "It is off the menu" },
    ...problems(...OWNED, "menu.entry_not_found"),
  },
});

const createCategory = createRoute({
  method: "post",
  path: "/api/v1/merchants/{id}/menu/categories",
  tags: ["merchant"],
  summary: "Add a category to the menu",
  ...access(OWNER),
  request: { params: idParam, body: jsonBody(createMenuCategorySchema) },
  responses: { 201: CATEGORY, ...problems(...OWNED, "catalogue.full") },
});

const updateCategory = createRoute({
  method: "patch",
  path: "/api/v1/merchants/{id}/menu/categories/{categoryId}",
  tags: ["merchant"],
  summary: "Change a category: what is left out stays",
  ...access(OWNER),
  request: { params: categoryParams, body: jsonBody(updateMenuCategorySchema) },
  responses: { 200: CATEGORY, ...problems(...OWNED, "menu.entry_not_found") },
});

const removeCategory = createRoute({
  method: "delete",
  path: "/api/v1/merchants/{id}/menu/categories/{categoryId}",
  tags: ["merchant"],
  summary: "Remove a category; its items stay without one",
  ...access(OWNER),
  request: { params: categoryParams },
  responses: {
    204: { description: "It is gone" },
    ...problems(...OWNED, "menu.entry_not_found"),
  },
});

/** The owner's side of a menu. */
export function menuRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  addItems(routes, deps);
  addCategories(routes, deps);
  return routes;
}

function addItems(routes: GatewayApp, deps: GatewayDeps): void {
  routes.openapi(createItem, async (c) => {
    const merchant = await requireOwnMerchant(deps, c, c.req.valid("param").id);
    const item = { id: uuidv7(), ...c.req.valid("json") };
    const refusal = await insertMenuItem(deps.sql, merchant.id, item);
    if (refusal !== undefined) throw menuProblem(refusal, item.categoryId);
    return c.json(await itemJson(deps, merchant.region, item), 201);
  });
  routes.openapi(updateItem, async (c) => {
    const { id, itemId } = c.req.valid("param");
    const merchant = await requireOwnMerchant(deps, c, id);
    const changes = c.req.valid("json");
    const at = { merchantId: merchant.id, itemId };
    const changed = await updateMenuItem(deps.sql, at, changes);
    if (typeof changed === "string") throw menuProblem(changed, changes.categoryId);
    return c.json(await itemJson(deps, merchant.region, changed), 200);
  });
  routes.openapi(removeItem, async (c) => {
    const { id, itemId } = c.req.valid("param");
    const merchant = await requireOwnMerchant(deps, c, id);
    if (!await deleteMenuItem(deps.sql, merchant.id, itemId)) throw menuProblem("not_found");
    return c.body(null, 204);
  });
}

function addCategories(routes: GatewayApp, deps: GatewayDeps): void {
  routes.openapi(createCategory, async (c) => {
    const merchant = await requireOwnMerchant(deps, c, c.req.valid("param").id);
    const category = { id: uuidv7(), ...c.req.valid("json") };
    const refusal = await insertMenuCategory(deps.sql, merchant.id, category);
    if (refusal !== undefined) throw menuProblem(refusal);
    return c.json(category, 201);
  });
  routes.openapi(updateCategory, async (c) => {
    const { id, categoryId } = c.req.valid("param");
    const merchant = await requireOwnMerchant(deps, c, id);
    const at = { merchantId: merchant.id, categoryId };
    const changed = await updateMenuCategory(deps.sql, at, c.req.valid("json"));
    if (changed === undefined) throw menuProblem("not_found");
    return c.json(changed, 200);
  });
  routes.openapi(removeCategory, async (c) => {
    const { id, categoryId } = c.req.valid("param");
    const merchant = await requireOwnMerchant(deps, c, id);
    if (!await deleteMenuCategory(deps.sql, merchant.id, categoryId)) {
      throw menuProblem("not_found");
    }
    return c.body(null, 204);
  });
}

async function itemJson(deps: GatewayDeps, regionId: string, item: MenuItem) {
  const currency = (await deps.regions.find(regionId))?.currency ?? "";
  return { ...item, optionGroups: [...item.optionGroups], currency };
}

function menuProblem(refusal: MenuRefusal, categoryId?: string | null): ProblemError {
  switch (refusal) {
    case "not_found":
      return new ProblemError("menu.entry_not_found");
    case "full":
      return new ProblemError("catalogue.full", {
        detail: `Cannot add: a menu may have ${MAX_MENU_ITEMS} items, ${MAX_MENU_CATEGORIES} ` +
          `categories, and ${MAX_MENU_BYTES} bytes of descriptions and options`,
      });
    case "unknown_category":
      return invalidField("categoryId", "must be a category of this menu", categoryId);
  }
}
