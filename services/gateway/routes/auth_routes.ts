import { createRoute, z } from "@hono/zod-openapi";
import { audit } from "shared/audit/audit.ts";
import { ROLES } from "shared/auth/principal.ts";
import {
  endOldestSessions,
  endSessions,
  type OpenedSession,
  openSession,
} from "shared/auth/sessions.ts";
import { hashToken, hexOf } from "shared/auth/token.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { shardOf } from "shared/redis/keys.ts";
import type { Tx } from "shared/sql/connect.ts";
import { access, principalOf } from "../access.ts";
import { auditedBy } from "../audit_origin.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, type GatewayContext, jsonBody, problems } from "../http.ts";
import {
  accountSchema,
  loginSchema,
  passwordSchema,
  registerSchema,
  sessionSchema,
} from "../identity_schemas.ts";
import { limitLogin, limitRegistration } from "../middleware/limits.ts";
import { hashing } from "../password_work.ts";
import {
  type Account,
  type AccountSecret,
  findAccount,
  findAccountByEmail,
  findAccountSecret,
  insertAccount,
  type NewCourier,
  replacePassword,
} from "../stores/account_store.ts";

/**
 * Verified when no account has the e-mail, so that the answer takes as long as for a wrong
 * password and tells nobody which e-mails exist. It is the hash of a random text.
 */
const NOBODYS_HASH =
  "$argon2id$v=19$m=19456,t=2,p=1$d1nGfBz9u0nqS2wU5x1xWA$9m0nV3mJm0p3b5m7c3dX1bq9h7b0k5gM0v0n8q0f3uE";
/** Of the hash of an e-mail: enough to see that one address is tried again and again. */
const EMAIL_HASH_CHARACTERS = 16;

const register = createRoute({
  method: "post",
  path: "/api/v1/auth/register",
  tags: ["identity"],
  summary: "Create an account",
  description: "Customers, couriers and merchants register themselves; an admin makes the others.",
  request: { body: jsonBody(registerSchema) },
  responses: {
    201: answers("The account and its first session", sessionSchema),
    ...problems(
      "request.invalid",
      "account.email_taken",
      "region.not_found",
      "limit.exceeded",
      "auth.busy",
    ),
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
    ...problems(
      "request.invalid",
      "auth.invalid_credentials",
      "account.suspended",
      "auth.too_many_attempts",
      "auth.busy",
    ),
  },
});

const password = createRoute({
  method: "post",
  path: "/api/v1/auth/password",
  tags: ["identity"],
  summary: "Change the password; every other session ends",
  ...access({ roles: ROLES, scope: "none" }),
  request: { body: jsonBody(passwordSchema) },
  responses: {
    204: { description: "Changed" },
    ...problems(
      "request.invalid",
      "auth.session_required",
      "auth.password_wrong",
      "auth.too_many_attempts",
      "auth.busy",
    ),
  },
});

const me = createRoute({
  method: "get",
  path: "/api/v1/me",
  tags: ["identity"],
  summary: "The account behind this credential",
  ...access({ roles: ROLES, scope: "any" }),
  responses: { 200: answers("The account", accountSchema), ...problems("auth.required") },
});

/** Register, log in, change the password, who am I. */
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
    const opened = await limitRegistration(deps.limits, c, async () => {
      const passwordHash = await hashing(() => deps.hasher.hash(input.password));
      const secret = { ...account, passwordHash };
      const first = await insertAccount(
        deps.sql,
        secret,
        courier,
        (tx) => openFirst(tx, c, account),
      );
      if (first === undefined) throw new ProblemError("account.email_taken");
      return first;
    });
    return c.json(sessionJson(account, opened), 201);
  });
  routes.openapi(login, async (c) => {
    const { email, password } = c.req.valid("json");
    const found = await limitLogin(deps.limits, c, email, async () => {
      const account = await findAccountByEmail(deps.sql, email);
      const hash = account?.passwordHash ?? NOBODYS_HASH;
      const matches = await hashing(() => deps.hasher.verify(password, hash));
      if (account !== undefined && matches) return account;
      await noteFailure(deps, c, email, account);
      return undefined;
    });
    if (found === undefined) throw new ProblemError("auth.invalid_credentials");
    return c.json(sessionJson(found, await signIn(deps, c, found)), 200);
  });
  routes.openapi(password, async (c) => {
    await changePassword(deps, c, c.req.valid("json"));
    return c.body(null, 204);
  });
  routes.openapi(me, async (c) => {
    const account = await findAccount(deps.sql, principalOf(c).accountId);
    if (account === undefined) throw new ProblemError("auth.required");
    return c.json(account, 200);
  });
  return routes;
}

/** The first session of an account just inserted. */
async function openFirst(tx: Tx, c: GatewayContext, account: Account): Promise<OpenedSession> {
  const { id: accountId, role } = account;
  const opened = await openSession(tx, accountId, { userAgent: c.req.header("user-agent") });
  if (opened === undefined) throw new Error("an account just inserted must be there");
  const credential = { kind: "session", sessionId: opened.sessionId } as const;
  const by = auditedBy(c, { accountId, credential });
  const subject = { kind: "account", id: accountId };
  await audit(tx, { ...by, action: "account.registered", subject, details: { role } });
  return opened;
}

/** Opens a session for an account whose password was verified. */
async function signIn(
  deps: GatewayDeps,
  c: GatewayContext,
  account: AccountSecret,
): Promise<OpenedSession> {
  const { id: accountId, passwordHash } = account;
  const userAgent = c.req.header("user-agent");
  const done = await deps.sql.begin(async (tx) => {
    const opened = await openSession(tx, accountId, { passwordHash, userAgent });
    if (opened === undefined) return undefined;
    const credential = { kind: "session", sessionId: opened.sessionId } as const;
    const subject = { kind: "session", id: opened.sessionId };
    const by = auditedBy(c, { accountId, credential });
    await audit(tx, { ...by, action: "session.opened", subject });
    return { opened, ended: await endOldestSessions(tx, accountId) };
  });
  if (done !== undefined) {
    await deps.credentials.sessions.forget(done.ended);
    return done.opened;
  }
  // Told only to who knows the password; or it was changed while it was verified.
  const isSuspended = account.suspendedAt !== null;
  throw new ProblemError(isSuspended ? "account.suspended" : "auth.invalid_credentials");
}

async function noteFailure(
  deps: GatewayDeps,
  c: GatewayContext,
  email: string,
  account: Account | undefined,
): Promise<void> {
  const emailHash = hexOf(await hashToken(email)).slice(0, EMAIL_HASH_CHARACTERS);
  await audit(deps.sql, {
    ...auditedBy(c),
    action: "login.failed",
    subject: account === undefined ? undefined : { kind: "account", id: account.id },
    details: { emailHash },
  });
}

async function changePassword(
  deps: GatewayDeps,
  c: GatewayContext,
  { currentPassword, newPassword }: z.infer<typeof passwordSchema>,
): Promise<void> {
  const { accountId, credential } = principalOf(c);
  const account = await findAccountSecret(deps.sql, accountId);
  if (account === undefined) throw new ProblemError("auth.required");
  const from = account.passwordHash;
  const matches = await limitLogin(
    deps.limits,
    c,
    account.email,
    async () => await hashing(() => deps.hasher.verify(currentPassword, from)) ? true : undefined,
  );
  if (matches === undefined) throw new ProblemError("auth.password_wrong");
  const to = await hashing(() => deps.hasher.hash(newPassword));
  const except = credential.kind === "session" ? credential.sessionId : undefined;
  const ended = await deps.sql.begin(async (tx) => {
    if (!await replacePassword(tx, accountId, { from, to })) {
      throw new ProblemError("auth.password_wrong");
    }
    const ended = await endSessions(tx, accountId, { except });
    const subject = { kind: "account", id: accountId };
    const details = { sessionsEnded: ended.length };
    await audit(tx, { ...auditedBy(c), action: "password.changed", subject, details });
    return ended;
  });
  await deps.credentials.sessions.forget(ended);
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

function sessionJson(
  { id, role, name, email }: Account,
  { token, expiresAt }: OpenedSession,
): z.infer<typeof sessionSchema> {
  return { account: { id, role, name, email }, token, expiresAt: expiresAt.toISOString() };
}
