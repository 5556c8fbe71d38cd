import { createRoute } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Principal } from "shared/auth/principal.ts";
import { hashToken, hexOf } from "shared/auth/token.ts";
import { problemBody, ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import type { GatewayDeps } from "../deps.ts";
import {
  answers,
  createRoutes,
  type GatewayContext,
  IDEMPOTENCY_KEY,
  jsonBody,
  problems,
} from "../http.ts";
import { idempotencyKey } from "../idempotency.ts";
import { requireParty } from "../order_parties.ts";
import {
  batchResultSchema,
  batchSchema,
  type OrderJson,
  orderSchema,
  type PlaceOrder,
  placeOrderSchema,
  reorderSchema,
} from "../order_schemas.ts";
import { type PlacedAnswer, placeOnce } from "../place_once.ts";
import { reorderOf } from "../reorder.ts";
import { type PlacementGuard, placementGuard } from "../middleware/limits.ts";
import { idParam } from "../schemas.ts";
import { withTrackingLink } from "../tracking_link.ts";

/** Orders of a batch in work at once: half a group of placements, the other half is for others. */
const BATCH_PARALLEL = 32;
const PLACING = access({
  roles: ["customer", "merchant", "dispatcher", "admin"],
  scope: "orders:write",
});

const REFUSALS = [
  "request.invalid",
  "auth.required",
  "auth.forbidden",
  "merchant.not_found",
  "merchant.closed",
  "menu_item.not_found",
  "menu_item.unavailable",
  "menu_item.options_invalid",
  "quote.not_found",
  "quote.expired",
  "quote.used",
  "quote.mismatch",
  "order.outside_service_area",
  "order.external_id_taken",
  "idempotency.key_reused",
  "idempotency.in_progress",
  "order.limit_reached",
] as const;

const place = createRoute({
  method: "post",
  path: "/api/v1/orders",
  tags: ["orders"],
  summary: "Place an order",
  description: "Send an Idempotency-Key: a lost answer is then resolved by sending it again. An " +
    "`externalId` does the same, for ever.",
  ...PLACING,
  parameters: [IDEMPOTENCY_KEY],
  request: { body: jsonBody(placeOrderSchema) },
  responses: {
    200: answers("The order that has this externalId already", orderSchema),
    201: answers("The order; it is committed", orderSchema),
    ...problems(...REFUSALS),
  },
});

const batch = createRoute({
  method: "post",
  path: "/api/v1/orders/batch",
  tags: ["orders"],
  summary: "Place up to 100 orders, each for itself",
  description: "Each order is a transaction of its own: some may be placed and others refused. " +
    "With an Idempotency-Key each order has a key of its own, made of it and its index.",
  ...PLACING,
  parameters: [IDEMPOTENCY_KEY],
  request: { body: jsonBody(batchSchema) },
  responses: {
    200: answers("What came of each order, in the order of the request", batchResultSchema),
    ...problems("request.invalid", "request.too_large", "auth.required", "auth.forbidden"),
  },
});

const reorder = createRoute({
  method: "post",
  path: "/api/v1/orders/{id}/reorder",
  tags: ["orders"],
  summary: "Place the same order again, at today's prices",
  ...PLACING,
  parameters: [IDEMPOTENCY_KEY],
  request: { params: idParam, body: jsonBody(reorderSchema) },
  responses: {
    200: answers("The order that has this externalId already", orderSchema),
    201: answers("The new order; it is committed", orderSchema),
    ...problems(...REFUSALS, "order.not_found"),
  },
});

/** Place orders, each key once. */
export function placeOrderRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(place, async (c) => {
    const principal = principalOf(c);
    const wanted = c.req.valid("json");
    const placed = await placeOnce(deps, {
      principal,
      guard: placementGuard(deps.limits, c, principal),
      wanted,
      key: idempotencyKey(c.req.raw.headers),
      fingerprint: `POST /api/v1/orders ${JSON.stringify(wanted)}`,
    });
    return c.json(created(deps, c, placed), 201);
  });
  routes.openapi(batch, async (c) => {
    const principal = principalOf(c);
    const { orders } = c.req.valid("json");
    const key = idempotencyKey(c.req.raw.headers);
    const guard = placementGuard(deps.limits, c, principal);
    return c.json({ items: await placeAll(deps, { principal, guard }, orders, key) }, 200);
  });
  routes.openapi(reorder, async (c) => {
    const principal = principalOf(c);
    const row = await requireParty(deps, c, principal, c.req.valid("param").id);
    if (row.customerId !== principal.accountId) throw new ProblemError("order.not_found");
    const changes = c.req.valid("json");
    const placed = await placeOnce(deps, {
      principal,
      guard: placementGuard(deps.limits, c, principal),
      wanted: reorderOf(row, changes),
      key: idempotencyKey(c.req.raw.headers),
      fingerprint: `POST /api/v1/orders/${row.id}/reorder ${JSON.stringify(changes)}`,
    });
    return c.json(created(deps, c, placed), 201);
  });
  return routes;
}

/** The body of a new order. Leaves the handler with a replay or a refusal. */
function created(
  deps: GatewayDeps,
  c: GatewayContext,
  placed: PlacedAnswer,
): OrderJson {
  const { answer, isReplay, orderId } = placed;
  const body = shown(deps, placed);
  if (orderId === undefined) give({ ...answer, body }, isReplay, c.env.context.requestId);
  c.env.context.ids["orderId"] = orderId;
  return body as OrderJson;
}

/** An answer as it is given: an order with the secret of its link, which is stored nowhere. */
function shown(
  deps: GatewayDeps,
  { answer: { status, body }, trackingToken }: Pick<PlacedAnswer, "answer" | "trackingToken">,
) {
  return status < 400 ? withTrackingLink(deps, body as OrderJson, trackingToken) : body;
}

/** Leaves the handler with an answer that is not a new order. */
function give(answer: PlacedAnswer["answer"], isReplay: boolean, requestId: string): never {
  const isProblem = answer.status >= 400;
  const body = isProblem && !isReplay
    ? { ...answer.body as object, instance: requestId }
    : answer.body;
  throw new HTTPException(answer.status as ContentfulStatusCode, {
    res: new Response(JSON.stringify(body), {
      status: answer.status,
      headers: {
        "content-type": isProblem ? "application/problem+json" : "application/json",
        "cache-control": "private, no-store",
        ...(isReplay ? { "idempotent-replayed": "true" } : {}),
      },
    }),
  });
}

interface BatchItem {
  readonly index: number;
  readonly status: number;
  readonly replayed: boolean;
  readonly order?: OrderJson;
  readonly problem?: { code: string; title: string; status: number };
}

interface BatchPlacer {
  readonly principal: Principal;
  readonly guard: PlacementGuard;
}

async function placeAll(
  deps: GatewayDeps,
  placer: BatchPlacer,
  orders: readonly PlaceOrder[],
  key: string | undefined,
): Promise<BatchItem[]> {
  const items: BatchItem[] = [];
  for (let start = 0; start < orders.length; start += BATCH_PARALLEL) {
    const some = orders.slice(start, start + BATCH_PARALLEL);
    items.push(
      ...await Promise.all(
        some.map((wanted, offset) =>
          placeItem(deps, placer, wanted, { key, index: start + offset })
        ),
      ),
    );
  }
  return items;
}

async function placeItem(
  deps: GatewayDeps,
  placer: BatchPlacer,
  wanted: PlaceOrder,
  { key, index }: { key: string | undefined; index: number },
): Promise<BatchItem> {
  try {
    const placed = await placeOnce(deps, {
      ...placer,
      wanted,
      // Hashed, because a key may already be as long as keys may be.
      key: key === undefined ? undefined : `batch:${hexOf(await hashToken(`${key}:${index}`))}`,
      fingerprint: `POST /api/v1/orders/batch ${JSON.stringify(wanted)}`,
    });
    const { answer, isReplay } = placed;
    return batchItem(index, { ...answer, body: shown(deps, placed) }, isReplay);
  } catch (error) {
    // A refusal of one order is no reason to leave the others without an answer.
    if (!(error instanceof ProblemError)) {
      deps.log.error("order of a batch failed", { index, error });
    }
    const body = error instanceof ProblemError
      ? problemBody(error.code, error.extras)
      : problemBody("internal");
    return batchItem(index, { status: body.status, body }, false);
  }
}

function batchItem(index: number, answer: PlacedAnswer["answer"], replayed: boolean): BatchItem {
  const { status, body } = answer;
  return status < 400
    ? { index, status, replayed, order: body as OrderJson }
    : { index, status, replayed, problem: body as { code: string; title: string; status: number } };
}
