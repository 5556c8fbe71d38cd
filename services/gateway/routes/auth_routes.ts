import { createRoute, z } from "@hono/zod-openapi";
import { HasherBusyError } from "shared/auth/password_hasher.ts";
import { bearerToken, createSession } from "shared/auth/sessions.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { shardOf } from "shared/redis/keys.ts";
import { ROLES } from "shared/auth/principal.ts";
import { access, principalOf } from "../access.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, jsonBody, problems } from "../http.ts";
import { accountSchema, loginSchema, registerSchema, sessionSchema } from "../schemas.ts";
import {
  type Account,
  findAccount,
  findAccountByEmail,
  insertAccount,
  type NewCourier,
} from "../stores/account_store.ts";

/**
 * Verified when no account has the e-mail, so that the answer takes as long as for a wrong
 * password and tells nobody which e-mails exist. It is the hash of a random text.
 */
const NOBODYS_HASH =
  "$argon2id$v=19$m=19456,t=2,p=1$d1nGfBz9u0nqS2wU5x1xWA$9m0nV3mJm0p3b5m7c3dX1bq9h7b0k5gM0v0n8q0f3uE";

const register = createRoute({
  method: "post",
  path: "/api/v1/auth/register",
  tags: ["identity"],
  summary: "Create an account",
  request: { body: jsonBody(registerSchema) },
  responses: {
    201: answers("The account and its first session", sessionSchema),
    ...problems("request.invalid", "account.email_taken", "region.not_found", "auth.busy"),
  },
});

const login = createRoute({
  method: "post",
  path: "/api/v1/auth/login",
  tags: ["identity"],
  summary: "Open a session",
  request: { body: jsonBody(loginSchema) },
  responses: {
    200: answers("A new session", sessionSchema),
    ...problems("request.invalid", "auth.invalid_credentials", "auth.busy"),
  },
});

const logout = createRoute({
  method: "post",
  path: "/api/v1/auth/logout",
  tags: ["identity"],
  summary: "End this session",
  ...access({ roles: ROLES, scope: "none" }),
  responses: { 204: { description: "Ended" }, ...problems("auth.session_required") },
});

const me = createRoute({
  method: "get",
  path: "/api/v1/me",
  tags: ["identity"],
  summary: "Who this session belongs to",
  ...access({ roles: ROLES, scope: "any" }),
  responses: { 200: answers("The account", accountSchema), ...problems("auth.required") },
});

/** Register, log in, log out, who am I. */
export function authRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(register, async (c) => {
    const input = c.req.valid("json");
    const account: Account = {
      id: uuidv7(),
      role: input.role,
      name: input.name,
      email: input.email,
    };
    const courier = input.role === "courier"
      ? await newCourier(deps, account.id, input.regionId, input.vehicle)
      : undefined;
    const passwordHash = await hashing(() => deps.hasher.hash(input.password));
    if (!await insertAccount(deps.sql, { ...account, passwordHash }, courier)) {
      throw new ProblemError("account.email_taken");
    }
    return c.json(await openSession(deps, account), 201);
  });
  routes.openapi(login, async (c) => {
    const { email, password } = c.req.valid("json");
    const found = await findAccountByEmail(deps.sql, email);
    const matches = await hashing(() =>
      deps.hasher.verify(password, found?.passwordHash ?? NOBODYS_HASH)
    );
    if (found === undefined || !matches) throw new ProblemError("auth.invalid_credentials");
    return c.json(await openSession(deps, found), 200);
  });
  routes.openapi(logout, async (c) => {
    const token = bearerToken(c.req.header("authorization"));
    if (token !== undefined) await deps.sessions.end(token);
    return c.body(null, 204);
  });
  routes.openapi(me, async (c) => {
    const { accountId } = principalOf(c);
    const account = await findAccount(deps.sql, accountId);
    if (account === undefined) throw new ProblemError("auth.required");
    return c.json(account, 200);
  });
  return routes;
}

async function newCourier(
  deps: GatewayDeps,
  id: string,
  regionId: string,
  vehicle: string,
): Promise<NewCourier> {
  const region = await deps.regions.find(regionId);
  if (region === undefined) {
    throw new ProblemError("region.not_found", {
      detail: `Cannot register: regionId must be a known region: it is ${regionId}`,
    });
  }
  return { region: region.id, shard: shardOf(id, region.shards), vehicle };
}

async function openSession(
  deps: GatewayDeps,
  account: Account,
): Promise<z.infer<typeof sessionSchema>> {
  const { token, expiresAt } = await createSession(deps.sql, account.id);
  const { id, role, name, email } = account;
  return { account: { id, role, name, email }, token, expiresAt: expiresAt.toISOString() };
}

async function hashing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HasherBusyError) throw new ProblemError("auth.busy", { retryAfterS: 2 });
    throw error;
  }
}
