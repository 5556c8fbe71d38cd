import { createRoute } from "@hono/zod-openapi";
import { audit } from "shared/audit/audit.ts";
import { ROLES } from "shared/auth/principal.ts";
import { bearerToken, endSessions, listSessions } from "shared/auth/sessions.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import { auditedBy } from "../audit_origin.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, type GatewayContext, problems } from "../http.ts";
import { ownSessionSchema, refreshedSchema } from "../identity_schemas.ts";
import { idParam, listOf } from "../schemas.ts";

const SIGNED_IN = access({ roles: ROLES, scope: "none" });

const logout = createRoute({
  method: "post",
  path: "/api/v1/auth/logout",
  tags: ["identity"],
  summary: "End this session",
  ...SIGNED_IN,
  responses: { 204: { description: "Ended" }, ...problems("auth.session_required") },
});

const logoutEverywhere = createRoute({
  method: "post",
  path: "/api/v1/auth/logout-everywhere",
  tags: ["identity"],
  summary: "End all your sessions, this one too",
  ...SIGNED_IN,
  responses: { 204: { description: "Ended" }, ...problems("auth.session_required") },
});

const refresh = createRoute({
  method: "post",
  path: "/api/v1/auth/refresh",
  tags: ["identity"],
  summary: "Exchange the session's token for a new one that lasts another day",
  description: "The old token ends at once; what was opened with the session stays open.",
  ...SIGNED_IN,
  responses: {
    200: answers("The new token", refreshedSchema),
    ...problems("auth.session_required"),
  },
});

const list = createRoute({
  method: "get",
  path: "/api/v1/auth/sessions",
  tags: ["identity"],
  summary: "Your sessions, the newest first",
  ...SIGNED_IN,
  responses: {
    200: answers("Sessions", listOf(ownSessionSchema)),
    ...problems("auth.session_required"),
  },
});

const end = createRoute({
  method: "delete",
  path: "/api/v1/auth/sessions/{id}",
  tags: ["identity"],
  summary: "End one of your sessions",
  ...SIGNED_IN,
  request: { params: idParam },
  responses: {
    204: { description: "Ended" },
    ...problems("request.invalid", "auth.session_required", "session.not_found"),
  },
});

/** What a signed-in person does with its sessions. */
export function sessionRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(logout, async (c) => {
    const { sessionId } = sessionOf(c);
    const subject = { kind: "session", id: sessionId };
    await deps.credentials.sessions.end(
      requireToken(c),
      (tx) => audit(tx, { ...auditedBy(c), action: "session.ended", subject }),
    );
    return c.body(null, 204);
  });
  routes.openapi(logoutEverywhere, async (c) => {
    const { accountId } = principalOf(c);
    const ended = await deps.sql.begin(async (tx) => {
      const ended = await endSessions(tx, accountId);
      const subject = { kind: "account", id: accountId };
      const details = { sessionsEnded: ended.length };
      await audit(tx, { ...auditedBy(c), action: "sessions.ended", subject, details });
      return ended;
    });
    await deps.credentials.sessions.forget(ended);
    return c.body(null, 204);
  });
  routes.openapi(refresh, async (c) => {
    const refreshed = await deps.credentials.sessions.refresh(requireToken(c));
    if (refreshed === undefined) throw new ProblemError("auth.required");
    const { token, expiresAt } = refreshed;
    return c.json({ token, expiresAt: expiresAt.toISOString() }, 200);
  });
  routes.openapi(list, async (c) => {
    const { sessionId } = sessionOf(c);
    const items = (await listSessions(deps.sql, principalOf(c).accountId)).map((session) => ({
      id: session.id,
      createdAt: session.createdAt.toISOString(),
      expiresAt: session.expiresAt.toISOString(),
      userAgent: session.userAgent,
      current: session.id === sessionId,
    }));
    return c.json({ items }, 200);
  });
  routes.openapi(end, async (c) => {
    const { id } = c.req.valid("param");
    const { accountId } = principalOf(c);
    const ended = await deps.sql.begin(async (tx) => {
      const ended = await endSessions(tx, accountId, { only: id });
      if (ended.length === 0) throw new ProblemError("session.not_found");
      const subject = { kind: "session", id };
      await audit(tx, { ...auditedBy(c), action: "session.ended", subject });
      return ended;
    });
    await deps.credentials.sessions.forget(ended);
    return c.body(null, 204);
  });
  return routes;
}

/** The session that asks; these routes admit nothing else. */
function sessionOf(c: GatewayContext): { sessionId: string } {
  const { credential } = principalOf(c);
  if (credential.kind !== "session") throw new Error("only a session may come here");
  return credential;
}

function requireToken(c: GatewayContext): string {
  const token = bearerToken(c.req.header("authorization"));
  if (token === undefined) throw new ProblemError("auth.required");
  return token;
}
