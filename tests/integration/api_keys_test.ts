/** API keys: what they open, what they do not, and how they end. */
import assert from "node:assert/strict";
import { ApiKeys, insertApiKey, isApiKey, revokeApiKeys } from "shared/auth/api_keys.ts";
import type { Mode, Role } from "shared/auth/principal.ts";
import { SCOPES_OF_ROLE } from "shared/auth/scopes.ts";
import { hashToken, hexOf } from "shared/auth/token.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { silentLog } from "shared/log/log.ts";
import { insertAccount } from "../harness/fixtures.ts";
import type { Answer } from "../harness/gateway_app.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  placed,
  soupOrder,
} from "../harness/gateway_world.ts";
import { openTestStores } from "../harness/stores.ts";

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

interface Made {
  readonly id: string;
  readonly key: string;
  readonly prefix: string;
}

async function makeKey(token: string, changes: Record<string, unknown> = {}): Promise<Made> {
  const body = { name: "till", mode: "live", scopes: ["orders:read"], ...changes };
  const answer = await world.gateway.call("POST", "/api/v1/api-keys", { token, body });
  assert.equal(answer.status, 201, answer.text);
  return JSON.parse(answer.text);
}

/** A clock that stands still until it is moved. */
function stoppedKeys(): { keys: ApiKeys; pass(ms: number): void } {
  let nowMs = 0;
  const keys = new ApiKeys({ sql: world.stores.sql, log: silentLog, now: () => nowMs });
  return { keys, pass: (ms) => nowMs += ms };
}

async function directKey(role: Role, mode: Mode = "live") {
  const accountId = await insertAccount(world.stores.sql, role);
  const scopes = SCOPES_OF_ROLE[role];
  const made = await insertApiKey(world.stores.sql, { accountId, name: "x", mode, scopes });
  return { accountId, text: made.text, id: made.view.id };
}

function assertCode(answer: Answer, status: number, code: string): void {
  assert.deepEqual([answer.status, answer.json?.["code"]], [status, code], answer.text);
}

Deno.test("a key is shown once, is stored as a hash, and says its mode and prefix", async () => {
  const { customer, gateway, stores } = world;
  const made = await makeKey(customer.token, { mode: "test" });
  assert.match(made.key, new RegExp(`^hxm_test_${made.prefix}_[A-Za-z0-9_-]{43}$`));
  assert.ok(isApiKey(made.key));
  const [row] = await stores.sql<{ secretHash: Uint8Array }[]>`
    select secret_hash from api_keys where id = ${made.id}`;
  assert.equal(hexOf(row?.secretHash ?? new Uint8Array()), hexOf(await hashToken(made.key)));
  const stored = JSON.stringify(await stores.sql`select t::text from api_keys t`);
  assert.equal(stored.includes(made.key.slice(-43)), false);
  const list = await gateway.call("GET", "/api/v1/api-keys", customer);
  assert.equal(list.status, 200);
  assert.ok(list.text.includes(made.prefix));
  assert.equal(list.text.includes(made.key.slice(-43)), false);
  assert.equal(gateway.logLines.join("\n").includes(made.key.slice(-43)), false);
});

Deno.test("a key acts as its account, as far as its scopes go", async () => {
  const { customer, gateway } = world;
  const { key } = await makeKey(customer.token);
  const orderId = await placed(world);
  const me = await gateway.call("GET", "/api/v1/me", { token: key });
  assert.equal(me.json?.["id"], customer.accountId);
  assert.equal(
    (await gateway.call("GET", `/api/v1/orders/${orderId}`, { token: key })).status,
    200,
  );
  const posted = await gateway.call("POST", "/api/v1/orders", {
    token: key,
    body: soupOrder(world),
  });
  assertCode(posted, 403, "auth.scope_missing");
  const writing = await makeKey(customer.token, { scopes: ["orders:write"] });
  const placedBy = await gateway.call("POST", "/api/v1/orders", {
    token: writing.key,
    body: soupOrder(world),
  });
  assert.equal(placedBy.status, 201, placedBy.text);
  const other = await gateway.signIn("customer");
  const strange = await makeKey(other.token);
  const answer = await gateway.call("GET", `/api/v1/orders/${orderId}`, { token: strange.key });
  assertCode(answer, 404, "order.not_found");
});

Deno.test("a key does not decide about sessions, passwords, keys or accounts", async () => {
  const { customer, gateway } = world;
  const { key } = await makeKey(customer.token, { scopes: ["orders:read", "orders:write"] });
  const routes: [string, string, unknown?][] = [
    ["POST", "/api/v1/auth/logout"],
    ["POST", "/api/v1/auth/logout-everywhere"],
    ["POST", "/api/v1/auth/refresh"],
    ["POST", "/api/v1/auth/access-tokens"],
    ["GET", "/api/v1/auth/sessions"],
    ["GET", "/api/v1/api-keys"],
    ["POST", "/api/v1/api-keys", { name: "x", mode: "live", scopes: ["orders:read"] }],
    ["POST", "/api/v1/auth/password", { currentPassword: "x", newPassword: "y".repeat(12) }],
  ];
  for (const [method, path, body] of routes) {
    const answer = await gateway.call(method, path, {
      token: key,
      ...(body === undefined ? {} : { body }),
    });
    assertCode(answer, 403, "auth.session_required");
  }
  assert.equal((await gateway.call("GET", "/api/v1/me", customer)).status, 200);
});

Deno.test("nobody gives a key more than the role may do, and an admin makes none", async () => {
  const { customer, gateway } = world;
  const body = { name: "x", mode: "live", scopes: ["orders:read", "positions:write"] };
  const answer = await gateway.call("POST", "/api/v1/api-keys", { token: customer.token, body });
  assertCode(answer, 422, "request.invalid");
  assert.match(answer.text, /scopes\.1/);
  const bad: Record<string, unknown>[] = [
    { scopes: [] },
    { scopes: ["orders:*"] },
    { scopes: ["orders:read", "orders:read"] },
    { scopes: Array(1_000).fill("orders:read") },
    { mode: "prod" },
    { name: "" },
    { requestsPerMinute: 0 },
    { requestsPerMinute: 1e308 },
    { expiresAt: "2020-01-01T00:00:00Z" },
    { expiresAt: "2999-01-01T00:00:00Z" },
    { accountId: uuidv7() },
    { prefix: "aaaaaaaaaaaa" },
  ];
  for (const change of bad) {
    const refused = await gateway.call("POST", "/api/v1/api-keys", {
      token: customer.token,
      body: { name: "x", mode: "live", scopes: ["orders:read"], ...change },
    });
    assertCode(refused, 422, "request.invalid");
  }
  const admin = await gateway.signIn("admin");
  const byAdmin = await gateway.call("POST", "/api/v1/api-keys", {
    token: admin.token,
    body: { name: "x", mode: "live", scopes: ["orders:read"] },
  });
  assertCode(byAdmin, 403, "auth.forbidden");
});

Deno.test("an account has at most 50 keys in use, also when many are made at once", async () => {
  const { gateway, stores } = world;
  const { token, accountId } = await gateway.signIn("merchant");
  const body = { name: "x", mode: "live", scopes: ["orders:read"] };
  for (let made = 0; made < 45; made++) {
    await insertApiKey(stores.sql, { accountId, name: "x", mode: "live", scopes: ["orders:read"] });
  }
  const answers = await Promise.all(
    Array.from(
      { length: 10 },
      () => gateway.call("POST", "/api/v1/api-keys", { token, body }),
    ),
  );
  assert.equal(answers.filter(({ status }) => status === 201).length, 5);
  for (const answer of answers.filter(({ status }) => status !== 201)) {
    assertCode(answer, 409, "api_key.too_many");
  }
  const [count] = await stores.sql`
    select count(*)::int as n from api_keys where account_id = ${accountId}`;
  assert.deepEqual(count, { n: 50 });
});

Deno.test("a revoked key is refused within 5 s, and at once by who heard of it", async () => {
  const { customer, gateway } = world;
  const { key, id } = await makeKey(customer.token);
  const { keys, pass } = stoppedKeys();
  assert.equal((await keys.find(key))?.accountId, customer.accountId);
  const path = `/api/v1/api-keys/${id}`;
  const other = await gateway.signIn("customer");
  assertCode(await gateway.call("DELETE", path, other), 404, "api_key.not_found");
  assert.equal((await gateway.call("DELETE", path, customer)).status, 204);
  assert.equal((await gateway.call("DELETE", path, customer)).status, 204, "a repeat");
  await gateway.deps.credentials.revocations.poll();
  assertCode(await gateway.call("GET", "/api/v1/me", { token: key }), 401, "auth.required");
  pass(5_000);
  assert.equal(await keys.find(key), undefined);
  const told = await world.stores.sql`
    select action from audit_log where subject_id = ${id} order by at`;
  assert.deepEqual(told.map(({ action }) => action), ["api_key.created", "api_key.revoked"]);
});

Deno.test("ApiKeys.find() knows no altered, made-up, expired or suspended key", async () => {
  const { sql } = world.stores;
  const { text, id, accountId } = await directKey("merchant");
  const fresh = () => stoppedKeys().keys;
  const flipped = text.slice(0, -1) + (text.endsWith("A") ? "B" : "A");
  const others = [
    flipped,
    text.replace("hxm_live", "hxm_test"),
    text.replace(/_[a-z0-9]{12}_/, "_aaaaaaaaaaaa_"),
    text.slice(0, -1),
    `${text}A`,
    text.toUpperCase(),
  ];
  for (const other of others) assert.equal(await fresh().find(other), undefined, other);
  assert.notEqual(await fresh().find(text), undefined);
  await sql`update api_keys set expires_at = clock_timestamp() where id = ${id}`;
  assert.equal(await fresh().find(text), undefined);
  await sql`update api_keys set expires_at = null where id = ${id}`;
  await sql`update accounts set suspended_at = clock_timestamp() where id = ${accountId}`;
  assert.equal(await fresh().find(text), undefined);
});

Deno.test("ApiKeys.find() remembers a key no longer than 4 s, nor beyond its end", async () => {
  const { sql } = world.stores;
  const { text, id, accountId } = await directKey("courier", "test");
  const { keys, pass } = stoppedKeys();
  const found = await keys.find(text);
  assert.equal(found?.mode, "test");
  assert.deepEqual(found?.credential, {
    kind: "api_key",
    keyId: id,
    scopes: [...SCOPES_OF_ROLE.courier],
    requestsPerMinute: null,
  });
  await revokeApiKeys(sql, accountId);
  pass(3_900);
  assert.notEqual(await keys.find(text), undefined, "remembered");
  pass(100);
  assert.equal(await keys.find(text), undefined);
  const ending = await directKey("courier");
  await sql`
    update api_keys set expires_at = clock_timestamp() + interval '1 second'
    where id = ${ending.id}`;
  assert.notEqual(await keys.find(ending.text), undefined);
  await sql`update api_keys set expires_at = clock_timestamp() where id = ${ending.id}`;
  pass(1_001);
  assert.equal(await keys.find(ending.text), undefined);
});

Deno.test("a key gives no scope that its account's role may not give any more", async () => {
  const { sql } = world.stores;
  const { text, accountId } = await directKey("merchant");
  await sql`update accounts set role = 'customer' where id = ${accountId}`;
  const found = await stoppedKeys().keys.find(text);
  const scopes = found?.credential.kind === "api_key" ? found.credential.scopes : [];
  assert.deepEqual(scopes, ["orders:read", "orders:write", "merchants:read"]);
});

Deno.test("ApiKeys.flush() writes when keys were last used, behind the requests", async () => {
  const { sql } = world.stores;
  const { text, id } = await directKey("courier");
  const { keys } = stoppedKeys();
  const lastUse = async () =>
    (await sql<{ lastUsedAt: Date | null }[]>`
      select last_used_at from api_keys where id = ${id}`)[0]?.lastUsedAt;
  for (let time = 0; time < 20; time++) await keys.find(text);
  assert.equal(await lastUse(), null);
  await keys.flush();
  const first = await lastUse();
  assert.ok(first instanceof Date && Math.abs(first.getTime() - Date.now()) < 60_000);
  await sql`update api_keys set last_used_at = clock_timestamp() + interval '1 hour'
    where id = ${id}`;
  const later = await lastUse();
  await keys.find(text);
  await keys.flush();
  assert.deepEqual(await lastUse(), later, "another process's later use is kept");
});
