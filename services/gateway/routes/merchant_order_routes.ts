import { createRoute, z } from "@hono/zod-openapi";
import { access, principalOf } from "../access.ts";
import { cursorQuery, pageOfRows } from "../cursor.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, problems } from "../http.ts";
import { orderJson } from "../order_json.ts";
import { orderSchema, ordersQuery } from "../order_schemas.ts";
import { addOrderSteps, type OrderStep } from "../order_steps.ts";
import { limitQuery, pageOf } from "../schemas.ts";
import { merchantIdsOf } from "../stores/merchant_store.ts";
import { listOrders } from "../stores/order_store.ts";

const { regionId: _, ...shopQuery } = ordersQuery;

const list = createRoute({
  method: "get",
  path: "/api/v1/merchant/orders",
  tags: ["merchant"],
  summary: "Orders of your merchants, the newest first",
  ...access({ roles: ["merchant"], scope: "orders:read" }),
  request: {
    query: z.strictObject({ ...shopQuery, limit: limitQuery, cursor: cursorQuery }),
  },
  responses: {
    200: answers("A page of orders", pageOf(orderSchema)),
    ...problems("request.invalid", "auth.required", "auth.forbidden"),
  },
});

/** What each step of the kitchen is called in the URL, and what it does. */
const STEPS: readonly OrderStep[] = [
  { name: "confirm", action: "confirm", summary: "Take an order; a courier is looked for" },
  { name: "prepare", action: "prepare", summary: "The kitchen has begun" },
  { name: "ready", action: "make_ready", summary: "The order can be picked up" },
];

/** The merchant's side of an order. */
export function merchantOrderRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(list, async (c) => {
    const principal = principalOf(c);
    const { limit, cursor, ...filters } = c.req.valid("query");
    const found = await listOrders(deps.sql, {
      ...filters,
      mode: principal.mode,
      merchantIds: await merchantIdsOf(deps.sql, principal.accountId),
      beforeId: cursor,
      limit: limit + 1,
    });
    const { rows, nextCursor } = pageOfRows(found, limit, (row) => row.id);
    const items = rows.map((row) => orderJson(row, deps.publicUrl, principal));
    return c.json({ items, nextCursor }, 200);
  });
  addOrderSteps(routes, deps, {
    party: "merchant",
    access: access({ roles: ["merchant", "dispatcher", "admin"], scope: "orders:write" }),
    steps: STEPS,
  });
  return routes;
}
