import assert from "node:assert/strict";
import { ROLES } from "shared/auth/principal.ts";
import { SCOPES } from "shared/auth/scopes.ts";
import { readApiDocument } from "./openapi/described_app.ts";
import { operationsOf, responsesOf } from "./openapi/document.ts";

/** What anybody may do, without saying who. Everything else must declare its access. */
const PUBLIC = [
  "GET /.well-known/jwks.json",
  "GET /api/v1/categories",
  "GET /api/v1/demo",
  "GET /api/v1/docs",
  "GET /api/v1/docs/reference.css",
  "GET /api/v1/map/{regionId}",
  "GET /api/v1/merchants",
  "GET /api/v1/merchants/{id}",
  "GET /api/v1/merchants/{id}/menu",
  "GET /api/v1/openapi.json",
  "GET /api/v1/regions",
  "POST /api/v1/auth/login",
  "POST /api/v1/auth/register",
];

async function operations() {
  const document = await readApiDocument();
  return operationsOf(document).map(({ name, operation }) => {
    const responses = Object.values(responsesOf(document, operation));
    const refusals = responses.flatMap((response) => response["x-problem-codes"] ?? []);
    return { ...operation, name, refusals };
  });
}

Deno.test("every operation declares who may use it, but for those that anybody may", async () => {
  const all = await operations();
  const open = all.filter((operation) => operation["x-scope"] === undefined);
  assert.deepEqual(open.map(({ name }) => name).sort(), PUBLIC);
  for (const { name, security } of open) assert.deepEqual(security, [], name);
});

Deno.test("access() documents roles, scope, schemes and refusals that fit together", async () => {
  for (const operation of await operations()) {
    const scope = operation["x-scope"];
    if (scope === undefined) continue;
    const { name, security = [], refusals } = operation;
    const roles = operation["x-roles"] ?? [];
    assert.ok(roles.length > 0, name);
    for (const role of roles) assert.ok((ROLES as readonly string[]).includes(role), name);
    assert.ok(["any", "none", ...SCOPES].includes(scope), `${name}: ${scope}`);
    // A device's app knows no sessions.
    const isOfDevice = security.some((entry) => "deviceBasic" in entry || "deviceId" in entry);
    if (isOfDevice) continue;
    assert.deepEqual(security[0], { session: [] }, name);
    const keys = security.find((entry) => entry["apiKey"] !== undefined)?.["apiKey"];
    assert.deepEqual(keys, scope === "none" ? undefined : scope === "any" ? [] : [scope], name);
    for (const code of ["auth.required", "auth.forbidden"]) {
      assert.ok(refusals.includes(code), name);
    }
    assert.equal(refusals.includes("auth.session_required"), scope === "none", name);
    assert.equal(refusals.includes("auth.scope_missing"), scope !== "none", name);
  }
});
