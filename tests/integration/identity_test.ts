/** Sessions, passwords and staff over HTTP, and what the audit log says of them. */
import assert from "node:assert/strict";
import type { Role } from "shared/auth/principal.ts";
import { createSession, openSession } from "shared/auth/sessions.ts";
import { hashToken, hexOf } from "shared/auth/token.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { insertAccount } from "../harness/fixtures.ts";
import { type Answer, startGateway, type TestGateway } from "../harness/gateway_app.ts";
import { lockWaiters } from "../harness/order_facts.ts";
import { eventually } from "../harness/eventually.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const PASSWORD = "correct horse battery";
const NEW_PASSWORD = "staple of another kind";

let stores: TestStores;
let gateway: TestGateway;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  gateway = startGateway(stores);
});
Deno.test.afterAll(async () => {
  gateway?.close();
  await stores?.close();
});

interface Person {
  readonly id: string;
  readonly email: string;
  readonly token: string;
}

async function register(): Promise<Person> {
  const email = `${uuidv7()}@test.example`;
  const body = { role: "customer", email, password: PASSWORD, name: "Kim" };
  const answer = await gateway.call("POST", "/api/v1/auth/register", { body });
  assert.equal(answer.status, 201, answer.text);
  const { account, token } = JSON.parse(answer.text);
  return { id: account.id, email, token };
}

async function logIn(email: string, password = PASSWORD): Promise<Answer> {
  return await gateway.call("POST", "/api/v1/auth/login", {
    body: { email, password },
    headers: { "user-agent": "TestPhone/1" },
  });
}

async function tokenAfterLogin(email: string): Promise<string> {
  const answer = await logIn(email);
  assert.equal(answer.status, 200, answer.text);
  return String(answer.json?.["token"]);
}

async function isOpen(token: string): Promise<boolean> {
  return (await gateway.call("GET", "/api/v1/me", { token })).status === 200;
}

async function post(path: string, token: string, body?: unknown): Promise<Answer> {
  return await gateway.call("POST", path, { token, ...(body === undefined ? {} : { body }) });
}

async function actionsAbout(id: string): Promise<string[]> {
  const rows = await stores.sql<{ action: string }[]>`
    select action from audit_log where actor_account_id = ${id} or subject_id = ${id} order by at`;
  return rows.map(({ action }) => action);
}

Deno.test("refresh gives the session another token and another day; the old token ends at once", async () => {
  const { token, id } = await register();
  await stores.sql`
    update sessions set expires_at = clock_timestamp() + interval '1 hour' where account_id = ${id}`;
  assert.equal(await isOpen(token), true, "and it is in the cache now");
  const before = await stores.sql`select id from sessions where account_id = ${id}`;
  const answer = await post("/api/v1/auth/refresh", token);
  assert.equal(answer.status, 200, answer.text);
  const { token: fresh, expiresAt } = JSON.parse(answer.text);
  assert.ok(Date.parse(expiresAt) - Date.now() > 23 * 3_600_000);
  assert.deepEqual([await isOpen(token), await isOpen(fresh)], [false, true]);
  assert.equal((await post("/api/v1/auth/refresh", token)).status, 401);
  assert.deepEqual(await stores.sql`select id from sessions where account_id = ${id}`, before);
});

Deno.test("of twenty refreshes at once one gets a token, and no session is made", async () => {
  const { token, id } = await register();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => post("/api/v1/auth/refresh", token)),
  );
  const won = answers.filter(({ status }) => status === 200);
  assert.deepEqual([won.length, answers.filter(({ status }) => status === 401).length], [1, 19]);
  assert.equal(await isOpen(String(won[0]?.json?.["token"])), true);
  const [count] = await stores
    .sql`select count(*)::int as n from sessions where account_id = ${id}`;
  assert.deepEqual(count, { n: 1 });
});

Deno.test("a session cannot be refreshed beyond 30 days after the sign-in", async () => {
  const { token, id } = await register();
  await stores.sql`
    update sessions set created_at = clock_timestamp() - interval '29 days 20 hours'
    where account_id = ${id}`;
  const { token: fresh, expiresAt } = JSON.parse(
    (await post("/api/v1/auth/refresh", token)).text,
  );
  assert.ok(Date.parse(expiresAt) - Date.now() < 4.1 * 3_600_000, expiresAt);
  await stores.sql`
    update sessions set created_at = clock_timestamp() - interval '31 days' where account_id = ${id}`;
  assert.equal((await post("/api/v1/auth/refresh", fresh)).status, 401);
});

Deno.test("a password change ends every other session and no token of them is accepted again", async () => {
  const { token, id, email } = await register();
  const others = [await tokenAfterLogin(email), await tokenAfterLogin(email)];
  for (const other of others) assert.equal(await isOpen(other), true);
  const wrong = { currentPassword: "not this one", newPassword: NEW_PASSWORD };
  const refused = await post("/api/v1/auth/password", token, wrong);
  assert.deepEqual([refused.status, refused.json?.["code"]], [403, "auth.password_wrong"]);
  const right = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
  assert.equal((await post("/api/v1/auth/password", token, right)).status, 204);
  assert.equal(await isOpen(token), true);
  for (const other of others) assert.equal(await isOpen(other), false);
  assert.equal((await logIn(email)).status, 401);
  assert.equal((await logIn(email, NEW_PASSWORD)).status, 200);
  const actions = (await actionsAbout(id)).filter((action) => action !== "session.opened");
  assert.deepEqual(actions, ["account.registered", "password.changed", "login.failed"]);
});

Deno.test("openSession() opens nothing when the password was changed while the old one was verified", async () => {
  const { id } = await register();
  const [old] = await stores.sql<{ passwordHash: string }[]>`
    select password_hash from accounts where id = ${id}`;
  const passwordHash = old?.passwordHash ?? "";
  const opening = await stores.sql.begin(async (tx) => {
    await tx`update accounts set password_hash = 'another' where id = ${id}`;
    // It must wait for this transaction, and then see what it did.
    const opening = openSession(stores.sql, id, { passwordHash });
    const done = opening.then(() => "opened");
    await eventually("it waits", async () => await lockWaiters(stores.sql) === 1);
    assert.equal(await Promise.race([done, Promise.resolve("waits")]), "waits");
    return { opening };
  });
  assert.equal(await opening.opening, undefined);
});

Deno.test("one's sessions are listed, and ended one by one; another's do not exist", async () => {
  const kim = await register();
  const other = await register();
  const second = await tokenAfterLogin(kim.email);
  const list = await gateway.call("GET", "/api/v1/auth/sessions", { token: second });
  const items = JSON.parse(list.text).items as {
    id: string;
    current: boolean;
    userAgent: string;
  }[];
  assert.deepEqual(items.map(({ current }) => current), [true, false]);
  assert.equal(items[0]?.userAgent, "TestPhone/1");
  const firstId = items[1]?.id ?? "";
  const path = `/api/v1/auth/sessions/${firstId}`;
  const strange = await gateway.call("DELETE", path, { token: other.token });
  assert.deepEqual([strange.status, strange.json?.["code"]], [404, "session.not_found"]);
  assert.equal(await isOpen(kim.token), true);
  assert.equal((await gateway.call("DELETE", path, { token: second })).status, 204);
  assert.deepEqual([await isOpen(kim.token), await isOpen(second)], [false, true]);
  assert.equal((await gateway.call("DELETE", path, { token: second })).status, 404);
});

Deno.test("logout everywhere ends all sessions of the account and of nobody else", async () => {
  const kim = await register();
  const other = await register();
  const second = await tokenAfterLogin(kim.email);
  assert.equal(await isOpen(second), true);
  assert.equal((await post("/api/v1/auth/logout-everywhere", second)).status, 204);
  for (const token of [kim.token, second]) assert.equal(await isOpen(token), false);
  assert.equal(await isOpen(other.token), true);
});

Deno.test("an account has at most 100 sessions: a sign-in beyond it ends the oldest", async () => {
  const { token, id, email } = await register();
  assert.equal(await isOpen(token), true);
  for (let made = 1; made < 100; made++) await createSession(stores.sql, id);
  assert.equal(await isOpen(token), true);
  await tokenAfterLogin(email);
  assert.equal(await isOpen(token), false);
  const [count] = await stores
    .sql`select count(*)::int as n from sessions where account_id = ${id}`;
  assert.deepEqual(count, { n: 100 });
});

Deno.test("a session token that a stranger set before the sign-in is not the one that is opened", async () => {
  const { email } = await register();
  const preset = "P".repeat(43);
  const answer = await gateway.call("POST", "/api/v1/auth/login", {
    token: preset,
    body: { email, password: PASSWORD },
    headers: { cookie: `session=${preset}` },
  });
  assert.equal(answer.status, 200);
  assert.notEqual(answer.json?.["token"], preset);
  assert.equal(await isOpen(preset), false);
});

Deno.test("nobody registers as a dispatcher or an admin", async () => {
  for (const role of ["dispatcher", "admin"]) {
    const body = { role, email: `${uuidv7()}@test.example`, password: PASSWORD, name: "Kim" };
    const answer = await gateway.call("POST", "/api/v1/auth/register", { body });
    assert.deepEqual([answer.status, answer.json?.["code"]], [422, "request.invalid"], role);
  }
});

Deno.test("an admin makes dispatchers and admins, and nobody else does", async () => {
  const admin = await gateway.signIn("admin");
  const staff = (role: string) => ({
    role,
    email: `${uuidv7()}@test.example`,
    password: PASSWORD,
    name: "Sam",
  });
  const made = await post("/api/v1/admin/accounts", admin.token, staff("dispatcher"));
  assert.equal(made.status, 201, made.text);
  assert.equal(made.json?.["role"], "dispatcher");
  const email = String(made.json?.["email"]);
  assert.equal(made.text.includes(PASSWORD), false);
  const login = await logIn(email);
  assert.equal(login.status, 200, login.text);
  const again = await post("/api/v1/admin/accounts", admin.token, { ...staff("admin"), email });
  assert.deepEqual([again.status, again.json?.["code"]], [409, "account.email_taken"]);
  const customer = await post("/api/v1/admin/accounts", admin.token, staff("customer"));
  assert.equal(customer.json?.["code"], "request.invalid");
  const id = String(made.json?.["id"]);
  assert.deepEqual(await actionsAbout(id), ["account.created", "session.opened"]);
  for (const role of ["customer", "courier", "merchant", "dispatcher"] satisfies Role[]) {
    const { token } = await gateway.signIn(role);
    const answer = await post("/api/v1/admin/accounts", token, staff("admin"));
    assert.deepEqual([answer.status, answer.json?.["code"]], [403, "auth.forbidden"], role);
  }
});

Deno.test("a suspended account is out at once, cannot sign in, and comes back without its sessions", async () => {
  const kim = await register();
  const admin = await gateway.signIn("admin");
  assert.equal(await isOpen(kim.token), true);
  const key = await post("/api/v1/api-keys", kim.token, {
    name: "till",
    mode: "live",
    scopes: ["orders:read"],
  });
  assert.equal(key.status, 201, key.text);
  const path = `/api/v1/admin/accounts/${kim.id}`;
  const suspended = await post(`${path}/suspend`, admin.token);
  assert.equal(suspended.status, 200, suspended.text);
  assert.ok(typeof suspended.json?.["suspendedAt"] === "string");
  assert.equal(await isOpen(kim.token), false);
  const [row] = await stores.sql`select revoked_at from api_keys where account_id = ${kim.id}`;
  assert.notEqual(row?.["revokedAt"], null);
  const login = await logIn(kim.email);
  assert.deepEqual([login.status, login.json?.["code"]], [403, "account.suspended"]);
  const guess = await logIn(kim.email, "a wrong password");
  assert.equal(guess.json?.["code"], "auth.invalid_credentials", "it is told to its owner only");
  assert.equal((await post(`${path}/suspend`, admin.token)).status, 200, "a repeat");
  assert.equal((await post(`${path}/reinstate`, admin.token)).json?.["suspendedAt"], null);
  assert.equal(await isOpen(kim.token), false);
  assert.equal((await logIn(kim.email)).status, 200);
  const told = (await actionsAbout(kim.id)).filter((action) => action.startsWith("account."));
  assert.deepEqual(told, ["account.registered", "account.suspended", "account.reinstated"]);
});

Deno.test("an admin cannot suspend itself, nor what does not exist", async () => {
  const admin = await gateway.signIn("admin");
  const own = await post(`/api/v1/admin/accounts/${admin.accountId}/suspend`, admin.token);
  assert.deepEqual([own.status, own.json?.["code"]], [409, "account.own"]);
  const nobody = await post(`/api/v1/admin/accounts/${uuidv7()}/suspend`, admin.token);
  assert.deepEqual([nobody.status, nobody.json?.["code"]], [404, "account.not_found"]);
});

Deno.test("accounts are listed by role, page by page, without gap or repeat", async () => {
  const admin = await gateway.signIn("admin");
  const wanted: string[] = [];
  for (let made = 0; made < 5; made++) wanted.push(await insertAccount(stores.sql, "merchant"));
  const found: string[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const query: string = cursor === "" ? "" : `&cursor=${cursor}`;
    const path = `/api/v1/admin/accounts?role=merchant&limit=2${query}`;
    const page = JSON.parse((await gateway.call("GET", path, { token: admin.token })).text);
    found.push(...page.items.map((item: { id: string }) => item.id));
    cursor = page.nextCursor;
  }
  assert.deepEqual(found, found.toSorted().toReversed());
  assert.equal(new Set(found).size, found.length);
  for (const id of wanted) assert.ok(found.includes(id));
});

Deno.test("the audit log is read by admins, filtered, and holds no secret and no e-mail", async () => {
  const kim = await register();
  await logIn(kim.email, "a wrong password");
  const admin = await gateway.signIn("admin");
  const read = async (query: string) => {
    const path = `/api/v1/admin/audit?${query}`;
    const answer = await gateway.call("GET", path, { token: admin.token });
    assert.equal(answer.status, 200, answer.text);
    return JSON.parse(answer.text).items as Record<string, unknown>[];
  };
  const [failed] = await read(`action=login.failed&subjectKind=account&subjectId=${kim.id}`);
  assert.equal(failed?.["actorAccountId"], null);
  const emailHash = hexOf(await hashToken(kim.email)).slice(0, 16);
  assert.deepEqual(failed?.["details"], { emailHash });
  const [registered] = await read(`actorAccountId=${kim.id}`);
  assert.equal(registered?.["action"], "account.registered");
  assert.equal(registered?.["credentialKind"], "session");
  assert.ok(typeof registered?.["requestId"] === "string");
  assert.equal((await read(`from=${new Date(Date.now() + 60_000).toISOString()}`)).length, 0);
  const all = JSON.stringify(await stores.sql`select * from audit_log`);
  assert.doesNotMatch(all, /@test\.example|correct horse|staple|hxm_|argon2/);
  const customer = await gateway.call("GET", "/api/v1/admin/audit", { token: kim.token });
  assert.equal(customer.status, 403);
});

Deno.test("a wrong password and an unknown e-mail get the same answer after one hash each", async () => {
  const { email } = await register();
  const verified: string[] = [];
  const counting = startGateway(stores, {
    hasher: new Proxy(gateway.deps.hasher, {
      get: (target, name) => {
        if (name !== "verify") return Reflect.get(target, name).bind(target);
        return async (password: string, hash: string) => {
          verified.push(hash.split("$").slice(0, 4).join("$"));
          return await target.verify(password, hash);
        };
      },
    }),
  });
  try {
    const ask = async (who: string) => {
      const body = { email: who, password: "a wrong password" };
      const answer = await counting.call("POST", "/api/v1/auth/login", { body });
      return { ...answer.json, instance: undefined, status: answer.status };
    };
    const known = await ask(email);
    assert.equal(known.status, 401);
    assert.deepEqual(await ask(`${uuidv7()}@test.example`), known);
    assert.deepEqual(verified, Array(2).fill("$argon2id$v=19$m=19456,t=2,p=1"), "the same work");
  } finally {
    counting.close();
  }
});

Deno.test("refusals of who asks are counted by code and kind of credential, and nothing of them is in a label", async () => {
  const count = async () => {
    const { values } = await gateway.deps.metrics.authFailures.get();
    return new Map(
      values.map(({ labels, value }) => [`${labels.code} ${labels.credential}`, value]),
    );
  };
  const kim = await register();
  const before = await count();
  await gateway.call("GET", "/api/v1/me");
  await gateway.call("GET", "/api/v1/me", { token: "nobody's" });
  await logIn(kim.email, "a wrong password");
  await gateway.call("GET", "/api/v1/admin/accounts", { token: kim.token });
  assert.equal((await gateway.call("GET", "/api/v1/me", { token: kim.token })).status, 200);
  const after = await count();
  const counted = [...after].map(([kind, value]) =>
    [kind, value - (before.get(kind) ?? 0)] as const
  )
    .filter(([, more]) => more > 0);
  assert.deepEqual(Object.fromEntries(counted), {
    "auth.required none": 1,
    "auth.required session": 1,
    "auth.invalid_credentials none": 1,
    "auth.forbidden session": 1,
  });
});
