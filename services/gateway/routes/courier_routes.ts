import { createRoute, z } from "@hono/zod-openapi";
import { credentialId } from "shared/auth/principal.ts";
import { createTicket, TICKET_TTL_S } from "shared/auth/tickets.ts";
import { goOffline, goOnline, pauseShift } from "shared/orders/courier_shift.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, problems, throwRefusal } from "../http.ts";
import { courierSchema, ticketSchema } from "../schemas.ts";
import { findCourier } from "../stores/courier_store.ts";

const me = createRoute({
  method: "get",
  path: "/api/v1/courier/me",
  tags: ["courier"],
  summary: "The courier of this session",
  ...access({ roles: ["courier"], scope: "couriers:read" }),
  responses: {
    200: answers("The courier", courierSchema),
    ...problems("auth.required", "auth.forbidden"),
  },
});

function shift(name: string, summary: string) {
  return createRoute({
    method: "post",
    path: `/api/v1/courier/${name}`,
    tags: ["courier"],
    summary,
    ...access({ roles: ["courier"], scope: "couriers:write" }),
    responses: {
      200: answers("The courier as it now stands", courierSchema),
      ...problems("auth.required", "auth.forbidden", "courier.carrying", "courier.off_shift"),
    },
  });
}

const SHIFT = [
  { name: "online", change: goOnline, summary: "Take orders" },
  { name: "pause", change: pauseShift, summary: "Keep what you have, get no more offers" },
  { name: "offline", change: goOffline, summary: "End the shift" },
];

const channel = createRoute({
  method: "post",
  path: "/api/v1/courier/channel-tickets",
  tags: ["courier"],
  summary: "Get a one-use ticket for the channel on which offers arrive",
  ...access({ roles: ["courier"], scope: "couriers:read" }),
  responses: {
    201: answers("The ticket and where to use it within 30 s", ticketSchema),
    ...problems("auth.required", "auth.forbidden", "service.unavailable"),
  },
});

/** The courier's shift and channel. */
export function courierRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(me, async (c) => {
    const { accountId } = principalOf(c);
    return c.json(await courierJson(deps, accountId), 200);
  });
  for (const { name, change, summary } of SHIFT) {
    routes.openapi(shift(name, summary), async (c) => {
      const { accountId } = principalOf(c);
      const outcome = await change(deps.sql, accountId);
      if (!outcome.ok) throwRefusal(outcome);
      deps.notifyOutbox();
      return c.json(await courierJson(deps, accountId), 200);
    });
  }
  routes.openapi(channel, async (c) => {
    const { accountId, credential } = principalOf(c);
    const grant = {
      kind: "courier_channel",
      courierId: accountId,
      credentialId: credentialId(credential),
    } as const;
    const ticket = await createTicket(deps.redis, deps.keys, grant);
    const url = `${deps.trackerUrl}/api/v1/courier/channel?ticket=${ticket}`;
    return c.json({
      ticket,
      expiresAt: new Date(Date.now() + TICKET_TTL_S * 1000).toISOString(),
      webSocketUrl: url.replace(/^http/, "ws"),
    }, 201);
  });
  return routes;
}

async function courierJson(
  deps: GatewayDeps,
  accountId: string,
): Promise<z.infer<typeof courierSchema>> {
  const courier = await findCourier(deps.sql, accountId);
  if (courier === undefined) throw new ProblemError("courier.not_found");
  const { region, shard: _shard, ...rest } = courier;
  return { ...rest, regionId: region };
}
