import { createRoute } from "@hono/zod-openapi";
import { arriveAt } from "shared/orders/arrive.ts";
import { acceptOffer, rejectOffer } from "shared/orders/offers.ts";
import { listPendingOffers } from "shared/orders/offer_view.ts";
import { access, principalOf } from "../access.ts";
import { arrivalSchema, assignmentSchema, stopJsonSchema } from "../courier_schemas.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, jsonBody, problems, throwRefusal } from "../http.ts";
import { orderJson } from "../order_json.ts";
import { addOrderSteps, type OrderStep, requireOrderJson } from "../order_steps.ts";
import { orderSchema } from "../order_schemas.ts";
import { idParam, listOf, offerSchema, reasonSchema } from "../schemas.ts";
import { listActiveAssignments, listStops } from "../stores/courier_store.ts";
import { listOrders } from "../stores/order_store.ts";

/** More than any courier's capacity. */
const MAX_ACTIVE_ORDERS = 100;

const READING = access({ roles: ["courier"], scope: "couriers:read" });
const WORKING = access({ roles: ["courier"], scope: "couriers:write" });

const offers = createRoute({
  method: "get",
  path: "/api/v1/courier/offers",
  tags: ["courier"],
  summary: "Offers that wait for your answer",
  ...READING,
  responses: {
    200: answers("Open offers", listOf(offerSchema)),
    ...problems("auth.required", "auth.forbidden"),
  },
});

const accept = createRoute({
  method: "post",
  path: "/api/v1/courier/offers/{id}/accept",
  tags: ["courier"],
  summary: "Take the order; repeating it gives the same assignment",
  ...WORKING,
  request: { params: idParam },
  responses: {
    200: answers("The assignment", assignmentSchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "auth.forbidden",
      "offer.not_found",
      "offer.expired",
      "offer.closed",
      "courier.at_capacity",
      "courier.off_shift",
    ),
  },
});

const reject = createRoute({
  method: "post",
  path: "/api/v1/courier/offers/{id}/reject",
  tags: ["courier"],
  summary: "Decline the order",
  ...WORKING,
  request: { params: idParam, body: jsonBody(reasonSchema) },
  responses: {
    204: { description: "Declined" },
    ...problems(
      "request.invalid",
      "auth.required",
      "auth.forbidden",
      "offer.not_found",
      "offer.closed",
    ),
  },
});

const assignments = createRoute({
  method: "get",
  path: "/api/v1/courier/assignments",
  tags: ["courier"],
  summary: "What you have to do now",
  ...READING,
  responses: {
    200: answers("Active assignments, the oldest first", listOf(assignmentSchema)),
    ...problems("auth.required", "auth.forbidden"),
  },
});

const stops = createRoute({
  method: "get",
  path: "/api/v1/courier/stops",
  tags: ["courier"],
  summary: "Where you have to go, in order",
  ...READING,
  responses: {
    200: answers("Stops: what you carry first, then what you accepted", listOf(stopJsonSchema)),
    ...problems("auth.required", "auth.forbidden"),
  },
});

const arrived = createRoute({
  method: "post",
  path: "/api/v1/courier/orders/{id}/arrived",
  tags: ["courier"],
  summary: "You are at the pickup or at the dropoff; repeating it changes nothing",
  ...WORKING,
  request: { params: idParam, body: jsonBody(arrivalSchema) },
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

const STEPS: readonly OrderStep[] = [
  { name: "picked-up", action: "pick_up", summary: "You have the goods" },
  { name: "in-transit", action: "depart", summary: "You are on the way to the customer" },
  { name: "delivered", action: "deliver", summary: "The customer has the goods" },
  { name: "failed-attempt", action: "fail_attempt", summary: "Nobody could take the goods" },
  { name: "returning", action: "start_return", summary: "You bring the goods back" },
  { name: "returned", action: "complete_return", summary: "The sender has the goods again" },
];

/** Offers, assignments and the steps of a delivery. */
export function courierWorkRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(offers, async (c) => {
    const { accountId } = principalOf(c);
    return c.json({ items: await listPendingOffers(deps.sql, accountId) }, 200);
  });
  routes.openapi(accept, async (c) => {
    const { accountId } = principalOf(c);
    const offerId = c.req.valid("param").id;
    const outcome = await acceptOffer(deps.sql, { offerId, courierId: accountId });
    if (!outcome.ok) throwRefusal(outcome);
    deps.notifyOutbox();
    const { id, orderId } = outcome.value;
    c.env.context.ids["orderId"] = orderId;
    return c.json({ id, orderId, order: await requireOrderJson(deps, orderId, "courier") }, 200);
  });
  routes.openapi(reject, async (c) => {
    const { accountId } = principalOf(c);
    const question = { offerId: c.req.valid("param").id, courierId: accountId };
    const outcome = await rejectOffer(deps.sql, question, c.req.valid("json").reason ?? null);
    if (!outcome.ok) throwRefusal(outcome);
    deps.notifyOutbox();
    return c.body(null, 204);
  });
  routes.openapi(assignments, async (c) => {
    const { accountId } = principalOf(c);
    const active = await listActiveAssignments(deps.sql, accountId);
    const rows = await listOrders(deps.sql, { courierId: accountId, limit: MAX_ACTIVE_ORDERS });
    const byId = new Map(rows.map((row) => [row.id, row]));
    const items = active.flatMap(({ id, orderId }) => {
      const row = byId.get(orderId);
      if (row === undefined) return [];
      return [{ id, orderId, order: orderJson(row, deps.publicUrl, { role: "courier" }) }];
    });
    return c.json({ items }, 200);
  });
  routes.openapi(stops, async (c) => {
    const { accountId } = principalOf(c);
    return c.json({ items: await listStops(deps.sql, accountId) }, 200);
  });
  routes.openapi(arrived, async (c) => {
    const { accountId } = principalOf(c);
    const { id } = c.req.valid("param");
    c.env.context.ids["orderId"] = id;
    const { stop } = c.req.valid("json");
    const outcome = await arriveAt(deps.sql, { orderId: id, courierId: accountId, stop });
    if (!outcome.ok) throwRefusal(outcome);
    deps.notifyOutbox();
    return c.json(await requireOrderJson(deps, id, "courier"), 200);
  });
  addOrderSteps(routes, deps, { party: "courier", access: WORKING, steps: STEPS });
  return routes;
}
