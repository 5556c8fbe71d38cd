/** How the gateway's routes are declared: one schema validates, types and documents. */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Principal } from "shared/auth/principal.ts";
import type { RequestContext } from "shared/http/serve_requests.ts";
import type { Refusal } from "shared/orders/refusal.ts";
import { type ProblemCode, ProblemError, PROBLEMS } from "shared/problem/problem.ts";
import { fieldProblems } from "shared/problem/zod_problem.ts";
import type { GatewayLimits } from "./middleware/limits.ts";

export interface GatewayEnv {
  Bindings: {
    readonly context: RequestContext;
    /** Who a bearer token speaks for; undefined for any text that opens nothing. */
    authenticate(token: string): Promise<Principal | undefined>;
    readonly limits: GatewayLimits;
  };
  /** Set by `access`; read it with `principalOf`. */
  Variables: { principal: Principal | undefined };
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

/** RFC 9457; some codes have more members, as the order's `state`. */
const problemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
  instance: z.string().optional(),
  errors: z.array(
    z.object({ field: z.string(), bound: z.string(), value: z.unknown().optional() })
      .openapi("FieldProblem"),
  ).optional(),
}).openapi("Problem");

/** The body of a request that must be JSON. */
export function jsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { content: { "application/json": { schema } }, required: true as const };
}

/** For `parameters` of an operation that reads `idempotencyKey`. */
export const IDEMPOTENCY_KEY = { $ref: "#/components/parameters/IdempotencyKey" } as const;

/** A successful JSON answer. */
export function answers<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, content: { "application/json": { schema } } };
}

/** What else an operation answers that needs somebody to have signed in. */
const IMPLIED: Partial<Record<ProblemCode, readonly ProblemCode[]>> = {
  "auth.required": ["auth.forbidden", "auth.scope_missing", "limit.exceeded"],
  "auth.session_required": ["auth.required", "auth.forbidden", "limit.exceeded"],
};

/**
 * The problems of an operation, grouped by status. `auth.required` stands for all that `access`
 * answers; `auth.session_required` for the same where the scope is `none`.
 */
export function problems(...codes: readonly ProblemCode[]) {
  return refusals(codes.flatMap((code) => [code, ...IMPLIED[code] ?? []]));
}

/** Exactly these problems, grouped by status. */
export function refusals(codes: readonly ProblemCode[]) {
  const byStatus = Map.groupBy(new Set(codes), (code) => PROBLEMS[code].status);
  return Object.fromEntries([...byStatus].map(([status, group]) => [status, {
    description: group.map((code) => PROBLEMS[code].title).join("; "),
    "x-problem-codes": group,
    content: { "application/problem+json": { schema: problemSchema } },
  }]));
}
