import { createRoute, z } from "@hono/zod-openapi";
import { transitionOrder } from "shared/orders/transition_order.ts";
import { ROLES } from "shared/auth/principal.ts";
import { access, principalOf } from "../access.ts";
import { actorOf } from "../actor.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, jsonBody, problems, throwRefusal } from "../http.ts";
import { eventsFor } from "../order_events.ts";
import { orderJson } from "../order_json.ts";
import { requireOrder, requireParty, scopeOf } from "../order_parties.ts";
import {
  idParam,
  limitQuery,
  listOf,
  orderEventSchema,
  orderSchema,
  pageOf,
  reasonSchema,
  statusQuery,
} from "../schemas.ts";
import { listOrderEvents, listOrders } from "../stores/order_store.ts";

const READING = access({ roles: ROLES, scope: "orders:read" });

const list = createRoute({
  method: "get",
  path: "/api/v1/orders",
  tags: ["orders"],
  summary: "Your orders, the newest first",
  ...READING,
  request: {
    query: z.strictObject({
      status: statusQuery,
      limit: limitQuery,
      cursor: z.uuid().optional(),
    }),
  },
  responses: {
    200: answers("A page of orders", pageOf(orderSchema)),
    ...problems("request.invalid", "auth.required"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/v1/orders/{id}",
  tags: ["orders"],
  summary: "One order",
  ...READING,
  request: { params: idParam },
  responses: {
    200: answers("The order", orderSchema),
    ...problems("request.invalid", "auth.required", "order.not_found"),
  },
});

const events = createRoute({
  method: "get",
  path: "/api/v1/orders/{id}/events",
  tags: ["orders"],
  summary: "What happened to an order",
  ...READING,
  request: { params: idParam },
  responses: {
    200: answers("Events, the oldest first", listOf(orderEventSchema)),
    ...problems("request.invalid", "auth.required", "order.not_found"),
  },
});

const cancel = createRoute({
  method: "post",
  path: "/api/v1/orders/{id}/cancel",
  tags: ["orders"],
  summary: "Cancel an order",
  ...access({ roles: ROLES, scope: "orders:write" }),
  request: { params: idParam, body: jsonBody(reasonSchema) },
  responses: {
    200: answers("The cancelled order", orderSchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "order.not_found",
      "order.transition_not_allowed",
    ),
  },
});

/** Read and cancel orders. */
export function orderRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(list, async (c) => {
    const principal = principalOf(c);
    const { status, limit, cursor } = c.req.valid("query");
    const scope = await scopeOf(deps, principal);
    const rows = await listOrders(deps.sql, { ...scope, status, limit, beforeId: cursor });
    const nextCursor = rows.length === limit ? rows.at(-1)?.id ?? null : null;
    const items = rows.map((row) => orderJson(row, deps.publicUrl));
    return c.json({ items, nextCursor }, 200);
  });
  routes.openapi(one, async (c) => {
    const principal = principalOf(c);
    const row = await requireParty(deps, c, principal, c.req.valid("param").id);
    return c.json(orderJson(row, deps.publicUrl), 200);
  });
  routes.openapi(events, async (c) => {
    const principal = principalOf(c);
    const { id } = await requireParty(deps, c, principal, c.req.valid("param").id);
    const items = eventsFor(principal.role, await listOrderEvents(deps.sql, id));
    return c.json({ items }, 200);
  });
  routes.openapi(cancel, async (c) => {
    const principal = principalOf(c);
    const { id } = await requireParty(deps, c, principal, c.req.valid("param").id);
    const { reason } = c.req.valid("json");
    const actor = await actorOf(deps.sql, principal);
    const outcome = await transitionOrder(deps.sql, {
      orderId: id,
      action: "cancel",
      actor,
      ...(reason === undefined ? {} : { reason }),
    });
    if (!outcome.ok) throwRefusal(outcome);
    deps.notifyOutbox();
    return c.json(orderJson(await requireOrder(deps, id), deps.publicUrl), 200);
  });
  return routes;
}
