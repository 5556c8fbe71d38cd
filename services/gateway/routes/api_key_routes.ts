import { createRoute, z } from "@hono/zod-openapi";
import { audit } from "shared/audit/audit.ts";
import { countApiKeys, insertApiKey, listApiKeys, revokeApiKeys } from "shared/auth/api_keys.ts";
import type { Principal } from "shared/auth/principal.ts";
import { type Scope, SCOPES_OF_ROLE } from "shared/auth/scopes.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import { keyJson } from "../api_key_json.ts";
import { auditedBy } from "../audit_origin.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, type GatewayContext, jsonBody, problems } from "../http.ts";
import { apiKeySchema, createdApiKeySchema, newApiKeySchema } from "../identity_schemas.ts";
import { idParam, limitQuery, pageOf } from "../schemas.ts";

/** Keys of one account that open something. */
const MAX_KEYS = 50;

/** A person makes keys; a key never makes keys. */
const KEEPING_KEYS = access({
  roles: ["customer", "courier", "merchant", "dispatcher"],
  scope: "none",
});

const create = createRoute({
  method: "post",
  path: "/api/v1/api-keys",
  tags: ["identity"],
  summary: "Make an API key for a shop or a device",
  description: "The key acts as this account, narrowed by its scopes. It is shown once.",
  ...KEEPING_KEYS,
  request: { body: jsonBody(newApiKeySchema) },
  responses: {
    201: answers("The key", createdApiKeySchema),
    ...problems("request.invalid", "auth.session_required", "api_key.too_many"),
  },
});

const list = createRoute({
  method: "get",
  path: "/api/v1/api-keys",
  tags: ["identity"],
  summary: "Your API keys, the newest first",
  ...KEEPING_KEYS,
  request: { query: z.strictObject({ limit: limitQuery, cursor: z.uuid().optional() }) },
  responses: {
    200: answers("A page of keys", pageOf(apiKeySchema)),
    ...problems("request.invalid", "auth.session_required"),
  },
});

const revoke = createRoute({
  method: "delete",
  path: "/api/v1/api-keys/{id}",
  tags: ["identity"],
  summary: "End an API key; it is refused within 5 s",
  ...KEEPING_KEYS,
  request: { params: idParam },
  responses: {
    204: { description: "Ended" },
    ...problems("request.invalid", "auth.session_required", "api_key.not_found"),
  },
});

/** API keys of one's own account. */
export function apiKeyRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(create, async (c) => {
    const principal = principalOf(c);
    const input = c.req.valid("json");
    requireOwnScopes(principal, input.scopes);
    const { text, view } = await createKey(deps, c, principal.accountId, input);
    return c.json({ ...keyJson(view), key: text }, 201);
  });
  routes.openapi(list, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const { accountId } = principalOf(c);
    const keys = await listApiKeys(deps.sql, accountId, { limit, beforeId: cursor });
    const nextCursor = keys.length === limit ? keys.at(-1)?.id ?? null : null;
    return c.json({ items: keys.map(keyJson), nextCursor }, 200);
  });
  routes.openapi(revoke, async (c) => {
    const { id } = c.req.valid("param");
    const { accountId } = principalOf(c);
    await deps.sql.begin(async (tx) => {
      const [row] = await tx<{ id: string }[]>`
        select id from api_keys where id = ${id} and account_id = ${accountId}`;
      if (row === undefined) throw new ProblemError("api_key.not_found");
      // A repeat changes nothing and tells nothing new.
      if ((await revokeApiKeys(tx, accountId, id)).length === 0) return;
      const subject = { kind: "api_key", id };
      await audit(tx, { ...auditedBy(c), action: "api_key.revoked", subject });
    });
    return c.body(null, 204);
  });
  return routes;
}

function requireOwnScopes({ role }: Principal, scopes: readonly Scope[]): void {
  const allowed = SCOPES_OF_ROLE[role];
  const errors = scopes.flatMap((scope, index) =>
    allowed.includes(scope)
      ? []
      : [{ field: `scopes.${index}`, bound: `must be one of ${allowed.join(", ")}`, value: scope }]
  );
  if (errors.length === 0) return;
  throw new ProblemError("request.invalid", {
    detail: `Cannot make the key: its scopes must be those of a ${role}`,
    errors,
  });
}

async function createKey(
  deps: GatewayDeps,
  c: GatewayContext,
  accountId: string,
  input: z.infer<typeof newApiKeySchema>,
) {
  return await deps.sql.begin(async (tx) => {
    // Locked, so that two at once count one after the other, and a suspension waits or is seen.
    const [account] = await tx`
      select 1 from accounts where id = ${accountId} and suspended_at is null for update`;
    if (account === undefined) throw new ProblemError("auth.required");
    const count = await countApiKeys(tx, accountId);
    if (count >= MAX_KEYS) {
      throw new ProblemError("api_key.too_many", {
        detail: `Cannot make the key: keys in use must be < ${MAX_KEYS}: they are ${count}`,
      });
    }
    const made = await insertApiKey(tx, { ...input, accountId });
    const { id, mode, scopes } = made.view;
    const subject = { kind: "api_key", id };
    const details = { mode, scopes };
    await audit(tx, { ...auditedBy(c), action: "api_key.created", subject, details });
    return made;
  });
}
