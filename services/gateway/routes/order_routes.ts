import { createRoute, z } from "@hono/zod-openapi";
import { ROLES } from "shared/auth/principal.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import { actorOf } from "../actor.ts";
import { cursorQuery, pageOfRows } from "../cursor.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, jsonBody, problems, throwRefusal } from "../http.ts";
import { eventsFor } from "../order_events.ts";
import { orderJson } from "../order_json.ts";
import { requireParty, scopeOf } from "../order_parties.ts";
import { cancelSchema, orderEventSchema, orderSchema, ordersQuery } from "../order_schemas.ts";
import { requireOrderJson } from "../order_steps.ts";
import { idParam, idSchema, limitQuery, listOf, pageOf } from "../schemas.ts";
import { listOrderEvents, listOrders } from "../stores/order_store.ts";

const READING = access({ roles: ROLES, scope: "orders:read" });

const list = createRoute({
  method: "get",
  path: "/api/v1/orders",
  tags: ["orders"],
  summary: "Your orders, the newest first",
  description: "`courierId` is for dispatchers: orders that courier has or had.",
  ...READING,
  request: {
    query: z.strictObject({
      ...ordersQuery,
      courierId: idSchema.optional(),
      limit: limitQuery,
      cursor: cursorQuery,
    }),
  },
  responses: {
    200: answers("A page of orders", pageOf(orderSchema)),
    ...problems("request.invalid", "auth.required", "auth.forbidden"),
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
  summary: "What happened to an order, and who did it",
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
  summary: "Cancel an order; its `cancellation` says what that costs",
  ...access({ roles: ROLES, scope: "orders:write" }),
  request: { params: idParam, body: jsonBody(cancelSchema) },
  responses: {
    200: answers("The cancelled order", orderSchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "auth.forbidden",
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
    const { regionId, courierId, cursor, limit, ...filters } = c.req.valid("query");
    const { role } = principal;
    if (courierId !== undefined && role !== "dispatcher" && role !== "admin") {
      throw new ProblemError("auth.forbidden", {
        detail: `Cannot filter by courierId: role must be dispatcher or admin: it is ${role}`,
      });
    }
    const found = await listOrders(deps.sql, {
      ...filters,
      region: regionId,
      everCourierId: courierId,
      beforeId: cursor,
      ...await scopeOf(deps, principal),
      limit: limit + 1,
    });
    const { rows, nextCursor } = pageOfRows(found, limit, (row) => row.id);
    const items = rows.map((row) => orderJson(row, deps.publicUrl, { role }));
    return c.json({ items, nextCursor }, 200);
  });
  routes.openapi(one, async (c) => {
    const principal = principalOf(c);
    const row = await requireParty(deps, c, principal, c.req.valid("param").id);
    return c.json(orderJson(row, deps.publicUrl, principal), 200);
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
    const { reason, code } = c.req.valid("json");
    const actor = await actorOf(deps.sql, principal);
    const outcome = await transitionOrder(deps.sql, {
      orderId: id,
      action: "cancel",
      actor,
      reason,
      cancelCode: code,
    });
    if (!outcome.ok) throwRefusal(outcome);
    deps.notifyOutbox();
    return c.json(await requireOrderJson(deps, id, principal.role), 200);
  });
  return routes;
}
