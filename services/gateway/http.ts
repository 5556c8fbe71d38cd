/** How the gateway's routes are declared: one schema validates, types and documents. */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Principal, Role } from "shared/auth/principal.ts";
import { bearerToken } from "shared/auth/sessions.ts";
import type { RequestContext } from "shared/http/serve_requests.ts";
import type { Refusal } from "shared/orders/refusal.ts";
import { type ProblemCode, ProblemError, PROBLEMS } from "shared/problem/problem.ts";
import { fieldProblems } from "shared/problem/zod_problem.ts";
import type { GatewayDeps } from "./deps.ts";

export interface GatewayEnv {
  Bindings: { readonly context: RequestContext };
}
export type GatewayApp = OpenAPIHono<GatewayEnv>;
export type GatewayContext = Context<GatewayEnv>;

/** A router whose validation failures are problems that name field, bound and value. */
export function createRoutes(): GatewayApp {
  return new OpenAPIHono<GatewayEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      const input = "data" in result ? result.data : undefined;
      throw new ProblemError("request.invalid", {
        detail: "Cannot use the request: fields must keep their bounds",
        errors: fieldProblems(result.error.issues, input),
      });
    },
  });
}

/** Leaves a handler with a refusal of the domain. */
export function throwRefusal(refusal: Refusal): never {
  throw new ProblemError(refusal.code, {
    ...(refusal.detail === undefined ? {} : { detail: refusal.detail }),
    ...(refusal.members === undefined ? {} : { members: refusal.members }),
  });
}

/** Who is asking. @throws ProblemError without a valid session, or with another role. */
export async function requirePrincipal(
  deps: GatewayDeps,
  c: GatewayContext,
  ...roles: readonly Role[]
): Promise<Principal> {
  const token = bearerToken(c.req.header("authorization"));
  const principal = token === undefined ? undefined : await deps.sessions.find(token);
  if (principal === undefined) throw new ProblemError("auth.required");
  if (roles.length > 0 && !roles.includes(principal.role)) {
    throw new ProblemError("auth.forbidden", {
      detail: `Cannot do this: role must be ${roles.join(" or ")}: it is ${principal.role}`,
    });
  }
  return principal;
}

const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
  instance: z.string().optional(),
}).openapi("Problem");

/** The body of a request that must be JSON. */
export function jsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { content: { "application/json": { schema } }, required: true as const };
}

/** A successful JSON answer. */
export function answers<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, content: { "application/json": { schema } } };
}

/** The problems of an operation, grouped by status. */
export function problems(...codes: readonly ProblemCode[]) {
  const byStatus = Map.groupBy(codes, (code) => PROBLEMS[code].status);
  return Object.fromEntries([...byStatus].map(([status, group]) => [status, {
    description: group.join(", "),
    content: { "application/problem+json": { schema: problemSchema } },
  }]));
}

/** Marks an operation as needing a session, with the problems that go with it. */
export const SECURED = [{ session: [] as string[] }];
