import { createRoute } from "@hono/zod-openapi";
import {
  raiseTip,
  rateOrder,
  RATING_SUBJECTS,
  type RatingSubject,
} from "shared/orders/after_delivery.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import type { GatewayDeps } from "../deps.ts";
import {
  answers,
  createRoutes,
  type GatewayContext,
  jsonBody,
  problems,
  throwRefusal,
} from "../http.ts";
import { requireParty } from "../order_parties.ts";
import { orderSchema, ratingSchema, tipSchema } from "../order_schemas.ts";
import { requireOrderJson } from "../order_steps.ts";
import { idParam } from "../schemas.ts";

const PLACING = access({ roles: ["customer", "merchant"], scope: "orders:write" });

const tip = createRoute({
  method: "post",
  path: "/api/v1/orders/{id}/tip",
  tags: ["orders"],
  summary: "Raise the tip, until 7 days after the delivery",
  description: "The body has the whole tip, so a repeat changes nothing.",
  ...PLACING,
  request: { params: idParam, body: jsonBody(tipSchema) },
  responses: {
    200: answers("The order", orderSchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "auth.forbidden",
      "order.not_found",
      "order.transition_not_allowed",
      "order.tip_refused",
    ),
  },
});

function rating(subject: RatingSubject) {
  return createRoute({
    method: "post",
    path: `/api/v1/orders/{id}/ratings/${subject}`,
    tags: ["orders"],
    summary: `Rate the ${subject} of a delivered order, once`,
    ...PLACING,
    request: { params: idParam, body: jsonBody(ratingSchema) },
    responses: {
      204: { description: "Rated; the same stars again change nothing" },
      ...problems(
        "request.invalid",
        "auth.required",
        "auth.forbidden",
        "order.not_found",
        "order.transition_not_allowed",
        "rating.exists",
      ),
    },
  });
}

/** The order, for the account that placed it. */
async function requirePlaced(deps: GatewayDeps, c: GatewayContext, id: string) {
  const principal = principalOf(c);
  const row = await requireParty(deps, c, principal, id);
  if (row.customerId !== principal.accountId) throw new ProblemError("order.not_found");
  return principal;
}

/** Tip and stars, from who placed the order. */
export function afterDeliveryRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(tip, async (c) => {
    const { id } = c.req.valid("param");
    const { accountId, role } = await requirePlaced(deps, c, id);
    const { tipMinor } = c.req.valid("json");
    const outcome = await raiseTip(deps.sql, { orderId: id, customerId: accountId, tipMinor });
    if (!outcome.ok) throwRefusal(outcome);
    deps.notifyOutbox();
    return c.json(await requireOrderJson(deps, id, role), 200);
  });
  for (const subject of RATING_SUBJECTS) {
    routes.openapi(rating(subject), async (c) => {
      const { id } = c.req.valid("param");
      const { accountId } = await requirePlaced(deps, c, id);
      const outcome = await rateOrder(deps.sql, {
        orderId: id,
        customerId: accountId,
        subject,
        ...c.req.valid("json"),
      });
      if (!outcome.ok) throwRefusal(outcome);
      deps.notifyOutbox();
      return c.body(null, 204);
    });
  }
  return routes;
}
