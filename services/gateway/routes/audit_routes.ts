import { createRoute, z } from "@hono/zod-openapi";
import { access } from "../access.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, problems } from "../http.ts";
import { auditEntrySchema } from "../identity_schemas.ts";
import { limitQuery, pageOf, words } from "../schemas.ts";
import { listAudit } from "../stores/audit_store.ts";

const MAX_WORD = 100;

const list = createRoute({
  method: "get",
  path: "/api/v1/admin/audit",
  tags: ["admin"],
  summary: "What was done, by whom; the newest first",
  ...access({ roles: ["admin"], scope: "none" }),
  request: {
    query: z.strictObject({
      actorAccountId: z.uuid().optional(),
      action: words(MAX_WORD).optional(),
      subjectKind: words(MAX_WORD).optional(),
      subjectId: words(MAX_WORD).optional(),
      from: z.iso.datetime({ offset: true }).optional(),
      to: z.iso.datetime({ offset: true }).optional(),
      limit: limitQuery,
      cursor: z.uuid().optional(),
    }),
  },
  responses: {
    200: answers("A page of entries", pageOf(auditEntrySchema)),
    ...problems("request.invalid", "auth.session_required"),
  },
});

/** The audit log. */
export function auditRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(list, async (c) => {
    const { cursor, ...query } = c.req.valid("query");
    const rows = await listAudit(deps.sql, { ...query, beforeId: cursor });
    const nextCursor = rows.length === query.limit ? rows.at(-1)?.id ?? null : null;
    const items = rows.map((row) => ({ ...row, at: row.at.toISOString() }));
    return c.json({ items, nextCursor }, 200);
  });
  return routes;
}
