import { createRoute } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { problemBody, PROBLEMS } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, jsonBody, problems, throwRefusal } from "../http.ts";
import { findStoredAnswer, idempotencyKey, runOnce, type StoredAnswer } from "../idempotency.ts";
import { orderJson } from "../order_json.ts";
import { prepareOrder } from "../place_order.ts";
import { type OrderJson, orderSchema, placeOrderSchema } from "../schemas.ts";
import { withTrackingLink } from "../tracking_link.ts";
import { findOrder, insertOrder, type OrderView } from "../stores/order_store.ts";

const place = createRoute({
  method: "post",
  path: "/api/v1/orders",
  tags: ["orders"],
  summary: "Place an order",
  description: "Send an Idempotency-Key: a lost answer is then resolved by sending it again.",
  ...access({ roles: ["customer", "dispatcher", "admin"], scope: "orders:write" }),
  request: { body: jsonBody(placeOrderSchema) },
  responses: {
    201: answers("The order; it is committed", orderSchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "auth.forbidden",
      "merchant.not_found",
      "merchant.closed",
      "menu_item.not_found",
      "menu_item.unavailable",
      "order.outside_service_area",
      "idempotency.key_reused",
      "idempotency.in_progress",
    ),
  },
});

/** Place orders, each key once. */
export function placeOrderRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(place, async (c) => {
    const { accountId } = principalOf(c);
    const wanted = c.req.valid("json");
    const request = {
      accountId,
      key: idempotencyKey(c.req.raw.headers),
      fingerprint: `POST /api/v1/orders ${JSON.stringify(wanted)}`,
    };
    // Before anything is checked: a repeat must get the first answer even if the merchant has
    // closed meanwhile.
    const stored = await findStoredAnswer(deps.sql, request);
    if (stored !== undefined) await replay(deps, stored);
    const prepared = await prepareOrder(deps, accountId, wanted);
    const { answer, isReplay } = await runOnce(deps.sql, request, async (tx) => {
      if (!prepared.ok) {
        const { code, detail, members } = prepared;
        const extras = { ...(detail && { detail }), ...(members && { members }) };
        return { status: PROBLEMS[code].status, body: problemBody(code, extras) };
      }
      await insertOrder(tx, prepared.order);
      const row = await findOrder(tx, prepared.order.id);
      return { status: 201, body: created(deps, row) };
    });
    deps.notifyOutbox();
    if (isReplay) await replay(deps, answer);
    if (!prepared.ok) throwRefusal(prepared);
    c.env.context.ids["orderId"] = prepared.order.id;
    return c.json(await withTrackingLink(deps, answer.body as OrderJson), 201);
  });
  return routes;
}

function created(deps: GatewayDeps, row: OrderView | undefined) {
  if (row === undefined) throw new Error("an order just inserted must be there");
  return orderJson(row, deps.publicUrl);
}

/** Leaves the handler with the first answer of a repeat, which may have been a refusal. */
async function replay(deps: GatewayDeps, answer: StoredAnswer): Promise<never> {
  const isProblem = answer.status >= 400;
  const body = isProblem ? answer.body : await withTrackingLink(deps, answer.body as OrderJson);
  throw new HTTPException(answer.status as ContentfulStatusCode, {
    res: new Response(JSON.stringify(body), {
      status: answer.status,
      headers: {
        "content-type": isProblem ? "application/problem+json" : "application/json",
        "cache-control": "private, no-store",
        "idempotent-replayed": "true",
      },
    }),
  });
}
