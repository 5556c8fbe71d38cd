/** Limits over HTTP: what counts, what does not, and what a repeat gets when nothing is left. */
import assert from "node:assert/strict";
import { silentLog } from "shared/log/log.ts";
import { Limiter, type LimiterDeps } from "shared/limits/limiter.ts";
import { connectRedis, startRedis } from "shared/redis/connect.ts";
import type { Tx } from "shared/sql/connect.ts";
import {
  type Answer,
  startGateway,
  TEST_LIMITS,
  type TestGateway,
} from "../harness/gateway_app.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  parcelOrder,
  type Person,
  soupOrder,
} from "../harness/gateway_world.ts";
import { insertMerchant } from "../harness/fixtures.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { openTestStores } from "../harness/stores.ts";
import type { LimitPolicies } from "../../services/gateway/limit_config.ts";

/** Long enough that a busy machine is not taken for a Redis that is away. */
const PATIENT_MS = 10_000;
const TEN_ORDERS = { orders: { ...TEST_LIMITS.orders, max: 10 } };

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

/** Runs a test on a gateway with other limits. */
async function withLimits(
  changes: Partial<LimitPolicies>,
  use: (gateway: TestGateway) => Promise<void>,
  deps: Partial<LimiterDeps> = {},
): Promise<void> {
  const { stores } = world;
  const limiter = new Limiter({ ...stores, redisTimeoutMs: PATIENT_MS, ...deps });
  const policies = { ...TEST_LIMITS, ...changes };
  const redis = deps.redis ?? stores.redis;
  const gateway = startGateway(stores, { redis, limits: { limiter, policies } });
  try {
    await use(gateway);
  } finally {
    gateway.close();
  }
}

async function place(
  gateway: TestGateway,
  by: Person,
  key?: string,
  body: unknown = parcelOrder(),
) {
  const headers: Record<string, string> = key === undefined ? {} : { "idempotency-key": key };
  return await gateway.call("POST", "/api/v1/orders", { token: by.token, body, headers });
}

async function countOrders(by: Person): Promise<number> {
  const [row] = await world.stores.sql<{ orders: number }[]>`
    select count(*)::int as orders from orders where customer_id = ${by.accountId}`;
  return row?.orders ?? 0;
}

function assertRefused(answer: Answer, code: string, what = ""): void {
  assert.deepEqual([answer.status, answer.json?.["code"]], [429, code], what + answer.text);
  const retryAfterS = Number(answer.headers.get("retry-after"));
  assert.ok(Number.isInteger(retryAfterS) && retryAfterS >= 1, String(retryAfterS));
  assert.equal(answer.headers.get("ratelimit-remaining"), "0");
  assert.equal(answer.headers.get("ratelimit-reset"), String(retryAfterS));
  assert.equal(answer.json?.["limit"]?.["retryAfterS"], retryAfterS);
}

Deno.test("fifty orders at once make ten, and the eleventh says when to come back", async () => {
  await withLimits(TEN_ORDERS, async (gateway) => {
    const by = await gateway.signIn("customer");
    const answers = await Promise.all(Array.from({ length: 50 }, () => place(gateway, by)));
    const placed = answers.filter(({ status }) => status === 201);
    assert.equal(placed.length, 10);
    assert.equal(await countOrders(by), 10);
    for (const answer of answers) {
      if (answer.status !== 201) assertRefused(answer, "order.limit_reached");
    }
    const [refused] = answers.filter(({ status }) => status === 429);
    const retryAfterS = Number(refused?.headers.get("retry-after"));
    assert.ok(retryAfterS > 3_500 && retryAfterS <= 3_630, `${retryAfterS} s`);
    assert.match(String(refused?.json?.["detail"]), /orders must be <= 10 in 3600 s/);
    const other = await gateway.signIn("customer");
    assert.equal((await place(gateway, other)).status, 201);
  });
});

Deno.test("every answer that was counted says what is left", async () => {
  await withLimits(TEN_ORDERS, async (gateway) => {
    const by = await gateway.signIn("customer");
    const { headers } = await place(gateway, by);
    assert.equal(headers.get("ratelimit-limit"), "10");
    assert.equal(headers.get("ratelimit-remaining"), "9");
    assert.match(headers.get("ratelimit-policy") ?? "", /"session_requests";q=10000;w=60/);
    assert.match(headers.get("ratelimit") ?? "", /"orders";r=9;t=36\d\d/);
    const open = await gateway.call("GET", "/api/v1/regions");
    assert.equal(open.headers.get("ratelimit-limit"), null);
  });
});

Deno.test("a lost answer is resolved by its key though the limit is exhausted meanwhile", async () => {
  await withLimits(TEN_ORDERS, async (gateway) => {
    const by = await gateway.signIn("customer");
    // The client never saw this answer; the order is committed.
    const first = await place(gateway, by, "lost", soupOrder(world));
    for (let n = 0; n < 9; n++) assert.equal((await place(gateway, by)).status, 201);
    assertRefused(await place(gateway, by, "another"), "order.limit_reached");
    for (let n = 0; n < 3; n++) {
      const again = await place(gateway, by, "lost", soupOrder(world));
      assert.equal(again.status, 201);
      assert.equal(again.headers.get("idempotent-replayed"), "true");
      assert.deepEqual(JSON.parse(again.text), JSON.parse(first.text));
    }
    assert.equal(await countOrders(by), 10);
  });
});

Deno.test("a repeat gets its order also when its session has no request left", async () => {
  const few = { sessionRequests: { ...TEST_LIMITS.sessionRequests, max: 2 } };
  await withLimits(few, async (gateway) => {
    const by = await gateway.signIn("customer");
    const first = await place(gateway, by, "k");
    assert.equal((await gateway.call("GET", "/api/v1/me", by)).status, 200);
    assertRefused(await gateway.call("GET", "/api/v1/me", by), "limit.exceeded");
    const again = await place(gateway, by, "k");
    assert.deepEqual([again.status, again.json?.["id"]], [201, first.json?.["id"]]);
    assertRefused(await place(gateway, by, "new"), "limit.exceeded", "a new key is counted: ");
    assertRefused(await place(gateway, by), "limit.exceeded", "and so is none: ");
    const wrong = { kind: "parcel" };
    assertRefused(await place(gateway, by, "wrong", wrong), "limit.exceeded", "and so is this: ");
    assert.equal(await countOrders(by), 1);
    // A header alone opens no other operation.
    const headers = { "idempotency-key": "x" };
    const me = await gateway.call("GET", "/api/v1/me", { ...by, headers });
    assertRefused(me, "limit.exceeded");
    // A session has its own quota, not its account's.
    const token = await gateway.tokenOf(by.accountId);
    assert.equal((await gateway.call("GET", "/api/v1/me", { token })).status, 200);
  });
});

Deno.test("a refusal for the limit is not the answer of its key", async () => {
  await withLimits({ orders: { ...TEST_LIMITS.orders, max: 1 } }, async (gateway) => {
    const by = await gateway.signIn("customer");
    await place(gateway, by);
    assertRefused(await place(gateway, by, "later"), "order.limit_reached");
    // The hour is over.
    await world.stores.redis.del(world.stores.keys.limit("orders", by.accountId));
    await world.stores.sql`update orders set placed_at = placed_at - interval '2 hours'
      where customer_id = ${by.accountId}`;
    assert.equal((await place(gateway, by, "later")).status, 201);
  });
});

Deno.test("what was refused, failed or repeated takes no slot", async () => {
  const { sql } = world.stores;
  await withLimits({ orders: { ...TEST_LIMITS.orders, max: 2 } }, async (gateway) => {
    const by = await gateway.signIn("customer");
    const { merchantId, menuItemId } = await insertMerchant(sql);
    await sql`update merchants set open = false where id = ${merchantId}`;
    const closed = soupOrder(world, { merchantId, items: [{ menuItemId, quantity: 1 }] });
    for (let n = 0; n < 3; n++) {
      assert.equal((await place(gateway, by, `closed ${n}`, closed)).status, 409);
      assert.equal((await place(gateway, by, undefined, { kind: "parcel" })).status, 422);
    }
    await sql`alter table timers rename to timers_away`;
    try {
      for (let n = 0; n < 3; n++) {
        const failed = await gateway.call("POST", "/api/v1/orders", {
          token: by.token,
          body: parcelOrder(),
          headers: { "idempotency-key": "failed" },
          allowed: 500,
        });
        assert.equal(failed.status, 500);
      }
    } finally {
      await sql`alter table timers_away rename to timers`;
    }
    assert.equal((await place(gateway, by, "failed")).status, 201);
    for (let n = 0; n < 3; n++) assert.equal((await place(gateway, by, "failed")).status, 201);
    const twins = await Promise.all(Array.from({ length: 20 }, () => place(gateway, by, "twins")));
    assert.ok(twins.every(({ status }) => status === 201 || status === 409));
    assertRefused(await place(gateway, by), "order.limit_reached");
    assert.equal(await countOrders(by), 2);
  });
});

Deno.test("losing Redis gives nobody a fresh quota", async () => {
  const { redis, keys } = world.stores;
  await withLimits({ orders: { ...TEST_LIMITS.orders, max: 3 } }, async (gateway) => {
    const by = await gateway.signIn("customer");
    for (let n = 0; n < 3; n++) assert.equal((await place(gateway, by)).status, 201);
    assert.equal(await redis.del(keys.limit("orders", by.accountId)), 1);
    const answers = await Promise.all(Array.from({ length: 10 }, () => place(gateway, by)));
    for (const answer of answers) assertRefused(answer, "order.limit_reached");
    assert.equal(await countOrders(by), 3);
  });
});

Deno.test("without Redis the limit of this process holds, counted from what Postgres knows", async () => {
  await using link = new RedisLink(world.stores.redisUrl);
  const redis = connectRedis(link.url, { name: "limits", log: silentLog, isPipelined: true });
  await startRedis(redis);
  try {
    const three = { orders: { ...TEST_LIMITS.orders, max: 3 } };
    await withLimits(three, async (gateway) => {
      const by = await gateway.signIn("customer");
      assert.equal((await place(gateway, by)).status, 201);
      link.cut();
      assert.equal((await place(gateway, by)).status, 201);
      const answers = await Promise.all(Array.from({ length: 10 }, () => place(gateway, by)));
      assert.equal(answers.filter(({ status }) => status === 201).length, 1);
      assert.equal(await countOrders(by), 3);
    }, { redis, redisTimeoutMs: PATIENT_MS });
  } finally {
    redis.disconnect();
  }
});

Deno.test("an order whose commit has an unknown outcome keeps its slot", async () => {
  const { sql } = world.stores;
  await withLimits({ orders: { ...TEST_LIMITS.orders, max: 1 } }, async (gateway) => {
    const by = await gateway.signIn("customer");
    const lose = async <T>(work: (tx: Tx) => Promise<T>): Promise<T> => {
      await sql.begin(work);
      throw new Error("Connection terminated unexpectedly");
    };
    const losing = new Proxy(sql, {
      get: (target, name) => name === "begin" ? lose : Reflect.get(target, name),
    });
    const wired = startGateway(world.stores, { sql: losing, limits: gateway.deps.limits });
    try {
      const answer = await wired.call("POST", "/api/v1/orders", {
        token: by.token,
        body: parcelOrder(),
        headers: { "idempotency-key": "unknown" },
        allowed: 503,
      });
      assert.equal(answer.status, 503);
    } finally {
      wired.close();
    }
    assert.equal((await place(gateway, by, "unknown")).status, 201, "the key resolves it");
    assertRefused(await place(gateway, by), "order.limit_reached");
    assert.equal(await countOrders(by), 1);
  });
});

Deno.test("each order of a batch is counted for itself, and a repeat of the batch gets its orders", async () => {
  const tight = {
    orders: { ...TEST_LIMITS.orders, max: 10 },
    sessionRequests: {
      ...TEST_LIMITS.sessionRequests,
      max: 2,
    },
  };
  await withLimits(tight, async (gateway) => {
    const by = await gateway.signIn("customer");
    const send = async (key: string) => {
      const answer = await gateway.call("POST", "/api/v1/orders/batch", {
        token: by.token,
        body: { orders: Array.from({ length: 12 }, (_, n) => parcelOrder({ note: `${n}` })) },
        headers: { "idempotency-key": key },
      });
      assert.equal(answer.status, 200, answer.text);
      const items = answer.json?.["items"] as unknown as { status: number; replayed: boolean }[];
      return { items, headers: answer.headers };
    };
    const { items, headers } = await send("batch");
    assert.equal(items.filter(({ status }) => status === 201).length, 10);
    assert.equal(items.filter(({ status }) => status === 429).length, 2);
    assert.match(headers.get("ratelimit") ?? "", /^"session_requests";[^,]+, "orders";[^,]+$/);
    await send("batch");
    // Now the session has no request left, and a repeat is answered all the same.
    const again = await send("batch");
    assert.equal(again.items.filter(({ replayed }) => replayed).length, 10);
    assert.equal(again.items.filter(({ status }) => status === 429).length, 2);
    const fresh = await send("another");
    assert.ok(fresh.items.every(({ status }) => status === 429));
    assert.equal(await countOrders(by), 10);
  });
});

Deno.test("dispatchers place without the customers' limit", async () => {
  await withLimits({ orders: { ...TEST_LIMITS.orders, max: 1 } }, async (gateway) => {
    const by = await gateway.signIn("dispatcher");
    for (let n = 0; n < 3; n++) assert.equal((await place(gateway, by)).status, 201);
  });
});

async function register(gateway: TestGateway, email: string) {
  const body = { role: "customer", name: "Kim", email, password: "a long password" };
  return await gateway.call("POST", "/api/v1/auth/register", { body });
}

const newEmail = () => `${crypto.randomUUID()}@test.example`;

Deno.test("accounts registered from one address are counted, those that failed are not", async () => {
  const { keys, redis } = world.stores;
  await redis.del(keys.limit("registrations", "unknown"));
  const two = { registrations: { ...TEST_LIMITS.registrations, max: 2 } };
  await withLimits(two, async (gateway) => {
    const email = newEmail();
    assert.equal((await register(gateway, email)).status, 201);
    for (let n = 0; n < 3; n++) assert.equal((await register(gateway, email)).status, 409);
    assert.equal((await register(gateway, newEmail())).status, 201);
    assertRefused(await register(gateway, newEmail()), "limit.exceeded");
  });
});

async function login(gateway: TestGateway, email: string, password: string) {
  return await gateway.call("POST", "/api/v1/auth/login", { body: { email, password } });
}

Deno.test("wrong passwords of one account wait longer and longer, known or not; others do not", async () => {
  const backOff = { ...TEST_LIMITS.loginFailuresByAccount, freeAttempts: 3, firstDelayMs: 60_000 };
  await withLimits({ loginFailuresByAccount: backOff }, async (gateway) => {
    const [email, other] = [newEmail(), newEmail()];
    await register(gateway, email);
    await register(gateway, other);
    for (const guessed of [email, newEmail()]) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, n) => login(gateway, guessed, `guess ${n}`)),
      );
      assert.equal(answers.filter(({ status }) => status === 401).length, 3);
      for (const answer of answers) {
        if (answer.status !== 401) assertRefused(answer, "auth.too_many_attempts");
      }
      // The right password is not looked at either: the answer would tell.
      const right = await login(gateway, guessed, "a long password");
      assertRefused(right, "auth.too_many_attempts");
    }
    assert.equal((await login(gateway, other, "a long password")).status, 200);
  });
});

Deno.test("a right password forgets the wrong ones before it", async () => {
  const backOff = { ...TEST_LIMITS.loginFailuresByAccount, freeAttempts: 3, firstDelayMs: 60_000 };
  await withLimits({ loginFailuresByAccount: backOff }, async (gateway) => {
    const email = newEmail();
    await register(gateway, email);
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 2; n++) assert.equal((await login(gateway, email, "no")).status, 401);
      assert.equal((await login(gateway, email, "a long password")).status, 200);
    }
  });
});

Deno.test("wrong passwords from one address are counted over all accounts, right ones are not", async () => {
  const { keys, redis } = world.stores;
  await redis.del(keys.limit("login_address", "unknown"));
  const three = { loginFailuresByAddress: { ...TEST_LIMITS.loginFailuresByAddress, max: 3 } };
  await withLimits(three, async (gateway) => {
    const email = newEmail();
    await register(gateway, email);
    for (let n = 0; n < 5; n++) {
      assert.equal((await login(gateway, email, "a long password")).status, 200);
    }
    for (let n = 0; n < 3; n++) assert.equal((await login(gateway, newEmail(), "no")).status, 401);
    assertRefused(await login(gateway, newEmail(), "no"), "auth.too_many_attempts");
  });
});
