import { createRoute, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Principal } from "shared/auth/sessions.ts";
import { hashToken } from "shared/auth/token.ts";
import { createTicket, TICKET_TTL_S } from "shared/auth/tickets.ts";
import { isUuid } from "shared/ids/uuid.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import { problemBody, ProblemError, PROBLEMS } from "shared/problem/problem.ts";
import type { GatewayDeps } from "../deps.ts";
import {
  answers,
  createRoutes,
  type GatewayContext,
  jsonBody,
  problems,
  requirePrincipal,
  SECURED,
  throwRefusal,
} from "../http.ts";
import { findStoredAnswer, idempotencyKey, runOnce, type StoredAnswer } from "../idempotency.ts";
import { orderJson } from "../order_json.ts";
import { type PreparedOrder, prepareOrder } from "../place_order.ts";
import {
  idParam,
  limitQuery,
  listOf,
  orderEventSchema,
  type OrderJson,
  orderSchema,
  pageOf,
  placeOrderSchema,
  reasonSchema,
  statusQuery,
  ticketSchema,
} from "../schemas.ts";
import { merchantIdsOf } from "../stores/merchant_store.ts";
import {
  findOrder,
  insertOrder,
  listOrderEvents,
  listOrders,
  type OrderView,
} from "../stores/order_store.ts";
import { actorOf } from "../actor.ts";
import { eventsFor } from "../order_events.ts";

const place = createRoute({
  method: "post",
  path: "/api/v1/orders",
  tags: ["orders"],
  summary: "Place an order",
  description: "Send an Idempotency-Key: a lost answer is then resolved by sending it again.",
  security: SECURED,
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

const list = createRoute({
  method: "get",
  path: "/api/v1/orders",
  tags: ["orders"],
  summary: "Your orders, the newest first",
  security: SECURED,
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
  security: SECURED,
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
  security: SECURED,
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
  security: SECURED,
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

const ticket = createRoute({
  method: "post",
  path: "/api/v1/orders/{id}/track-tickets",
  tags: ["tracking"],
  summary: "Get a one-use ticket for the order's live track",
  description: "With a session of a party, or with the link's secret in X-Tracking-Token.",
  request: { params: idParam },
  responses: {
    201: answers("The ticket and where to use it within 30 s", ticketSchema),
    ...problems("request.invalid", "order.not_found", "service.unavailable"),
  },
});

/** Place, read, follow and cancel orders. */
export function orderRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(place, async (c) => {
    const { accountId } = await requirePrincipal(deps, c, "customer", "dispatcher", "admin");
    const wanted = c.req.valid("json");
    const request = {
      accountId,
      key: idempotencyKey(c.req.raw.headers),
      fingerprint: `POST /api/v1/orders ${JSON.stringify(wanted)}`,
    };
    // Before anything is checked: a repeat must get the first answer even if the merchant has
    // closed meanwhile.
    const stored = await findStoredAnswer(deps.sql, request);
    if (stored !== undefined) replay(stored);
    const prepared = await prepareOrder(deps, accountId, wanted);
    const { answer, isReplay } = await runOnce(deps.sql, request, async (tx) => {
      if (!prepared.ok) {
        const { code, detail, members } = prepared;
        const extras = { ...(detail && { detail }), ...(members && { members }) };
        return { status: PROBLEMS[code].status, body: problemBody(code, extras) };
      }
      await insertOrder(tx, prepared.order);
      const row = await findOrder(tx, prepared.order.id);
      return { status: 201, body: created(deps, prepared, row) };
    });
    deps.notifyOutbox();
    if (isReplay) replay(answer);
    if (!prepared.ok) throwRefusal(prepared);
    c.env.context.ids["orderId"] = prepared.order.id;
    return c.json(answer.body as OrderJson, 201);
  });
  routes.openapi(list, async (c) => {
    const principal = await requirePrincipal(deps, c);
    const { status, limit, cursor } = c.req.valid("query");
    const scope = await scopeOf(deps, principal);
    const rows = await listOrders(deps.sql, { ...scope, status, limit, beforeId: cursor });
    const nextCursor = rows.length === limit ? rows.at(-1)?.id ?? null : null;
    const items = rows.map((row) => orderJson(row, deps.publicUrl));
    return c.json({ items, nextCursor }, 200);
  });
  routes.openapi(one, async (c) => {
    const principal = await requirePrincipal(deps, c);
    const row = await requireParty(deps, c, principal, c.req.valid("param").id);
    return c.json(orderJson(row, deps.publicUrl), 200);
  });
  routes.openapi(events, async (c) => {
    const principal = await requirePrincipal(deps, c);
    const { id } = await requireParty(deps, c, principal, c.req.valid("param").id);
    const items = eventsFor(principal.role, await listOrderEvents(deps.sql, id));
    return c.json({ items }, 200);
  });
  routes.openapi(cancel, async (c) => {
    const principal = await requirePrincipal(deps, c);
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
  routes.openapi(ticket, async (c) => {
    const { row, courierId } = await requireViewer(deps, c, c.req.valid("param").id);
    const secret = await createTicket(deps.redis, deps.keys, {
      kind: "track",
      orderId: row.id,
      ...(courierId === undefined ? {} : { courierId }),
    });
    const url = `${deps.trackerUrl}/api/v1/orders/${row.id}/track?ticket=${secret}`;
    return c.json({
      ticket: secret,
      expiresAt: new Date(Date.now() + TICKET_TTL_S * 1000).toISOString(),
      webSocketUrl: url.replace(/^http/, "ws"),
      eventStreamUrl: url,
    }, 201);
  });
  return routes;
}

function created(deps: GatewayDeps, prepared: PreparedOrder, row: OrderView | undefined) {
  if (row === undefined) throw new Error("an order just inserted must be there");
  return orderJson(row, deps.publicUrl, prepared.trackingToken);
}

/** Leaves the handler with the first answer of a repeat, which may have been a refusal. */
function replay(answer: StoredAnswer): never {
  const isProblem = answer.status >= 400;
  throw new HTTPException(answer.status as ContentfulStatusCode, {
    res: new Response(JSON.stringify(answer.body), {
      status: answer.status,
      headers: {
        "content-type": isProblem ? "application/problem+json" : "application/json",
        "cache-control": "private, no-store",
        "idempotent-replayed": "true",
      },
    }),
  });
}

async function requireOrder(deps: GatewayDeps, id: string): Promise<OrderView> {
  const row = await findOrder(deps.sql, id);
  if (row === undefined) throw new ProblemError("order.not_found");
  return row;
}

/** The order, for a party of it; for anybody else it does not exist. */
async function requireParty(
  deps: GatewayDeps,
  c: GatewayContext,
  principal: Principal,
  id: string,
): Promise<OrderView> {
  const row = await requireOrder(deps, id);
  if (!await isParty(deps, principal, row)) throw new ProblemError("order.not_found");
  c.env.context.ids["orderId"] = id;
  return row;
}

async function isParty(deps: GatewayDeps, principal: Principal, row: OrderView): Promise<boolean> {
  switch (principal.role) {
    case "customer":
      return row.customerId === principal.accountId;
    case "courier":
      return row.courierId === principal.accountId;
    case "merchant":
      return row.merchantId !== null &&
        (await merchantIdsOf(deps.sql, principal.accountId)).includes(row.merchantId);
    case "dispatcher":
    case "admin":
      return true;
  }
}

/** A party with a session, or whoever holds the tracking link. */
async function requireViewer(
  deps: GatewayDeps,
  c: GatewayContext,
  id: string,
): Promise<{ row: OrderView; courierId?: string }> {
  const token = c.req.header("x-tracking-token");
  if (token === undefined) {
    const principal = await requirePrincipal(deps, c);
    const row = await requireParty(deps, c, principal, id);
    return principal.role === "courier" ? { row, courierId: principal.accountId } : { row };
  }
  const row = isUuid(id) ? await findOrder(deps.sql, id) : undefined;
  if (row === undefined) throw new ProblemError("order.not_found");
  const hash = await hashToken(token);
  const matches = hash.every((byte, index) => byte === row.trackingTokenHash[index]);
  if (!matches) throw new ProblemError("order.not_found");
  c.env.context.ids["orderId"] = id;
  return { row };
}

async function scopeOf(deps: GatewayDeps, { role, accountId }: Principal) {
  switch (role) {
    case "customer":
      return { customerId: accountId };
    case "courier":
      return { courierId: accountId };
    case "merchant":
      return { merchantIds: await merchantIdsOf(deps.sql, accountId) };
    case "dispatcher":
    case "admin":
      return {};
  }
}
