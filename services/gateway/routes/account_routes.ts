import { createRoute, z } from "@hono/zod-openapi";
import { audit } from "shared/audit/audit.ts";
import { revokeApiKeys } from "shared/auth/api_keys.ts";
import { ROLES } from "shared/auth/principal.ts";
import { endSessions } from "shared/auth/sessions.ts";
import { retryOnNewWork, suspendCourierIn } from "shared/orders/courier_shift.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import { auditedBy } from "../audit_origin.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, type GatewayContext, jsonBody, problems } from "../http.ts";
import { accountSchema, managedAccountSchema, newStaffSchema } from "../identity_schemas.ts";
import { hashing } from "../password_work.ts";
import { idParam, limitQuery, pageOf } from "../schemas.ts";
import {
  insertAccount,
  listAccounts,
  type ManagedAccount,
  setSuspended,
} from "../stores/account_store.ts";

const ADMIN = access({ roles: ["admin"], scope: "none" });

const create = createRoute({
  method: "post",
  path: "/api/v1/admin/accounts",
  tags: ["admin"],
  summary: "Make a dispatcher or an admin",
  ...ADMIN,
  request: { body: jsonBody(newStaffSchema) },
  responses: {
    201: answers("The account", accountSchema),
    ...problems("request.invalid", "auth.session_required", "account.email_taken", "auth.busy"),
  },
});

const list = createRoute({
  method: "get",
  path: "/api/v1/admin/accounts",
  tags: ["admin"],
  summary: "Accounts, the newest first",
  ...ADMIN,
  request: {
    query: z.strictObject({
      role: z.enum(ROLES).optional(),
      limit: limitQuery,
      cursor: z.uuid().optional(),
    }),
  },
  responses: {
    200: answers("A page of accounts", pageOf(managedAccountSchema)),
    ...problems("request.invalid", "auth.session_required"),
  },
});

function suspension(name: string, summary: string) {
  return createRoute({
    method: "post",
    path: `/api/v1/admin/accounts/{id}/${name}`,
    tags: ["admin"],
    summary,
    ...ADMIN,
    request: { params: idParam },
    responses: {
      200: answers("The account as it now stands", managedAccountSchema),
      ...problems("request.invalid", "auth.session_required", "account.not_found", "account.own"),
    },
  });
}

const suspend = suspension(
  "suspend",
  "Suspend an account: its sessions and API keys end, a courier leaves",
);
const reinstate = suspension("reinstate", "Let a suspended account sign in again");

/** Accounts, as admins manage them. */
export function accountRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(create, async (c) => {
    const { password, ...rest } = c.req.valid("json");
    const account = { id: uuidv7(), ...rest };
    const passwordHash = await hashing(() => deps.hasher.hash(password));
    const isStored = await insertAccount(
      deps.sql,
      { ...account, passwordHash },
      undefined,
      async (tx) => {
        const subject = { kind: "account", id: account.id };
        const details = { role: account.role };
        await audit(tx, { ...auditedBy(c), action: "account.created", subject, details });
        return true;
      },
    );
    if (isStored === undefined) throw new ProblemError("account.email_taken");
    return c.json(account, 201);
  });
  routes.openapi(list, async (c) => {
    const { role, limit, cursor } = c.req.valid("query");
    const accounts = await listAccounts(deps.sql, { role, limit, beforeId: cursor });
    const nextCursor = accounts.length === limit ? accounts.at(-1)?.id ?? null : null;
    return c.json({ items: accounts.map(accountJson), nextCursor }, 200);
  });
  routes.openapi(suspend, async (c) => {
    return c.json(await change(deps, c, c.req.valid("param").id, true), 200);
  });
  routes.openapi(reinstate, async (c) => {
    return c.json(await change(deps, c, c.req.valid("param").id, false), 200);
  });
  return routes;
}

/** What ended stays ended: who is reinstated signs in again and makes new keys. */
async function change(deps: GatewayDeps, c: GatewayContext, id: string, isSuspended: boolean) {
  if (id === principalOf(c).accountId) throw new ProblemError("account.own");
  const { account, ended } = await retryOnNewWork(() =>
    deps.sql.begin(async (tx) => {
      const account = await setSuspended(tx, id, isSuspended);
      if (account === undefined) throw new ProblemError("account.not_found");
      if (!account.changed) return { account, ended: [] };
      const ended = isSuspended ? await endSessions(tx, id) : [];
      const keys = isSuspended ? await revokeApiKeys(tx, id) : [];
      await audit(tx, {
        ...auditedBy(c),
        action: isSuspended ? "account.suspended" : "account.reinstated",
        subject: { kind: "account", id },
        details: { sessionsEnded: ended.length, keysRevoked: keys.length },
      });
      if (isSuspended && account.role === "courier") {
        await suspendCourierIn(tx, id, { role: "dispatcher", accountId: principalOf(c).accountId });
      }
      return { account, ended };
    })
  );
  await deps.credentials.sessions.forget(ended);
  return accountJson(account);
}

function accountJson(
  { id, role, name, email, createdAt, suspendedAt }: ManagedAccount,
): z.infer<typeof managedAccountSchema> {
  return {
    id,
    role,
    name,
    email,
    createdAt: createdAt.toISOString(),
    suspendedAt: suspendedAt?.toISOString() ?? null,
  };
}
