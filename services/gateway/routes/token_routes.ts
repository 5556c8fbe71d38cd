import { createRoute } from "@hono/zod-openapi";
import { audit } from "shared/audit/audit.ts";
import { issueAccessToken } from "shared/auth/access_tokens.ts";
import { credentialId, ROLES } from "shared/auth/principal.ts";
import { findSessionEnd } from "shared/auth/sessions.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import { auditedBy } from "../audit_origin.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, jsonBody, problems } from "../http.ts";
import {
  accessTokenSchema,
  jwksSchema,
  rotatedKeySchema,
  rotateKeySchema,
} from "../identity_schemas.ts";

const issue = createRoute({
  method: "post",
  path: "/api/v1/auth/access-tokens",
  tags: ["identity"],
  summary: "Get a short-lived access token for this session",
  description: "A JWT that every service verifies by itself. It ends with its session.",
  ...access({ roles: ROLES, scope: "none" }),
  responses: {
    201: answers("The token", accessTokenSchema),
    ...problems("auth.session_required"),
  },
});

const jwks = createRoute({
  method: "get",
  path: "/.well-known/jwks.json",
  tags: ["identity"],
  summary: "Public keys of access tokens",
  responses: { 200: answers("JSON Web Key Set (RFC 7517)", jwksSchema) },
});

const rotate = createRoute({
  method: "post",
  path: "/api/v1/admin/signing-keys",
  tags: ["admin"],
  summary: "Make the next signing key of access tokens now",
  description: "Keys rotate by themselves; this is for when one may be known to others.",
  ...access({ roles: ["admin"], scope: "none" }),
  request: { body: jsonBody(rotateKeySchema) },
  responses: {
    201: answers("The new key", rotatedKeySchema),
    ...problems("request.invalid", "auth.session_required"),
  },
});

/** Access tokens and the keys they are verified with. */
export function tokenRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(issue, async (c) => {
    const principal = principalOf(c);
    const sessionId = credentialId(principal.credential);
    // Asked of Postgres: the cache may not have heard of an end yet.
    const sessionExpiresAt = await findSessionEnd(deps.sql, sessionId);
    if (sessionExpiresAt === undefined) throw new ProblemError("auth.required");
    const grant = { principal, sessionId, sessionExpiresAt };
    const { tokenIssuer } = deps.credentials;
    const { token, expiresAt } = await issueAccessToken(deps.signingKeys, tokenIssuer, grant);
    return c.json({
      accessToken: token,
      tokenType: "Bearer" as const,
      expiresAt: expiresAt.toISOString(),
    }, 201);
  });
  routes.openapi(jwks, async (c) => {
    return c.json(
      jwksSchema.parse({ keys: await deps.credentials.verifyingKeys.published() }),
      200,
    );
  });
  routes.openapi(rotate, async (c) => {
    const { compromised } = c.req.valid("json");
    const kid = await deps.sql.begin(async (tx) => {
      const kid = await deps.signingKeys.rotate(tx, { compromised });
      const subject = { kind: "signing_key", id: kid };
      const details = { compromised };
      await audit(tx, { ...auditedBy(c), action: "signing_key.created", subject, details });
      return kid;
    });
    return c.json({ kid }, 201);
  });
  return routes;
}
