import { createRoute } from "@hono/zod-openapi";
import { createTicket, TICKET_TTL_S } from "shared/auth/tickets.ts";
import { credentialId, ROLES } from "shared/auth/principal.ts";
import { access } from "../access.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, problems } from "../http.ts";
import { requireViewer } from "../order_parties.ts";
import { idParam, ticketSchema } from "../schemas.ts";

const ticket = createRoute({
  method: "post",
  path: "/api/v1/orders/{id}/track-tickets",
  tags: ["tracking"],
  summary: "Get a one-use ticket for the order's live track",
  description: "With a session of a party, or with the link's secret in X-Tracking-Token.",
  ...access({ roles: ROLES, scope: "orders:read", trackingLink: true }),
  request: { params: idParam },
  responses: {
    201: answers("The ticket and where to use it within 30 s", ticketSchema),
    ...problems("request.invalid", "auth.required", "order.not_found", "service.unavailable"),
  },
});

/** Tickets for an order's live track. */
export function trackTicketRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(ticket, async (c) => {
    const { row, courierId } = await requireViewer(deps, c, c.req.valid("param").id);
    // Nobody is signed in where the tracking link asks.
    const principal = c.get("principal");
    const secret = await createTicket(deps.redis, deps.keys, {
      kind: "track",
      orderId: row.id,
      ...(principal === undefined ? {} : { credentialId: credentialId(principal.credential) }),
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
