import { createRoute, z } from "@hono/zod-openapi";
import type { Role } from "shared/auth/principal.ts";
import type { OrderAction } from "shared/orders/lifecycle.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import { type access, principalOf } from "./access.ts";
import { actorOf } from "./actor.ts";
import type { GatewayDeps } from "./deps.ts";
import { answers, type GatewayApp, problems, throwRefusal } from "./http.ts";
import { orderJson } from "./order_json.ts";
import { requireOrder } from "./order_parties.ts";
import { moneySchema, type OrderJson, orderSchema } from "./order_schemas.ts";
import { idParam, reasonText } from "./schemas.ts";

/** One step of an order that a party reports: what it is called in the URL, and what it does. */
export interface OrderStep {
  readonly name: string;
  readonly action: OrderAction;
  readonly summary: string;
}

export interface OrderStepsOptions {
  /** First part of the path, and the tag in the reference. */
  readonly party: "merchant" | "courier" | "dispatcher";
  readonly access: ReturnType<typeof access>;
  readonly steps: readonly OrderStep[];
}

/** What a party may say about a step. The body may be left out. */
export const stepSchema = z.strictObject({
  reason: reasonText.optional(),
  /** With a delivery that is paid in cash: what was collected. */
  cashCollectedMinor: moneySchema.optional(),
}).openapi("OrderStep");

/** Adds `POST /api/v1/<party>/orders/{id}/<step>` for each step. */
export function addOrderSteps(routes: GatewayApp, deps: GatewayDeps, options: OrderStepsOptions) {
  for (const step of options.steps) {
    routes.openapi(stepRoute(options, step), async (c) => {
      const principal = principalOf(c);
      const { id } = c.req.valid("param");
      c.env.context.ids["orderId"] = id;
      const { reason, cashCollectedMinor } = c.req.valid("json");
      const actor = await actorOf(deps.sql, principal);
      const { action } = step;
      const transition = { orderId: id, action, actor, reason, cashCollectedMinor };
      const outcome = await transitionOrder(deps.sql, transition);
      if (!outcome.ok) throwRefusal(outcome);
      deps.notifyOutbox();
      return c.json(await requireOrderJson(deps, id, principal.role), 200);
    });
  }
}

function stepRoute({ party, access }: OrderStepsOptions, { name, action, summary }: OrderStep) {
  return createRoute({
    method: "post",
    path: `/api/v1/${party}/orders/{id}/${name}`,
    tags: [party],
    summary,
    ...access,
    request: {
      params: idParam,
      body: { content: { "application/json": { schema: stepSchema } }, required: false },
    },
    responses: {
      200: answers("The order", orderSchema),
      ...problems(
        "request.invalid",
        "request.malformed",
        "auth.required",
        "auth.forbidden",
        "order.not_found",
        "order.transition_not_allowed",
        ...(action === "deliver" ? ["order.cash_required"] as const : []),
      ),
    },
  });
}

/** The order as a role reads it. @throws ProblemError when there is none. */
export async function requireOrderJson(
  deps: GatewayDeps,
  id: string,
  role: Role,
): Promise<OrderJson> {
  return orderJson(await requireOrder(deps, id), deps.publicUrl, { role });
}
