import assert from "node:assert/strict";
import { ROLES } from "shared/auth/principal.ts";
import { SCOPES } from "shared/auth/scopes.ts";
import { silentLog } from "shared/log/log.ts";
import { createMetrics } from "shared/metrics/metrics.ts";
import { createApp } from "./app.ts";
import type { GatewayDeps } from "./deps.ts";

/** What anybody may do, without saying who. Everything else must declare its access. */
const PUBLIC = [
  "GET /.well-known/jwks.json",
  "GET /api/v1/categories",
  "GET /api/v1/merchants",
  "GET /api/v1/merchants/{id}",
  "GET /api/v1/merchants/{id}/menu",
  "GET /api/v1/regions",
  "POST /api/v1/auth/login",
  "POST /api/v1/auth/register",
];

interface Operation {
  readonly name: string;
  readonly security?: Record<string, string[]>[];
  readonly "x-roles"?: string[];
  readonly "x-scope"?: string;
  readonly responses: Record<string, { description: string }>;
}

async function operations(): Promise<Operation[]> {
  // Describing the API touches nothing else of the dependencies.
  const deps = { corsOrigins: [], log: silentLog, metrics: createMetrics("gateway") };
  const app = createApp(deps as unknown as GatewayDeps);
  const answer = await app.fetch(new Request("http://gateway/api/v1/openapi.json"));
  const { paths } = await answer.json() as { paths: Record<string, Record<string, Operation>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      name: `${method.toUpperCase()} ${path}`,
    }))
  );
}

Deno.test("every operation declares who may use it, but for those that anybody may", async () => {
  const all = await operations();
  const open = all.filter((operation) => operation["x-scope"] === undefined);
  assert.deepEqual(open.map(({ name }) => name).sort(), PUBLIC);
  for (const { name, security } of open) assert.equal(security, undefined, name);
});

Deno.test("access() documents roles, scope, schemes and refusals that fit together", async () => {
  for (const operation of await operations()) {
    const scope = operation["x-scope"];
    if (scope === undefined) continue;
    const { name, security = [], responses } = operation;
    const roles = operation["x-roles"] ?? [];
    assert.ok(roles.length > 0, name);
    for (const role of roles) assert.ok((ROLES as readonly string[]).includes(role), name);
    assert.ok(["any", "none", ...SCOPES].includes(scope), `${name}: ${scope}`);
    assert.deepEqual(security[0], { session: [] }, name);
    const keys = security.find((entry) => entry["apiKey"] !== undefined)?.["apiKey"];
    assert.deepEqual(keys, scope === "none" ? undefined : scope === "any" ? [] : [scope], name);
    const refusals = Object.values(responses).flatMap(({ description }) => description.split(", "));
    for (const code of ["auth.required", "auth.forbidden"]) {
      assert.ok(refusals.includes(code), name);
    }
    assert.equal(refusals.includes("auth.session_required"), scope === "none", name);
    assert.equal(refusals.includes("auth.scope_missing"), scope !== "none", name);
  }
});
