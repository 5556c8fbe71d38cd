import { createRoute, z } from "@hono/zod-openapi";
import type { Principal } from "shared/auth/principal.ts";
import { changeProfile } from "shared/orders/courier_profile.ts";
import {
  acknowledgeAttention,
  type DispatcherAction,
  reassignOrder,
  redispatchOrder,
  unassignOrder,
} from "shared/orders/dispatcher_actions.ts";
import type { Outcome } from "shared/orders/refusal.ts";
import type { ProblemCode } from "shared/problem/problem.ts";
import type { Sql } from "shared/sql/connect.ts";
import { access, principalOf } from "../access.ts";
import { requireCourierJson } from "../courier_json.ts";
import { courierSchema, dispatcherProfileSchema } from "../courier_schemas.ts";
import { cursorQuery, pageOfRows } from "../cursor.ts";
import type { GatewayDeps } from "../deps.ts";
import { alertSchema, reassignSchema } from "../dispatcher_schemas.ts";
import {
  answers,
  createRoutes,
  type GatewayContext,
  jsonBody,
  problems,
  throwRefusal,
} from "../http.ts";
import { orderJson } from "../order_json.ts";
import { requireParty } from "../order_parties.ts";
import { orderSchema } from "../order_schemas.ts";
import { addOrderSteps, type OrderStep, requireOrderJson } from "../order_steps.ts";
import { idParam, limitQuery, listOf, pageOf, reasonSchema } from "../schemas.ts";
import { listAlerts, listAttention } from "../stores/order_store.ts";

const roles = ["dispatcher", "admin"] as const;
const READING = access({ roles, scope: "orders:read" });
const ACTING = access({ roles, scope: "orders:write" });
const regionId = z.string().min(1).max(41).optional();

const queue = createRoute({
  method: "get",
  path: "/api/v1/dispatcher/queue",
  tags: ["dispatcher"],
  summary: "Orders that need a dispatcher, those that wait longest first",
  ...READING,
  request: { query: z.strictObject({ regionId, limit: limitQuery }) },
  responses: {
    200: answers("The head of the queue", listOf(orderSchema)),
    ...problems("request.invalid", "auth.required", "auth.forbidden"),
  },
});

const alerts = createRoute({
  method: "get",
  path: "/api/v1/dispatcher/alerts",
  tags: ["dispatcher"],
  summary: "Alerts as they were raised and cleared, the newest first",
  ...READING,
  request: { query: z.strictObject({ regionId, limit: limitQuery, cursor: cursorQuery }) },
  responses: {
    200: answers("A page of alerts", pageOf(alertSchema)),
    ...problems("request.invalid", "auth.required", "auth.forbidden"),
  },
});

interface Action {
  readonly name: string;
  readonly summary: string;
  readonly refusals: readonly ProblemCode[];
  readonly act: (sql: Sql, action: DispatcherAction) => Promise<Outcome<unknown>>;
}

const ACTIONS: readonly Action[] = [
  {
    name: "acknowledge",
    summary: "Take an order out of the queue",
    refusals: [],
    act: acknowledgeAttention,
  },
  {
    name: "unassign",
    summary: "Take an order from its courier before the pickup; it is dispatched again",
    refusals: ["order.transition_not_allowed", "courier.not_assigned"],
    act: unassignOrder,
  },
  {
    name: "redispatch",
    summary: "Look for a courier for an order that was held back",
    refusals: ["order.transition_not_allowed"],
    act: redispatchOrder,
  },
];

function actionRoute({ name, summary, refusals }: Action) {
  return createRoute({
    method: "post",
    path: `/api/v1/dispatcher/orders/{id}/${name}`,
    tags: ["dispatcher"],
    summary,
    ...ACTING,
    request: { params: idParam, body: jsonBody(reasonSchema) },
    responses: {
      200: answers("The order", orderSchema),
      ...problems(
        "request.invalid",
        "auth.required",
        "auth.forbidden",
        "order.not_found",
        ...refusals,
      ),
    },
  });
}

const reassign = createRoute({
  method: "post",
  path: "/api/v1/dispatcher/orders/{id}/reassign",
  tags: ["dispatcher"],
  summary: "Give an order to a named courier",
  description: "With `courierVersion` only as long as the courier is as the dispatcher saw it. " +
    "What a courier carries can be given to another after 10 min without a word of the first.",
  ...ACTING,
  request: {
    params: idParam,
    body: jsonBody(reassignSchema),
  },
  responses: {
    200: answers("The order", orderSchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "auth.forbidden",
      "order.not_found",
      "order.transition_not_allowed",
      "order.courier_present",
      "courier.not_found",
      "courier.changed",
      "courier.off_shift",
      "courier.at_capacity",
      "courier.unsuitable",
    ),
  },
});

const profile = createRoute({
  method: "patch",
  path: "/api/v1/dispatcher/couriers/{id}",
  tags: ["dispatcher"],
  summary: "Change a courier's vehicle, capacity, load or skills",
  ...access({ roles, scope: "couriers:write" }),
  request: { params: idParam, body: jsonBody(dispatcherProfileSchema) },
  responses: {
    200: answers("The courier", courierSchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "auth.forbidden",
      "courier.not_found",
      "courier.at_capacity",
    ),
  },
});

const STEPS: readonly OrderStep[] = [
  { name: "fail", action: "fail", summary: "Give up an order that was picked up" },
  { name: "expire", action: "expire", summary: "End an order that nobody takes" },
  { name: "failed-attempt", action: "fail_attempt", summary: "Nobody could take the goods" },
  { name: "returning", action: "start_return", summary: "The goods go back" },
  { name: "returned", action: "complete_return", summary: "The sender has the goods again" },
];

/** The dispatcher's desk: what needs a person, and what that person may do. */
export function dispatcherRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(queue, async (c) => {
    const { role } = principalOf(c);
    const { regionId: region, limit } = c.req.valid("query");
    const rows = await listAttention(deps.sql, { region, limit });
    return c.json({ items: rows.map((row) => orderJson(row, deps.publicUrl, { role })) }, 200);
  });
  routes.openapi(alerts, async (c) => {
    const { regionId: region, limit, cursor } = c.req.valid("query");
    const found = await listAlerts(deps.sql, { region, beforeId: cursor, limit: limit + 1 });
    const { rows, nextCursor } = pageOfRows(found, limit, (row) => row.eventId);
    const items = rows.map((row) => ({
      id: row.eventId,
      orderId: row.orderId,
      regionId: row.region,
      state: row.type === "order.attention_raised" ? "raised" as const : "cleared" as const,
      reason: row.reason,
      occurredAt: row.occurredAt.toISOString(),
    }));
    return c.json({ items, nextCursor }, 200);
  });
  for (const action of ACTIONS) {
    routes.openapi(actionRoute(action), async (c) => {
      const { reason } = c.req.valid("json");
      const { id, principal } = await requireDispatched(deps, c, c.req.valid("param").id);
      const { accountId: dispatcherId, role } = principal;
      const outcome = await action.act(deps.sql, { orderId: id, dispatcherId, reason });
      return c.json(await settled(deps, outcome, id, role), 200);
    });
  }
  routes.openapi(reassign, async (c) => {
    const wanted = c.req.valid("json");
    const { id, principal } = await requireDispatched(deps, c, c.req.valid("param").id);
    const { accountId: dispatcherId, role } = principal;
    const outcome = await reassignOrder(deps.sql, { orderId: id, dispatcherId, ...wanted });
    return c.json(await settled(deps, outcome, id, role), 200);
  });
  routes.openapi(profile, async (c) => {
    const { id } = c.req.valid("param");
    const outcome = await changeProfile(deps.sql, id, c.req.valid("json"));
    if (!outcome.ok) throwRefusal(outcome);
    deps.notifyOutbox();
    return c.json(await requireCourierJson(deps, id), 200);
  });
  addOrderSteps(routes, deps, { party: "dispatcher", access: ACTING, steps: STEPS });
  return routes;
}

/** The order and its dispatcher; orders of the other mode do not exist for a key. */
async function requireDispatched(
  deps: GatewayDeps,
  c: GatewayContext,
  id: string,
): Promise<{ id: string; principal: Principal }> {
  const principal = principalOf(c);
  await requireParty(deps, c, principal, id);
  return { id, principal };
}

/** The order after an action. @throws ProblemError when it was refused. */
async function settled(
  deps: GatewayDeps,
  outcome: Outcome<unknown>,
  id: string,
  role: Principal["role"],
) {
  if (!outcome.ok) throwRefusal(outcome);
  deps.notifyOutbox();
  return await requireOrderJson(deps, id, role);
}
