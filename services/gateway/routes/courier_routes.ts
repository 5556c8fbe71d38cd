import { createRoute } from "@hono/zod-openapi";
import { credentialId } from "shared/auth/principal.ts";
import { createTicket, TICKET_TTL_S } from "shared/auth/tickets.ts";
import { changeProfile } from "shared/orders/courier_profile.ts";
import { goOffline, goOnline, pauseShift } from "shared/orders/courier_shift.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import { requireCourierJson } from "../courier_json.ts";
import {
  courierSchema,
  courierStatsSchema,
  earningsSchema,
  profileSchema,
} from "../courier_schemas.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, jsonBody, problems, throwRefusal } from "../http.ts";
import { positionTicketSchema, ticketSchema } from "../schemas.ts";
import { readEarnings, readStats } from "../stores/courier_store.ts";

const READING = access({ roles: ["courier"], scope: "couriers:read" });
const WORKING = access({ roles: ["courier"], scope: "couriers:write" });

const me = createRoute({
  method: "get",
  path: "/api/v1/courier/me",
  tags: ["courier"],
  summary: "The courier of this session",
  ...READING,
  responses: {
    200: answers("The courier", courierSchema),
    ...problems("auth.required", "auth.forbidden", "courier.not_found"),
  },
});

const changeMe = createRoute({
  method: "patch",
  path: "/api/v1/courier/me",
  tags: ["courier"],
  summary: "Change your vehicle, capacity or heaviest load; skills are granted by a dispatcher",
  ...WORKING,
  request: { body: jsonBody(profileSchema) },
  responses: {
    200: answers("The courier", courierSchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "auth.forbidden",
      "courier.not_found",
      "courier.at_capacity",
    ),
  },
});

const earnings = createRoute({
  method: "get",
  path: "/api/v1/courier/earnings",
  tags: ["courier"],
  summary: "What you earned today, this week and this month",
  ...READING,
  responses: {
    200: answers("Sums in the time zone of your region", earningsSchema),
    ...problems("auth.required", "auth.forbidden", "courier.not_found"),
  },
});

const stats = createRoute({
  method: "get",
  path: "/api/v1/courier/stats",
  tags: ["courier"],
  summary: "How you accepted, completed and were rated",
  ...READING,
  responses: {
    200: answers("The last 30 days; ratings of all time", courierStatsSchema),
    ...problems("auth.required", "auth.forbidden", "courier.not_found"),
  },
});

function shift(name: string, summary: string) {
  return createRoute({
    method: "post",
    path: `/api/v1/courier/${name}`,
    tags: ["courier"],
    summary,
    ...WORKING,
    responses: {
      200: answers("The courier as it now stands", courierSchema),
      ...problems(
        "auth.required",
        "auth.forbidden",
        "courier.not_found",
        "courier.carrying",
        "courier.off_shift",
        "account.suspended",
      ),
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
  ...READING,
  responses: {
    201: answers("The ticket and where to use it within 30 s", ticketSchema),
    ...problems("auth.required", "auth.forbidden", "service.unavailable"),
  },
});

const positions = createRoute({
  method: "post",
  path: "/api/v1/courier/position-tickets",
  tags: ["courier"],
  summary: "Get a one-use ticket for the WebSocket on which positions are sent",
  description: "For `GET /api/v1/courier/positions?ticket=...` at ingest's address.",
  ...access({ roles: ["courier"], scope: "positions:write" }),
  responses: {
    201: answers("The ticket, to be used within 30 s", positionTicketSchema),
    ...problems("auth.required", "auth.forbidden", "service.unavailable"),
  },
});

/** The courier's shift, channel and positions. */
export function courierRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(me, async (c) => {
    const { accountId } = principalOf(c);
    return c.json(await requireCourierJson(deps, accountId), 200);
  });
  routes.openapi(changeMe, async (c) => {
    const { accountId } = principalOf(c);
    const outcome = await changeProfile(deps.sql, accountId, c.req.valid("json"));
    if (!outcome.ok) throwRefusal(outcome);
    deps.notifyOutbox();
    return c.json(await requireCourierJson(deps, accountId), 200);
  });
  routes.openapi(earnings, async (c) => {
    const { accountId } = principalOf(c);
    const sums = await readEarnings(deps.sql, accountId);
    if (sums === undefined) throw new ProblemError("courier.not_found");
    return c.json(sums, 200);
  });
  routes.openapi(stats, async (c) => {
    const { accountId } = principalOf(c);
    return c.json(await readStats(deps.sql, accountId), 200);
  });
  for (const { name, change, summary } of SHIFT) {
    routes.openapi(shift(name, summary), async (c) => {
      const { accountId } = principalOf(c);
      const outcome = await change(deps.sql, accountId);
      if (!outcome.ok) throwRefusal(outcome);
      deps.notifyOutbox();
      return c.json(await requireCourierJson(deps, accountId), 200);
    });
  }
  routes.openapi(positions, async (c) => {
    const { accountId, credential, mode } = principalOf(c);
    // In test mode the courier is a robot: a real one's position must not come from a test.
    if (mode !== "live") {
      throw new ProblemError("auth.forbidden", {
        detail: `Cannot send positions: the key's mode must be live: it is ${mode}`,
      });
    }
    const ticket = await createTicket(deps.redis, deps.keys, {
      kind: "courier_positions",
      courierId: accountId,
      credentialId: credentialId(credential),
    });
    const expiresAt = new Date(Date.now() + TICKET_TTL_S * 1000).toISOString();
    return c.json({ ticket, expiresAt }, 201);
  });
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
