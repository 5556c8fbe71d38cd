import { createRoute } from "@hono/zod-openapi";
import type { OrderAction } from "shared/orders/lifecycle.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { type access, principalOf } from "./access.ts";
import { actorOf } from "./actor.ts";
import type { GatewayDeps } from "./deps.ts";
import { answers, type GatewayApp, problems, throwRefusal } from "./http.ts";
import { orderJson } from "./order_json.ts";
import { idParam, type OrderJson, orderSchema } from "./schemas.ts";
import { findOrder } from "./stores/order_store.ts";

/** One step of an order that a party reports: what it is called in the URL, and what it does. */
export interface OrderStep {
  readonly name: string;
  readonly action: OrderAction;
  readonly summary: string;
}

export interface OrderStepsOptions {
  /** First part of the path, and the tag in the reference. */
  readonly party: "merchant" | "courier";
  readonly access: ReturnType<typeof access>;
  readonly steps: readonly OrderStep[];
}

/** Adds `POST /api/v1/<party>/orders/{id}/<step>` for each step. */
export function addOrderSteps(routes: GatewayApp, deps: GatewayDeps, options: OrderStepsOptions) {
  for (const step of options.steps) {
    routes.openapi(stepRoute(options, step), async (c) => {
      const principal = principalOf(c);
      const { id } = c.req.valid("param");
      c.env.context.ids["orderId"] = id;
      const actor = await actorOf(deps.sql, principal);
      const outcome = await transitionOrder(deps.sql, { orderId: id, action: step.action, actor });
      if (!outcome.ok) throwRefusal(outcome);
      deps.notifyOutbox();
      return c.json(await requireOrderJson(deps, id), 200);
    });
  }
}

function stepRoute({ party, access }: OrderStepsOptions, { name, summary }: OrderStep) {
  return createRoute({
    method: "post",
    path: `/api/v1/${party}/orders/{id}/${name}`,
    tags: [party],
    summary,
    ...access,
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

/** The order as the API answers it. @throws ProblemError when there is none. */
export async function requireOrderJson(deps: GatewayDeps, id: string): Promise<OrderJson> {
  const row = await findOrder(deps.sql, id);
  if (row === undefined) throw new ProblemError("order.not_found");
  return orderJson(row, deps.publicUrl);
}
