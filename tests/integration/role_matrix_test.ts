/**
 * The role × route matrix, generated from the OpenAPI document: whoever a route does not name is
 * refused before anything of the request is looked at, by role, by scope and by kind of credential.
 */
import assert from "node:assert/strict";
import { issueAccessToken } from "shared/auth/access_tokens.ts";
import { insertApiKey } from "shared/auth/api_keys.ts";
import { type Principal, type Role, ROLES } from "shared/auth/principal.ts";
import { type Scope, SCOPES, SCOPES_OF_ROLE } from "shared/auth/scopes.ts";
import { createSession } from "shared/auth/sessions.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { operationsOf, serviceOf } from "../../services/gateway/openapi/document.ts";
import { apiDocument } from "../harness/api_document.ts";
import { insertAccount } from "../harness/fixtures.ts";
import { startGateway, type TestGateway } from "../harness/gateway_app.ts";
import { Ingest } from "../harness/ingest_world.ts";
import { everything } from "../harness/order_facts.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";
import { TestTracker } from "../harness/tracker_world.ts";

interface Operation {
  readonly service: string;
  /** Whether a session opens it; the routes of devices take only keys. */
  readonly takesSession: boolean;
  readonly method: string;
  readonly path: string;
  readonly roles: readonly Role[];
  readonly scope: Scope | "any" | "none";
}

let stores: TestStores;
let gateway: TestGateway;
let ingest: Ingest;
let tracker: TestTracker;
/** What a session may open. */
let operations: Operation[];
/** What only the key of a device opens. */
let ofDevices: Operation[];

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  gateway = startGateway(stores);
  ingest = new Ingest(stores);
  tracker = await TestTracker.start(stores);
  const all = await readOperations();
  operations = all.filter(({ takesSession }) => takesSession);
  ofDevices = all.filter(({ takesSession }) => !takesSession);
});
Deno.test.afterAll(async () => {
  gateway?.close();
  await tracker?.[Symbol.asyncDispose]();
  await stores?.close();
});

async function readOperations(): Promise<Operation[]> {
  return operationsOf(await apiDocument()).flatMap(({ method, path, operation }) => {
    const roles = operation["x-roles"] as Role[] | undefined;
    if (roles === undefined) return [];
    const scope = operation["x-scope"] as Operation["scope"];
    const takesSession = (operation.security ?? []).some((entry) => "session" in entry);
    const service = serviceOf(operation);
    return [{ service, takesSession, method, path: filled(path), roles, scope }];
  });
}

/** A path with an id that nothing has: what is allowed finds nothing, and nothing is changed. */
function filled(path: string): string {
  return path.replaceAll(/\{\w+\}/g, uuidv7());
}

async function codeOf({ service, method, path }: Operation, token?: string): Promise<string> {
  // Not even an object: it must not be looked at before the caller is.
  const body = method === "GET" || method === "DELETE" ? {} : { body: "[]" };
  if (service === "gateway") {
    const answer = await gateway.call(method, path, { token, ...body });
    return `${answer.status} ${answer.json?.["code"] ?? ""}`.trim();
  }
  const headers = new Headers({ "content-type": "application/json" });
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  const init = { method, headers, ...body };
  const response = service === "ingest"
    ? await ingest.respond(new Request(`http://ingest.test${path}`, init))
    : await tracker.ask(path, init);
  const text = await response.text();
  return `${response.status} ${text.startsWith("{") ? JSON.parse(text).code : ""}`.trim();
}

async function assertEach(
  chosen: readonly Operation[],
  token: string | undefined,
  expected: string,
  who: string,
): Promise<void> {
  assert.ok(chosen.length > 0, `nothing is forbidden to ${who}`);
  const before = await everything(stores.sql);
  for (const operation of chosen) {
    const what = `${who}: ${operation.method} ${operation.path}`;
    assert.equal(await codeOf(operation, token), expected, what);
  }
  assert.deepEqual(await everything(stores.sql), before, who);
}

Deno.test("nobody is answered 401 on every route that names its roles", async () => {
  // A tracking link has a refusal of its own; without one it is nobody too.
  await assertEach(operations, undefined, "401 auth.required", "nobody");
});

Deno.test("a role that a route does not name is answered 403", async () => {
  for (const role of ROLES) {
    const forbidden = operations.filter(({ roles }) => !roles.includes(role));
    const { token } = await gateway.signIn(role);
    await assertEach(forbidden, token, "403 auth.forbidden", role);
  }
});

Deno.test("a key without the scope of a route, or where none will do, is answered 403", async () => {
  for (const role of ROLES) {
    const accountId = await insertAccount(stores.sql, role);
    for (const scope of SCOPES_OF_ROLE[role]) {
      const { text } = await insertApiKey(stores.sql, {
        accountId,
        name: "x",
        mode: "live",
        scopes: [scope],
      });
      const own = operations.filter(({ roles }) => roles.includes(role));
      const lacking = own.filter((operation) =>
        operation.scope !== "any" && operation.scope !== "none" && operation.scope !== scope
      );
      const who = `${role}'s key with ${scope}`;
      if (lacking.length > 0) await assertEach(lacking, text, "403 auth.scope_missing", who);
      const personal = own.filter((operation) => operation.scope === "none");
      await assertEach(personal, text, "403 auth.session_required", who);
    }
  }
});

Deno.test("an access token is answered 403 where only a session will do", async () => {
  await gateway.deps.credentials.revocations.poll();
  for (const role of ROLES) {
    const accountId = await insertAccount(stores.sql, role);
    const { sessionId, expiresAt } = await createSession(stores.sql, accountId);
    const credential = { kind: "session", sessionId } as const;
    const principal: Principal = { accountId, role, mode: "live", credential };
    const { token } = await issueAccessToken(gateway.deps.signingKeys, "hexmile", {
      principal,
      sessionId,
      sessionExpiresAt: expiresAt,
    });
    const personal = operations.filter(({ roles, scope }) =>
      roles.includes(role) && scope === "none"
    );
    await assertEach(personal, token, "403 auth.session_required", `${role}'s access token`);
  }
});

Deno.test("who is named gets through: the answer is about the request, not about the caller", async () => {
  const about = /^(401|403) auth\.(required|forbidden|scope_missing|session_required)$/;
  const ends = new Set(["/api/v1/auth/logout", "/api/v1/auth/logout-everywhere"]);
  for (const operation of operations) {
    if (ends.has(operation.path)) continue;
    for (const role of operation.roles) {
      const accountId = await insertAccount(stores.sql, role);
      const { token } = await createSession(stores.sql, accountId);
      assert.doesNotMatch(await codeOf(operation, token), about, `${role} ${operation.path}`);
    }
  }
});

Deno.test("every scope opens some route to some role", () => {
  const used = new Set(operations.map(({ scope }) => scope));
  assert.deepEqual(SCOPES.filter((scope) => !used.has(scope)), []);
});

Deno.test("what is for devices is closed to sessions, other roles and keys without the scope", async () => {
  assert.ok(ofDevices.length > 2);
  for (const operation of ofDevices) {
    for (const role of ROLES) {
      const accountId = await insertAccount(stores.sql, role);
      const { token } = await createSession(stores.sql, accountId);
      assert.equal(await codeOfDevice(operation, token), "401 auth.required", operation.path);
      for (const scope of SCOPES_OF_ROLE[role]) {
        const key = { accountId, name: "x", mode: "live", scopes: [scope] } as const;
        const { text } = await insertApiKey(stores.sql, key);
        const code = await codeOfDevice(operation, text);
        const what = `${role}'s key with ${scope} ${operation.method} ${operation.path}`;
        if (role !== "courier") assert.equal(code, "403 auth.forbidden", what);
        else if (scope !== operation.scope) assert.equal(code, "403 auth.scope_missing", what);
        else assert.doesNotMatch(code, /^40[13]/, what);
      }
    }
  }
});

/** Asks with the key where the device's app has it. */
async function codeOfDevice(operation: Operation, key: string): Promise<string> {
  const isInField = operation.path.endsWith("/osmand");
  const path = isInField ? `${operation.path}?id=${encodeURIComponent(key)}` : operation.path;
  return await codeOf({ ...operation, path }, isInField ? undefined : key);
}
