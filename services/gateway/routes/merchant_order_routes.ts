import { createRoute, z } from "@hono/zod-openapi";
import type { OrderAction } from "shared/orders/lifecycle.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { actorOf } from "../actor.ts";
import type { GatewayDeps } from "../deps.ts";
import {
  answers,
  createRoutes,
  problems,
  requirePrincipal,
  SECURED,
  throwRefusal,
} from "../http.ts";
import { orderJson } from "../order_json.ts";
import { idParam, limitQuery, orderSchema, pageOf, statusQuery } from "../schemas.ts";
import { merchantIdsOf } from "../stores/merchant_store.ts";
import { findOrder, listOrders } from "../stores/order_store.ts";

const list = createRoute({
  method: "get",
  path: "/api/v1/merchant/orders",
  tags: ["merchant"],
  summary: "Orders of your merchants, the newest first",
  security: SECURED,
  request: {
    query: z.strictObject({ status: statusQuery, limit: limitQuery, cursor: z.uuid().optional() }),
  },
  responses: {
    200: answers("A page of orders", pageOf(orderSchema)),
    ...problems("request.invalid", "auth.required", "auth.forbidden"),
  },
});

function step(name: string, summary: string) {
  return createRoute({
    method: "post",
    path: `/api/v1/merchant/orders/{id}/${name}`,
    tags: ["merchant"],
    summary,
    security: SECURED,
    request: { params: idParam },
    responses: {
      200: answers("The order", orderSchema),
      ...problems(
        "request.invalid",
        "auth.required",
        "auth.forbidden",
        "order.not_found",
        "order.transition_not_allowed",
      ),
    },
  });
}

/** What each step of the kitchen is called in the URL, and what it does. */
const STEPS: readonly { name: string; action: OrderAction; summary: string }[] = [
  { name: "confirm", action: "confirm", summary: "Take an order; a courier is looked for" },
  { name: "prepare", action: "prepare", summary: "The kitchen has begun" },
  { name: "ready", action: "make_ready", summary: "The order can be picked up" },
];

/** The merchant's side of an order. */
export function merchantOrderRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(list, async (c) => {
    const { accountId } = await requirePrincipal(deps, c, "merchant");
    const { status, limit, cursor } = c.req.valid("query");
    const merchantIds = await merchantIdsOf(deps.sql, accountId);
    const rows = await listOrders(deps.sql, { merchantIds, status, limit, beforeId: cursor });
    const nextCursor = rows.length === limit ? rows.at(-1)?.id ?? null : null;
    return c.json({ items: rows.map((row) => orderJson(row, deps.publicUrl)), nextCursor }, 200);
  });
  for (const { name, action, summary } of STEPS) {
    routes.openapi(step(name, summary), async (c) => {
      const principal = await requirePrincipal(deps, c, "merchant", "dispatcher", "admin");
      const { id } = c.req.valid("param");
      c.env.context.ids["orderId"] = id;
      const actor = await actorOf(deps.sql, principal);
      const outcome = await transitionOrder(deps.sql, { orderId: id, action, actor });
      if (!outcome.ok) throwRefusal(outcome);
      deps.notifyOutbox();
      const row = await findOrder(deps.sql, id);
      if (row === undefined) throw new ProblemError("order.not_found");
      return c.json(orderJson(row, deps.publicUrl), 200);
    });
  }
  return routes;
}
