/**
 * Who may use an operation: one declaration is both what the OpenAPI document says and what is
 * checked, so the two cannot differ. It runs before the request is validated: a stranger learns
 * nothing about its own mistakes.
 */
import type { MiddlewareHandler } from "hono";
import type { Principal, Role } from "shared/auth/principal.ts";
import type { Scope } from "shared/auth/scopes.ts";
import { bearerToken } from "shared/auth/sessions.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { GatewayContext, GatewayEnv } from "./http.ts";
import { countRequest } from "./middleware/limits.ts";

/** Who an operation is for. */
export interface AccessRule {
  readonly roles: readonly Role[];
  /**
   * The scope an API key needs. `any`: every key will do. `none`: no key and no access token will,
   * only a session; for what decides about sessions, keys and accounts.
   */
  readonly scope: Scope | "any" | "none";
  /** Whoever sends `X-Tracking-Token` is let through without a principal; the handler checks it. */
  readonly trackingLink?: true;
}

/** Names of the security schemes in the OpenAPI document. */
export const SECURITY_SCHEMES = {
  session: {
    type: "http",
    scheme: "bearer",
    description: "The token of a session, or an access token made from one",
  },
  apiKey: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "hxm_<mode>_<prefix>_<secret>",
    description: "An API key with the scope that the operation names in x-scope",
  },
  trackingLink: {
    type: "apiKey",
    in: "header",
    name: "x-tracking-token",
    description: "The secret of an order's tracking link",
  },
} as const;

/** Spread into `createRoute`: documents the rule and enforces it. Then use `principalOf`. */
export function access(rule: AccessRule) {
  const { roles, scope, trackingLink } = rule;
  const security: Record<string, string[]>[] = [{ session: [] }];
  if (scope !== "none") security.push({ apiKey: scope === "any" ? [] : [scope] });
  if (trackingLink) security.push({ trackingLink: [] });
  const middleware: MiddlewareHandler<GatewayEnv> = async (c, next) => {
    const byLink = trackingLink && c.req.header("x-tracking-token") !== undefined;
    if (!byLink) c.set("principal", await authenticated(c, rule));
    await next();
  };
  return { security, "x-roles": [...roles], "x-scope": scope, middleware };
}

/** Who is asking, in a handler whose route declares its access. */
export function principalOf(c: GatewayContext): Principal {
  const principal = c.get("principal");
  if (principal === undefined) throw new Error("a route must declare its access");
  return principal;
}

async function authenticated(c: GatewayContext, rule: AccessRule): Promise<Principal> {
  const token = bearerToken(c.req.header("authorization"));
  const principal = token === undefined ? undefined : await c.env.authenticate(token);
  if (principal === undefined) throw new ProblemError("auth.required");
  await countRequest(c.env.limits, c, principal);
  requireRole(principal, rule);
  requireScope(principal, rule);
  return principal;
}

function requireRole({ role }: Principal, { roles }: AccessRule): void {
  if (roles.includes(role)) return;
  throw new ProblemError("auth.forbidden", {
    detail: `Cannot do this: role must be ${roles.join(" or ")}: it is ${role}`,
  });
}

function requireScope({ credential }: Principal, { scope }: AccessRule): void {
  if (scope === "none") {
    if (credential.kind === "session") return;
    throw new ProblemError("auth.session_required", {
      detail: `Cannot do this: the credential must be a session: it is ${
        credential.kind.replace("_", " ")
      }`,
    });
  }
  if (credential.kind !== "api_key") return;
  if (credential.orderId !== undefined) {
    throw new ProblemError("auth.scope_missing", {
      detail: "Cannot do this: the key belongs to a device: it sends the positions of one order",
    });
  }
  if (scope === "any" || credential.scopes.includes(scope)) return;
  throw new ProblemError("auth.scope_missing", {
    detail: `Cannot do this: the key's scopes must include ${scope}: they are ${
      credential.scopes.join(", ")
    }`,
  });
}
