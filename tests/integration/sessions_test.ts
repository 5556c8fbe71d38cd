import assert from "node:assert/strict";
import type { Principal } from "shared/auth/principal.ts";
import { bearerToken, createSession, Sessions } from "shared/auth/sessions.ts";
import { consumeTicket, createTicket, type Ticket, TICKET_TTL_S } from "shared/auth/tickets.ts";
import { hashToken, hexOf } from "shared/auth/token.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { silentLog } from "shared/log/log.ts";
import { connectRedis, type Redis, startRedis } from "shared/redis/connect.ts";
import { connectSql, type Sql } from "shared/sql/connect.ts";
import { eventually } from "../harness/eventually.ts";
import { insertAccount } from "../harness/fixtures.ts";
import { Gate } from "../harness/gate.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { redisWith } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const DAY_MS = 24 * 60 * 60_000;

function sessionsOf({ sql, redis, keys }: TestStores, other: Redis = redis): Sessions {
  return new Sessions({ sql, redis: other, keys, log: silentLog });
}

function assertOwner(
  found: Principal | undefined,
  expected: Partial<Principal>,
  message = "found",
) {
  const { accountId, role } = found ?? {};
  assert.deepEqual({ accountId, role }, expected, message);
}

Deno.test("createSession() keeps only a hash and lasts a day", async () => {
  await withStores(async ({ sql }) => {
    const accountId = await insertAccount(sql, "customer");
    const { token, expiresAt } = await createSession(sql, accountId);
    assert.match(token, /^[A-Za-z0-9_-]{43}$/);
    assert.ok(Math.abs(expiresAt.getTime() - Date.now() - DAY_MS) < 60_000);
    const [row] = await sql<{ tokenHash: Uint8Array }[]>`select token_hash from sessions`;
    assert.equal(hexOf(row?.tokenHash ?? new Uint8Array()), hexOf(await hashToken(token)));
    assert.equal(JSON.stringify(await sql`select * from sessions`).includes(token), false);
  });
});

Deno.test("Sessions.find() knows who a token belongs to, from Postgres and then from Redis", async () => {
  await withStores(async (stores) => {
    const accountId = await insertAccount(stores.sql, "courier");
    const { token } = await createSession(stores.sql, accountId);
    const sessions = sessionsOf(stores);
    assertOwner(await sessions.find(token), { accountId, role: "courier" });
    await stores.sql`delete from sessions`;
    assertOwner(await sessions.find(token), { accountId, role: "courier" }, "remembered");
    const ttlS = await stores.redis.ttl(stores.keys.session(hexOf(await hashToken(token))));
    assert.ok(ttlS > DAY_MS / 1_000 - 60 && ttlS <= DAY_MS / 1_000, `${ttlS} s`);
    assert.equal(await sessions.find("A".repeat(43)), undefined);
  });
});

Deno.test("Sessions.end() ends a session at once", async () => {
  await withStores(async (stores) => {
    const accountId = await insertAccount(stores.sql, "courier");
    const { token } = await createSession(stores.sql, accountId);
    const other = await createSession(stores.sql, accountId);
    const sessions = sessionsOf(stores);
    await sessions.find(token);
    await sessions.end(token);
    assert.equal(await sessions.find(token), undefined);
    assertOwner(await sessions.find(other.token), { accountId, role: "courier" });
  });
});

/** A Postgres that answers about sessions only while the gate is open, and which were asked about. */
function gated(sql: Sql, gate: () => Gate) {
  const asked: number[] = [];
  const slow = new Proxy(sql, {
    apply(real, self, args) {
      const [, hashes] = args as [unknown, Uint8Array[]];
      asked.push(new Set(hashes.map(hexOf)).size);
      const opened = gate().passed();
      return opened.then(() => Reflect.apply(real, self, args));
    },
  });
  return { sql: slow, asked };
}

Deno.test("Sessions.find() asks again about those found together at moments of their own, and nobody waits", async () => {
  await withStores(async (stores) => {
    const { sql, redis, keys } = stores;
    const accountId = await insertAccount(sql, "courier");
    const opened = await Promise.all(
      Array.from({ length: 100 }, () => createSession(sql, accountId)),
    );
    const cacheKeys = await Promise.all(
      opened.map(async ({ token }) => keys.session(hexOf(await hashToken(token)))),
    );
    let gate = new Gate();
    gate.open();
    const startMs = Date.now();
    let nowMs = startMs;
    const slow = gated(sql, () => gate);
    const sessions = new Sessions({
      sql: slow.sql,
      redis,
      keys,
      log: silentLog,
      now: () => nowMs,
    });
    const findAll = () => Promise.all(opened.map(({ token }) => sessions.find(token)));
    const renewed = async () => {
      const copies = await redis.mget(...cacheKeys);
      return copies.filter((copy) => copy?.includes(`"askedAtMs":${nowMs}`)).length;
    };
    await findAll();
    await eventually("all are remembered", async () => await renewed() === opened.length);

    const perStep: number[] = [];
    for (let ageMs = 30_000; ageMs < 300_000; ageMs += 30_000) {
      nowMs = startMs + ageMs;
      gate = new Gate();
      slow.asked.length = 0;
      for (const found of await findAll()) assertOwner(found, { accountId, role: "courier" });
      gate.open();
      // It is asked about after all of them.
      assert.equal(await sessions.find("A".repeat(43)), undefined);
      const count = slow.asked.reduce((sum, some) => sum + some, 0) - 1;
      await eventually("who was asked about is known anew", async () => await renewed() === count);
      assert.ok(slow.asked.length <= 4, `statements: ${slow.asked}`);
      perStep.push(count);
    }
    assert.deepEqual(perStep.slice(0, 4), [0, 0, 0, 0], "not before half of the time");
    const total = perStep.reduce((sum, some) => sum + some, 0);
    assert.equal(total, opened.length, `each once: ${perStep}`);
    assert.ok(Math.max(...perStep) < opened.length / 2, `over time: ${perStep}`);
  });
});

Deno.test("Sessions.find() is told ahead of time of an end that Redis has missed", async () => {
  await withStores(async (stores) => {
    const { sql, redis, keys } = stores;
    const accountId = await insertAccount(sql, "courier");
    const { token } = await createSession(sql, accountId);
    let nowMs = Date.now();
    const sessions = new Sessions({ sql, redis, keys, log: silentLog, now: () => nowMs });
    assertOwner(await sessions.find(token), { accountId, role: "courier" });
    const key = keys.session(hexOf(await hashToken(token)));
    await eventually("it is remembered", async () => await redis.exists(key) === 1);
    await sql`delete from sessions`;
    nowMs += 299_000;
    assertOwner(await sessions.find(token), { accountId, role: "courier" }, "it may count so long");
    await eventually("the copy is gone", async () => await sessions.find(token) === undefined);
  });
});

Deno.test("Sessions.end() is not undone by a look-up that was under way", async () => {
  await withStores(async (stores) => {
    const accountId = await insertAccount(stores.sql, "courier");
    const { token } = await createSession(stores.sql, accountId);
    const reached = new Gate();
    const goOn = new Gate();
    const slow = redisWith(stores.redis, {
      set: async (args, real) => {
        reached.open();
        await goOn.passed();
        return await real(...args);
      },
    });
    const looking = sessionsOf(stores, slow).find(token);
    await reached.passed();
    await sessionsOf(stores).end(token);
    goOn.open();
    await looking;
    assert.equal(await sessionsOf(stores).find(token), undefined);
  });
});

Deno.test("Sessions.find() does not know a session that has expired, nor remembers one beyond its end", async () => {
  await withStores(async (stores) => {
    const accountId = await insertAccount(stores.sql, "courier");
    const { token } = await createSession(stores.sql, accountId);
    const sessions = sessionsOf(stores);
    await stores.sql`update sessions set expires_at = clock_timestamp()`;
    assert.equal(await sessions.find(token), undefined);
    await stores.sql`update sessions set expires_at = clock_timestamp() + interval '10 seconds'`;
    assertOwner(await sessions.find(token), { accountId, role: "courier" });
    const ttlMs = await stores.redis.pttl(stores.keys.session(hexOf(await hashToken(token))));
    assert.ok(ttlMs <= 10_000, `remembered for ${ttlMs} ms, valid for 10,000 ms`);
  });
});

Deno.test("Sessions.find() answers from Postgres while Redis is away", async () => {
  await withStores(async (stores) => {
    await using link = new RedisLink(stores.redisUrl);
    const redis = connectRedis(link.url, { name: "linked", log: silentLog });
    try {
      await startRedis(redis);
      const accountId = await insertAccount(stores.sql, "merchant");
      const { token } = await createSession(stores.sql, accountId);
      const sessions = sessionsOf(stores, redis);
      link.cut();
      assertOwner(await sessions.find(token), { accountId, role: "merchant" });
      await sessions.end(token);
      assert.equal(await sessions.find(token), undefined);
    } finally {
      redis.disconnect();
    }
  });
});

Deno.test("Sessions.find() asks Postgres again after five minutes, and does without where it is away", async () => {
  await withStores(async (stores) => {
    const { sql, redis, keys } = stores;
    const accountId = await insertAccount(sql, "courier");
    const { token } = await createSession(sql, accountId);
    const lost = await createSession(sql, accountId);
    const owner = { accountId, role: "courier" } as const;
    let nowMs = Date.now();
    const now = () => nowMs;
    const sessions = new Sessions({ sql, redis, keys, log: silentLog, now });
    const closed = connectSql("postgres://nobody@127.0.0.1:1/nothing", {
      applicationName: "test",
      max: 1,
    });
    const cutOff = new Sessions({ sql: closed, redis, keys, log: silentLog, now });
    try {
      assertOwner(await sessions.find(token), owner);
      assertOwner(await sessions.find(lost.token), owner);
      // An end that Redis has missed.
      await sql`delete from sessions where id = ${lost.sessionId}`;
      assertOwner(await sessions.find(lost.token), owner, "still believed");
      nowMs += 300_000;
      assertOwner(await cutOff.find(token), owner, "without Postgres");
      await assert.rejects(cutOff.find("A".repeat(43)), "one that Redis does not know");
      assertOwner(await sessions.find(token), owner, "asked again");
      assert.equal(await sessions.find(lost.token), undefined);
      assert.equal(await cutOff.find(lost.token), undefined, "Redis knows of the end by now");
    } finally {
      await closed.end({ timeout: 1 });
    }
  });
});

Deno.test("Sessions.end() is not undone by a look-up that renews what Redis has", async () => {
  await withStores(async (stores) => {
    const { sql, redis, keys } = stores;
    const { token } = await createSession(sql, await insertAccount(sql, "courier"));
    await sessionsOf(stores).find(token);
    const reached = new Gate();
    const goOn = new Gate();
    const slow = redisWith(redis, {
      evalsha: async (args, real) => {
        reached.open();
        await goOn.passed();
        return await real(...args);
      },
    });
    const now = () => Date.now() + 300_000;
    const looking = new Sessions({ sql, redis: slow, keys, log: silentLog, now }).find(token);
    await reached.passed();
    await sessionsOf(stores).end(token);
    goOn.open();
    await looking;
    assert.equal(await sessionsOf(stores).find(token), undefined);
  });
});

Deno.test("bearerToken() reads a token of the right form and nothing else", () => {
  const token = "a".repeat(43);
  assert.equal(bearerToken(`Bearer ${token}`), token);
  for (const header of [null, undefined, "", token, `bearer ${token}`, "Bearer ", "Bearer a b"]) {
    assert.equal(bearerToken(header), undefined, String(header));
  }
});

Deno.test("consumeTicket() opens what the ticket is for, once among ten at once", async () => {
  await withStores(async ({ redis, keys }) => {
    const grant: Ticket = { kind: "track", orderId: uuidv7() };
    const secret = await createTicket(redis, keys, grant);
    const used = await Promise.all(
      Array.from({ length: 10 }, () => consumeTicket(redis, keys, secret)),
    );
    assert.deepEqual(used.filter((ticket) => ticket !== undefined), [grant]);
    assert.equal(await consumeTicket(redis, keys, secret), undefined);
    assert.equal(await consumeTicket(redis, keys, "guess"), undefined);
  });
});

Deno.test("createTicket() stores no secret, and nothing beyond 30 s", async () => {
  await withStores(async ({ redis, keys }) => {
    const grant: Ticket = { kind: "courier_channel", courierId: uuidv7() };
    const secret = await createTicket(redis, keys, grant);
    const key = keys.ticket(hexOf(await hashToken(secret)));
    assert.equal(key.includes(secret), false);
    const ttlMs = await redis.pttl(key);
    assert.ok(ttlMs > 0 && ttlMs <= TICKET_TTL_S * 1000, `${ttlMs} ms`);
    await redis.pexpire(key, 0);
    assert.equal(await consumeTicket(redis, keys, secret), undefined);
  });
});
