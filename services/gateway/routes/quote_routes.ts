import { createRoute } from "@hono/zod-openapi";
import type { Principal } from "shared/auth/principal.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import type { Refusal } from "shared/orders/refusal.ts";
import { priceOf } from "shared/pricing/price_part.ts";
import { type ProblemCode, ProblemError, PROBLEMS } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import type { GatewayDeps } from "../deps.ts";
import { estimateQuote } from "../estimate.ts";
import { answers, createRoutes, jsonBody, problems, throwRefusal } from "../http.ts";
import { scheduleOrder } from "../order_window.ts";
import { type OrderTerms, orderTerms, storedRequest } from "../order_terms.ts";
import {
  type QuoteRequest,
  quoteRequestSchema,
  quoteSchema,
  unserviceableSchema,
} from "../quote_schemas.ts";
import { merchantIdsOf } from "../stores/merchant_store.ts";
import { insertQuote } from "../stores/quote_store.ts";

/** Refusals that answer the question; every other one means that it was asked wrongly. */
const ANSWERS_NO: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  "merchant.closed",
  "menu_item.unavailable",
  "order.outside_service_area",
]);

const quote = createRoute({
  method: "post",
  path: "/api/v1/quotes",
  tags: ["orders"],
  summary: "What an order would cost, and whether it can be",
  description: "The price holds for 15 min and for one order, which names it as quoteId.",
  ...access({ roles: ["customer", "merchant", "dispatcher", "admin"], scope: "orders:write" }),
  request: { body: jsonBody(quoteRequestSchema) },
  responses: {
    200: answers("It cannot be done now; nothing was stored", unserviceableSchema),
    201: answers("It can be done at this price", quoteSchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "merchant.not_found",
      "menu_item.not_found",
      "menu_item.options_invalid",
    ),
  },
});

/** Prices before orders. */
export function quoteRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(quote, async (c) => {
    const principal = principalOf(c);
    const asked = c.req.valid("json");
    await requireOwnShop(deps, principal, asked);
    const { accountId } = principal;
    const nowMs = Date.now();
    const terms = await orderTerms(deps, { accountId, asked, nowMs });
    if (!terms.ok) {
      if (!ANSWERS_NO.has(terms.code)) throwRefusal(terms);
      return c.json(unserviceable(terms), 200);
    }
    const eta = quotedEta(deps, asked, terms, nowMs);
    return c.json({ ...await storedQuote(deps, accountId, asked, terms), eta }, 201);
  });
  return routes;
}

/** A merchant orders from its own shops; parcels are anybody's. */
async function requireOwnShop(
  deps: GatewayDeps,
  { role, accountId }: Principal,
  asked: QuoteRequest,
): Promise<void> {
  if (role !== "merchant" || asked.kind !== "marketplace") return;
  if ((await merchantIdsOf(deps.sql, accountId)).includes(asked.merchantId)) return;
  throw new ProblemError("auth.forbidden", {
    detail: "Cannot quote: merchantId must be a merchant of your account",
  });
}

/** The refusal as an answer; members that are of no use before an order are left out. */
function unserviceable({ code, detail, members }: Refusal) {
  const { title } = PROBLEMS[code];
  return unserviceableSchema.parse({
    serviceable: false,
    reason: { code, title, detail, ...members },
  });
}

/** When it would be at the door: not before its window opens. Leaves the handler for a bad window. */
function quotedEta(deps: GatewayDeps, asked: QuoteRequest, terms: OrderTerms, nowMs: number) {
  const { preparationMinutes, drivingS } = terms;
  const { p50, p90 } = estimateQuote({ nowMs, preparationMinutes, drivingS, speed: deps.speed });
  const scheduled = scheduleOrder({ window: asked.window, nowMs, estimatedAt: p50 });
  if (!scheduled.ok) throwRefusal(scheduled);
  const p50Ms = scheduled.estimatedAt.getTime();
  const p90Ms = p50Ms + p90.getTime() - p50.getTime();
  return {
    estimated: true as const,
    p50At: new Date(p50Ms).toISOString(),
    p90At: new Date(p90Ms).toISOString(),
  };
}

async function storedQuote(
  deps: GatewayDeps,
  accountId: string,
  asked: QuoteRequest,
  terms: OrderTerms,
) {
  const { region, items, parts, distanceM, drivingS } = terms;
  const price = priceOf(parts, region.currency);
  const id = uuidv7();
  const { createdAt, validUntil } = await insertQuote(deps.sql, {
    id,
    accountId,
    region: region.id,
    request: storedRequest(asked),
    items,
    parts,
    totalMinor: price.totalMinor,
    currency: region.currency,
    distanceM,
    drivingS,
  });
  return {
    serviceable: true as const,
    id,
    regionId: region.id,
    price: { ...price, parts: [...parts] },
    items: items.map(({ options, ...line }) =>
      options === undefined ? line : { ...line, options: [...options] }
    ),
    distanceM,
    createdAt: createdAt.toISOString(),
    validUntil: validUntil.toISOString(),
  };
}
