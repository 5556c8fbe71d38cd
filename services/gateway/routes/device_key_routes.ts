import { createRoute, z } from "@hono/zod-openapi";
import { audit } from "shared/audit/audit.ts";
import { insertApiKey, listOrderKeys, revokeOrderKey } from "shared/auth/api_keys.ts";
import { ROLES } from "shared/auth/principal.ts";
import { isTerminal } from "shared/orders/lifecycle.ts";
import { lockOrder } from "shared/orders/locks.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import { keyJson } from "../api_key_json.ts";
import { auditedBy } from "../audit_origin.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, type GatewayContext, jsonBody, problems } from "../http.ts";
import { apiKeySchema, createdApiKeySchema, newDeviceKeySchema } from "../identity_schemas.ts";
import { requireParty, requireViewer } from "../order_parties.ts";
import { parcelPositionSchema } from "../position_schemas.ts";
import { idParam, idSchema, instantSchema, limitQuery, listOf, pageOf } from "../schemas.ts";
import { listParcelPositions } from "../stores/position_store.ts";

/** Devices of one order that may send at once. */
const MAX_ORDER_KEYS = 5;

const KEEPING = access({ roles: ["customer", "merchant", "dispatcher"], scope: "orders:write" });

const create = createRoute({
  method: "post",
  path: "/api/v1/orders/{id}/device-keys",
  tags: ["tracking"],
  summary: "Make a key for a device that travels with the order",
  description:
    "The key sends positions of this order to ingest, opens nothing else, and ends with " +
    "the order. It is shown once.",
  ...KEEPING,
  request: { params: idParam, body: jsonBody(newDeviceKeySchema) },
  responses: {
    201: answers("The key", createdApiKeySchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "order.not_found",
      "order.transition_not_allowed",
      "api_key.too_many",
    ),
  },
});

const list = createRoute({
  method: "get",
  path: "/api/v1/orders/{id}/device-keys",
  tags: ["tracking"],
  summary: "The keys of the order's devices, the newest first",
  ...KEEPING,
  request: { params: idParam },
  responses: {
    200: answers("The keys, also those that ended", listOf(apiKeySchema)),
    ...problems("request.invalid", "auth.required", "order.not_found"),
  },
});

const revoke = createRoute({
  method: "delete",
  path: "/api/v1/orders/{id}/device-keys/{keyId}",
  tags: ["tracking"],
  summary: "End the key of a device; it is refused within 5 s",
  ...KEEPING,
  request: { params: idParam.extend({ keyId: idSchema }) },
  responses: {
    204: { description: "Ended" },
    ...problems("request.invalid", "auth.required", "order.not_found", "api_key.not_found"),
  },
});

const positions = createRoute({
  method: "get",
  path: "/api/v1/orders/{id}/parcel-positions",
  tags: ["tracking"],
  summary: "Where the order's devices were, the newest first",
  description: "As the devices sent it, kept for 30 days.",
  ...access({ roles: ROLES, scope: "orders:read", trackingLink: true }),
  request: {
    params: idParam,
    query: z.strictObject({ limit: limitQuery, cursor: instantSchema.optional() }),
  },
  responses: {
    200: answers("A page of positions", pageOf(parcelPositionSchema)),
    ...problems("request.invalid", "auth.required", "order.not_found"),
  },
});

/** Devices that travel with an order: their keys, and where they were. */
export function deviceKeyRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(create, async (c) => {
    const { id } = c.req.valid("param");
    await requireParty(deps, c, principalOf(c), id);
    const { text, view } = await createKey(deps, c, id, c.req.valid("json").name);
    return c.json({ ...keyJson(view), key: text }, 201);
  });
  routes.openapi(list, async (c) => {
    const { id } = c.req.valid("param");
    await requireParty(deps, c, principalOf(c), id);
    return c.json({ items: (await listOrderKeys(deps.sql, id)).map(keyJson) }, 200);
  });
  routes.openapi(revoke, async (c) => {
    const { id, keyId } = c.req.valid("param");
    await requireParty(deps, c, principalOf(c), id);
    await deps.sql.begin(async (tx) => {
      const revoked = await revokeOrderKey(tx, id, keyId);
      if (revoked === undefined) throw new ProblemError("api_key.not_found");
      if (!revoked.changed) return;
      const subject = { kind: "api_key", id: keyId };
      await audit(tx, { ...auditedBy(c), action: "api_key.revoked", subject });
    });
    return c.body(null, 204);
  });
  routes.openapi(positions, async (c) => {
    const { row } = await requireViewer(deps, c, c.req.valid("param").id);
    const { limit, cursor } = c.req.valid("query");
    const items = await listParcelPositions(deps.sql, row.id, { limit, before: cursor });
    const nextCursor = items.length === limit ? items.at(-1)?.recordedAt ?? null : null;
    return c.json({ items, nextCursor }, 200);
  });
  return routes;
}

async function createKey(deps: GatewayDeps, c: GatewayContext, orderId: string, name: string) {
  const { accountId, mode } = principalOf(c);
  return await deps.sql.begin(async (tx) => {
    // Locked: no key is made for an order that ends meanwhile, and two at once are counted.
    const order = await lockOrder(tx, orderId);
    if (order === undefined) throw new ProblemError("order.not_found");
    if (isTerminal(order.status)) {
      throw new ProblemError("order.transition_not_allowed", {
        detail: `Cannot make the key: the order must go on: it is ${order.status}`,
        members: { state: order.status },
      });
    }
    const inUse = (await listOrderKeys(tx, orderId)).filter(({ revokedAt }) => revokedAt === null);
    if (inUse.length >= MAX_ORDER_KEYS) {
      throw new ProblemError("api_key.too_many", {
        detail:
          `Cannot make the key: keys of the order must be < ${MAX_ORDER_KEYS}: they are ${inUse.length}`,
      });
    }
    const scopes = ["positions:write"] as const;
    const made = await insertApiKey(tx, { accountId, name, mode, scopes, orderId });
    const subject = { kind: "api_key", id: made.view.id };
    const details = { mode, scopes, orderId };
    await audit(tx, { ...auditedBy(c), action: "api_key.created", subject, details });
    return made;
  });
}
