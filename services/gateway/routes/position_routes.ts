import { createRoute } from "@hono/zod-openapi";
import { ROLES } from "shared/auth/principal.ts";
import type { CacheKind } from "shared/cache/cache.ts";
import { isTerminal } from "shared/orders/lifecycle.ts";
import { Patience } from "shared/redis/patience.ts";
import { access } from "../access.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, problems } from "../http.ts";
import { requireViewer } from "../order_parties.ts";
import { positionSchema } from "../position_schemas.ts";
import { idParam } from "../schemas.ts";
import { findCarrier, findParcelPosition, findPosition } from "../stores/position_store.ts";

const POSITIONS: CacheKind = { name: "position", maxCharacters: 1_024 };
const POSITION_TTL_MS = 15_000;
const REDIS_TIMEOUT_MS = 25;

const position = createRoute({
  method: "get",
  path: "/api/v1/orders/{id}/position",
  tags: ["tracking"],
  summary: "Where the order's courier is, and a device that travels with it",
  description: "At most 15 s behind what the courier reported; null while nobody has the order. " +
    "`parcel` is where a device of the order is. To follow it live, use a track.",
  ...access({ roles: ROLES, scope: "orders:read", trackingLink: true }),
  request: { params: idParam },
  responses: {
    200: answers("The positions, or null", positionSchema),
    ...problems("request.invalid", "auth.required", "order.not_found"),
  },
});

/** Positions for those who cannot follow a track. */
export function positionRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  const patience = new Patience({ timeoutMs: REDIS_TIMEOUT_MS });
  routes.openapi(position, async (c) => {
    const { row } = await requireViewer(deps, c, c.req.valid("param").id);
    // Never cached: from the moment the courier no longer has the order, it is not shown.
    const carrier = await findCarrier(deps.sql, row.id);
    const found = isTerminal(row.status) ? undefined : await findParcelPosition(deps.sql, row.id);
    const parcel = found ?? null;
    if (carrier === undefined) {
      c.header("x-cache", "BYPASS");
      return c.json({ position: null, parcel }, 200);
    }
    const { value, result } = await deps.cache.read(POSITIONS, carrier.courierId, async () => {
      const found = await findPosition({ ...deps, patience }, carrier);
      return found && { value: found, version: 0, ttlMs: POSITION_TTL_MS };
    });
    c.header("x-cache", result);
    return c.json({ position: value ?? null, parcel }, 200);
  });
  return routes;
}
