/** Accounts and sessions over HTTP with the real password hasher. */
import assert from "node:assert/strict";
import { createSession, Sessions } from "shared/auth/sessions.ts";
import { hashToken, hexOf } from "shared/auth/token.ts";
import { silentLog } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import { insertAccount, insertRegion } from "../harness/fixtures.ts";
import { type Answer, fieldsOf, startGateway, type TestGateway } from "../harness/gateway_app.ts";
import { everything } from "../harness/order_facts.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const PASSWORD = "correct horse battery";
const DAY_MS = 24 * 60 * 60_000;

let stores: TestStores;
let gateway: TestGateway;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  await insertRegion(stores.sql);
  gateway = startGateway(stores);
});
Deno.test.afterAll(async () => {
  gateway.close();
  await stores.close();
});

function newEmail(): string {
  return `${crypto.randomUUID()}@test.example`;
}

async function register(changes: Record<string, unknown> = {}): Promise<Answer> {
  return await gateway.call("POST", "/api/v1/auth/register", {
    body: { role: "customer", name: "Kim", email: newEmail(), password: PASSWORD, ...changes },
  });
}

async function login(email: string, password: string): Promise<Answer> {
  return await gateway.call("POST", "/api/v1/auth/login", { body: { email, password } });
}

/** Asserts that registering is refused like this without a row written. */
async function refusesRegister(
  changes: Record<string, unknown>,
  ...fields: string[]
): Promise<Answer> {
  const before = await everything(stores.sql);
  const answer = await register(changes);
  assert.equal(answer.status, 422, answer.text);
  assert.equal(answer.json?.["code"], "request.invalid");
  assert.deepEqual(fieldsOf(answer), fields);
  assert.deepEqual(await everything(stores.sql), before);
  return answer;
}

Deno.test("register answers 201 with account and session, and stores neither password nor token", async () => {
  const { sql } = stores;
  const email = newEmail();
  const answer = await register({ email: email.toUpperCase(), name: "  Kim  " });
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.headers.get("cache-control"), "private, no-store");
  const { account, token, expiresAt } = JSON.parse(answer.text);
  assert.deepEqual(account, { id: account.id, role: "customer", name: "Kim", email });
  assert.match(token, /^[A-Za-z0-9_-]{43}$/);
  assert.ok(Math.abs(Date.parse(expiresAt) - Date.now() - DAY_MS) < 60_000);
  const [row] = await sql`
    select password_hash, encode(token_hash, 'hex') as token_hash
    from accounts a join sessions s on s.account_id = a.id where a.id = ${account.id}`;
  assert.match(String(row?.["passwordHash"]), /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  assert.equal(row?.["tokenHash"], hexOf(await hashToken(token)));
  const stored = JSON.stringify(await everything(sql));
  assert.equal(stored.includes(PASSWORD) || stored.includes(token), false);
  const me = await gateway.call("GET", "/api/v1/me", { token });
  assert.deepEqual(JSON.parse(me.text), account);
});

Deno.test("register makes a courier who is offline in its region, at version 0", async () => {
  const answer = await register({ role: "courier", vehicle: "van", regionId: "testville" });
  assert.equal(answer.status, 201, answer.text);
  const token = String(answer.json?.["token"]);
  const me = JSON.parse((await gateway.call("GET", "/api/v1/courier/me", { token })).text);
  assert.deepEqual(me, {
    id: answer.json?.["account"]?.["id"],
    name: "Kim",
    regionId: "testville",
    vehicle: "van",
    capacity: 1,
    activeAssignments: 0,
    maxLoadG: null,
    skills: [],
    rating: 5,
    status: "offline",
    version: 0,
  });
  const online = await gateway.call("POST", "/api/v1/courier/online", { token });
  assert.deepEqual([online.json?.["status"], online.json?.["version"]], ["available", 1]);
});

Deno.test("register refuses what it cannot use and writes nothing", async () => {
  await refusesRegister({ password: "short" }, "password must be >= 10 characters");
  await refusesRegister({ password: "x".repeat(257) }, "password must be <= 256 characters");
  await refusesRegister({ name: "   " }, "name must be >= 1 characters");
  await refusesRegister({ name: "x".repeat(101) }, "name must be <= 100 characters");
  await refusesRegister({ email: "nobody" }, "email Invalid email address");
  await refusesRegister(
    { email: `${"x".repeat(250)}@test.example` },
    "email must be <= 254 characters",
  );
  for (const role of ["admin", "dispatcher", "system", "", null]) {
    const answer = await register({ role });
    assert.equal(answer.status, 422, answer.text);
    assert.match(fieldsOf(answer)[0] ?? "", /^role /);
  }
  const extras = {
    id: crypto.randomUUID(),
    passwordHash: "x",
    capacity: 50,
    rating: 5,
    status: "x",
  };
  for (const [field, value] of Object.entries(extras)) {
    await refusesRegister({ [field]: value }, `${field} is not a known field`);
    const courier = { role: "courier", vehicle: "car", regionId: "testville" };
    await refusesRegister({ ...courier, [field]: value }, `${field} is not a known field`);
  }
  await refusesRegister(
    { role: "courier", vehicle: "rocket", regionId: "testville" },
    "vehicle must be one of bicycle, motorcycle, car, van, foot",
  );
  const before = await everything(stores.sql);
  const nowhere = await register({ role: "courier", vehicle: "car", regionId: "nowhere" });
  assert.deepEqual([nowhere.status, nowhere.json?.["code"]], [404, "region.not_found"]);
  assert.deepEqual(await everything(stores.sql), before);
});

Deno.test("a refused registration does not repeat the password or the e-mail", async () => {
  const answer = await register({ password: "short-one", email: "someone@nowhere" });
  assert.deepEqual(fieldsOf(answer), [
    "email Invalid email address",
    "password must be >= 10 characters",
  ]);
  assert.doesNotMatch(answer.text, /short-one|someone/);
});

Deno.test("one e-mail has one account, however it is written and however many ask at once", async () => {
  const { sql } = stores;
  const email = newEmail();
  const answers = await Promise.all(
    Array.from(
      { length: 6 },
      (_, index) => register({ email: index % 2 === 0 ? email : email.toUpperCase() }),
    ),
  );
  const codes = answers.map((answer) => `${answer.status} ${answer.json?.["code"] ?? "taken"}`);
  assert.deepEqual(codes.sort(), ["201 taken", ...Array(5).fill("409 account.email_taken")]);
  const [row] = await sql`select count(*)::int as accounts from accounts where email = ${email}`;
  assert.deepEqual({ ...row }, { accounts: 1 });
});

Deno.test("login opens a session of its own, and a wrong password is told like an unknown e-mail", async () => {
  const email = newEmail();
  const registered = await register({ email });
  const first = await login(email, PASSWORD);
  assert.equal(first.status, 200, first.text);
  assert.deepEqual(
    JSON.parse(first.text).account,
    JSON.parse(registered.text).account,
  );
  assert.notEqual(first.json?.["token"], registered.json?.["token"]);
  assert.equal((await login(email.toUpperCase(), PASSWORD)).status, 200);
  const strip = (answer: Answer) => ({ ...JSON.parse(answer.text), instance: undefined });
  const wrong = await login(email, `${PASSWORD}x`);
  const unknown = await login(newEmail(), PASSWORD);
  assert.deepEqual([wrong.status, wrong.json?.["code"]], [401, "auth.invalid_credentials"]);
  assert.deepEqual(strip(wrong), strip(unknown));
  for (const password of ["", "x".repeat(257)]) {
    assert.equal((await login(email, password)).json?.["code"], "request.invalid");
  }
});

Deno.test("logout ends its session at once, also in the cache, and no other", async () => {
  const email = newEmail();
  await register({ email });
  const [first, second] = [await login(email, PASSWORD), await login(email, PASSWORD)];
  const [token, other] = [String(first.json?.["token"]), String(second.json?.["token"])];
  const statusOf = async (of: string) =>
    (await gateway.call("GET", "/api/v1/me", { token: of })).status;
  // Both are in the cache from here on.
  assert.deepEqual([await statusOf(token), await statusOf(other)], [200, 200]);
  const cached = stores.keys.session(hexOf(await hashToken(token)));
  assert.equal(await stores.redis.exists(cached), 1);
  const answer = await gateway.call("POST", "/api/v1/auth/logout", { token });
  assert.deepEqual([answer.status, answer.text], [204, ""]);
  assert.deepEqual([await statusOf(token), await statusOf(other)], [401, 200]);
  const again = await gateway.call("POST", "/api/v1/auth/logout", { token });
  assert.equal(again.json?.["code"], "auth.required");
});

/** A Redis whose next SET waits, as one on a slow network does, until the test lets it go on. */
function withHeldSet(redis: Redis): { redis: Redis; reached: Promise<void>; release(): void } {
  let reach = () => {};
  let release = () => {};
  const reached = new Promise<void>((resolve) => reach = resolve);
  const released = new Promise<void>((resolve) => release = resolve);
  const held = new Proxy(redis, {
    get: (target, name) => {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "set") return value.bind(target);
      return async (...args: unknown[]) => {
        reach();
        await released;
        return await Reflect.apply(value, target, args);
      };
    },
  });
  return { redis: held, reached, release: () => release() };
}

Deno.test("a logout that runs beside a request is not undone by that request's cache write", async () => {
  const { sql, keys } = stores;
  const { token } = await createSession(sql, await insertAccount(sql, "customer"));
  const slow = withHeldSet(stores.redis);
  const beside = new Sessions({ sql, redis: slow.redis, keys, log: silentLog });
  const sessions = new Sessions({ sql, redis: stores.redis, keys, log: silentLog });
  const found = beside.find(token);
  await slow.reached;
  await sessions.end(token);
  slow.release();
  await found;
  assert.equal(await sessions.find(token), undefined, "the session lives on in the cache");
});

Deno.test("a session ends at its time, also when it was used just before and is in the cache", async () => {
  const { sql, keys, redis } = stores;
  const { token } = await createSession(sql, await insertAccount(sql, "customer"));
  const hash = await hashToken(token);
  await sql`update sessions set expires_at = clock_timestamp() + interval '20 seconds'
    where token_hash = ${hash}`;
  assert.equal((await gateway.call("GET", "/api/v1/me", { token })).status, 200);
  const ttlS = await redis.ttl(keys.session(hexOf(hash)));
  assert.ok(ttlS <= 20, `the cache would let the session live for another ${ttlS} s`);
});

Deno.test("an expired session, a made-up token and a malformed header are all nobody", async () => {
  const { sql } = stores;
  const { token } = await createSession(sql, await insertAccount(sql, "customer"));
  await sql`update sessions set expires_at = clock_timestamp() where token_hash = ${await hashToken(
    token,
  )}`;
  const headers = [
    `Bearer ${token}`,
    `Bearer ${"A".repeat(43)}`,
    `Bearer ${"A".repeat(5_000)}`,
    "Bearer",
    "Bearer ",
    "Basic a2ltOnBhc3M=",
    `bearer ${token}`,
    `Bearer ${token} ${token}`,
    "Bearer ../../etc/passwd",
    "'; drop table sessions; --",
  ];
  for (const authorization of headers) {
    const answer = await gateway.call("GET", "/api/v1/me", { headers: { authorization } });
    assert.deepEqual([answer.status, answer.json?.["code"]], [401, "auth.required"], authorization);
  }
  assert.equal((await gateway.call("GET", "/api/v1/me")).status, 401);
});

Deno.test("a flood of sign-ins is told to come again, and the gateway answers others meanwhile", async () => {
  const email = newEmail();
  const flood = Array.from(
    { length: 40 },
    () =>
      gateway.call("POST", "/api/v1/auth/login", {
        body: { email, password: PASSWORD },
        allowed: 503,
      }),
  );
  const startedMs = performance.now();
  assert.equal((await gateway.call("GET", "/api/v1/regions")).status, 200);
  const otherMs = performance.now() - startedMs;
  const answers = await Promise.all(flood);
  const floodMs = performance.now() - startedMs;
  assert.ok(otherMs < floodMs / 2, `another request waited ${otherMs} of ${floodMs} ms`);
  const busy = answers.filter(({ status }) => status === 503);
  const wrong = answers.filter(({ status }) => status === 401);
  assert.equal(busy.length + wrong.length, 40);
  assert.ok(busy.length >= 1 && wrong.length >= 32, `${busy.length} busy, ${wrong.length} checked`);
  for (const answer of busy) {
    assert.equal(answer.json?.["code"], "auth.busy");
    assert.equal(answer.headers.get("retry-after"), "2");
  }
});

Deno.test("no password, token or e-mail of all these requests is in a log line", () => {
  const lines = gateway.logLines.join("\n");
  assert.ok(gateway.logLines.length > 50, "there are log lines to look at");
  assert.doesNotMatch(lines, /correct horse|@test\.example|argon2id|Bearer/);
});
