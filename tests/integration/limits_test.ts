/** The limits' scripts on a real Redis: exact under concurrency, bounded without it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { silentLog } from "shared/log/log.ts";
import type { BackOff, Limit, Verdict } from "shared/limits/limit.ts";
import { Limiter } from "shared/limits/limiter.ts";
import { connectRedis, startRedis } from "shared/redis/connect.ts";
import { eventually } from "../harness/eventually.ts";
import { Gate } from "../harness/gate.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { scriptsWith } from "../harness/stand_ins.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

/** Long enough that a busy machine is not taken for a Redis that is away. */
const PATIENT_MS = 10_000;
const HOUR: Limit = { name: "orders", max: 10, windowMs: 3_600_000 };
const BACK_OFF: BackOff = {
  name: "login",
  freeAttempts: 5,
  firstDelayMs: 20_000,
  maxDelayMs: 60_000,
  forgetAfterMs: 60_000,
};

let stores: TestStores;
let limiter: Limiter;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  limiter = new Limiter({ ...stores, redisTimeoutMs: PATIENT_MS });
});
Deno.test.afterAll(() => stores?.close());

function allowed(verdicts: readonly { readonly isAllowed: boolean }[]): number {
  return verdicts.filter(({ isAllowed }) => isAllowed).length;
}

async function takeMany(by: Limiter, limit: Limit, subject: string, times: number) {
  const slots = await Promise.all(Array.from({ length: times }, () => by.take(limit, subject)));
  return slots.map(({ verdict }) => verdict);
}

Deno.test("a hundred takes at once from two processes pass the quota and not one more", async () => {
  const other = new Limiter({ ...stores, redisTimeoutMs: PATIENT_MS });
  const verdicts = await Promise.all([
    takeMany(limiter, HOUR, "at once", 50),
    takeMany(other, HOUR, "at once", 50),
  ]);
  assert.equal(allowed(verdicts.flat()), 10);
  assert.ok(verdicts.flat().every(({ source }) => source === "redis"));
  const remaining = verdicts.flat().filter((one) => one.isAllowed).map((one) => one.remaining);
  assert.deepEqual(remaining.toSorted((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("no span of the window holds more than the quota, however takes are spread", async () => {
  const limit: Limit = { name: "short", max: 5, windowMs: 150 };
  const grants: { sentMs: number; heardMs: number }[] = [];
  const untilMs = performance.now() + 1_500;
  await Promise.all(Array.from({ length: 4 }, async () => {
    while (performance.now() < untilMs) {
      const sentMs = performance.now();
      const { verdict } = await limiter.take(limit, "spread");
      if (verdict.isAllowed) grants.push({ sentMs, heardMs: performance.now() });
    }
  }));
  grants.sort((a, b) => a.heardMs - b.heardMs);
  assert.ok(grants.length > limit.max, `only ${grants.length} were let through`);
  // Six of a window that were let through at most 150 ms apart, seen from outside, are one too many.
  for (let first = 0; first + limit.max < grants.length; first++) {
    const six = grants.slice(first, first + limit.max + 1);
    const spanMs = Math.max(...six.map((one) => one.heardMs)) -
      Math.min(...six.map((one) => one.sentMs));
    assert.ok(spanMs >= limit.windowMs, `six in ${spanMs} ms`);
  }
});

Deno.test("a log that Redis does not have begins with what Postgres knows", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  let run = 0;
  const agesMs = fc.array(fc.integer({ min: 1, max: 2 * HOUR.windowMs }), { maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(agesMs, async (ages) => {
      const known = ages.toSorted((a, b) => a - b);
      // At the very edge the time between here and the script would decide.
      fc.pre(known.every((age) => Math.abs(age - HOUR.windowMs) > 10_000));
      const inside = known.filter((age) => age < HOUR.windowMs);
      const subject = `${seed} ${run++}`;
      let asked = 0;
      const recent = () => Promise.resolve((asked++, known));
      const { verdict } = await limiter.take(HOUR, subject, recent);
      assert.equal(verdict.isAllowed, inside.length < HOUR.max);
      assert.equal(verdict.remaining, Math.max(0, HOUR.max - inside.length - 1));
      const oldestMs = inside.at(-1);
      if (oldestMs !== undefined) {
        const expectedMs = HOUR.windowMs - oldestMs;
        assert.ok(Math.abs(verdict.resetMs - expectedMs) < 10_000, `reset in ${verdict.resetMs}`);
      }
      await limiter.take(HOUR, subject, recent);
      assert.equal(asked, 1, "a log that is there is not asked for again");
    }),
    { seed, numRuns: 60 },
  );
});

Deno.test("a slot that is given back is free again, and only once", async () => {
  const limit = { ...HOUR, max: 2 };
  await limiter.take(limit, "back");
  const slot = await limiter.take(limit, "back");
  assert.ok(!(await limiter.take(limit, "back")).verdict.isAllowed);
  await Promise.all([slot.giveBack(), slot.giveBack()]);
  await slot.giveBack();
  assert.equal(allowed(await takeMany(limiter, limit, "back", 3)), 1);
});

Deno.test("a refusal takes nothing and tells when the next slot comes back", async () => {
  const limit: Limit = { name: "brief", max: 2, windowMs: 1_500 };
  assert.equal(allowed(await takeMany(limiter, limit, "wait", 2)), 2);
  const verdicts = await takeMany(limiter, limit, "wait", 20);
  assert.equal(allowed(verdicts), 0);
  assert.ok(verdicts.every(({ resetMs }) => resetMs > 0 && resetMs <= limit.windowMs));
  await eventually(
    "a slot came back",
    async () => (await limiter.take(limit, "wait")).verdict.isAllowed,
  );
});

Deno.test("a slot counts from the latest moment at which its thing may come to be", async () => {
  const limit: Limit = { ...HOUR, max: 1, holdMs: 30_000 };
  const { verdict } = await limiter.take(limit, "held");
  assert.ok(verdict.resetMs > HOUR.windowMs && verdict.resetMs <= HOUR.windowMs + 30_000);
  const ttlMs = await stores.redis.pttl(stores.keys.limit("orders", "held"));
  assert.ok(ttlMs > HOUR.windowMs && ttlMs <= HOUR.windowMs + 30_001, `kept for ${ttlMs} ms`);
});

Deno.test("a hundred attempts at once are not all free", async () => {
  const verdicts = await Promise.all(
    Array.from({ length: 100 }, () => limiter.attempt(BACK_OFF, "guess")),
  );
  assert.equal(allowed(verdicts), BACK_OFF.freeAttempts);
  for (const { isAllowed, resetMs } of verdicts) {
    if (!isAllowed) assert.ok(resetMs > 0 && resetMs <= BACK_OFF.firstDelayMs);
  }
  await limiter.forget(BACK_OFF, "guess");
  assert.ok((await limiter.attempt(BACK_OFF, "guess")).isAllowed);
});

Deno.test("the wait after attempts doubles, and early ones do not lengthen it", async () => {
  const backOff = { ...BACK_OFF, freeAttempts: 1, firstDelayMs: 50, maxDelayMs: 150 };
  const delays: number[] = [];
  for (let n = 0; n < 4; n++) {
    const verdict = await eventually("the next attempt may be made", async () => {
      const next = await limiter.attempt(backOff, "doubling");
      return next.isAllowed ? next : undefined;
    });
    delays.push(verdict.resetMs);
  }
  assert.deepEqual(delays, [50, 100, 150, 150]);
});

Deno.test("without Redis each process decides alone at once, bounded, and says so", async () => {
  await using link = new RedisLink(stores.redisUrl);
  const redis = connectRedis(link.url, { name: "limits", log: silentLog, isPipelined: true });
  await startRedis(redis);
  const heard: Verdict[] = [];
  const away = new Limiter({ ...stores, redis, onVerdict: (verdict) => void heard.push(verdict) });
  try {
    await redis.ping();
    link.freeze();
    const startedMs = performance.now();
    const verdicts = await takeMany(away, HOUR, "silent", 15);
    const tookMs = performance.now() - startedMs;
    console.log(`15 verdicts with a silent Redis took ${tookMs.toFixed(1)} ms`);
    assert.equal(allowed(verdicts), 10);
    assert.ok(verdicts.every(({ source }) => source === "local"));
    const next = await away.take(HOUR, "silent", () => Promise.resolve([]));
    assert.ok(!next.verdict.isAllowed);
    link.cut();
    const known = () => Promise.resolve(Array.from({ length: 10 }, (_, n) => 1_000 * (n + 1)));
    const full = await away.take(HOUR, "known", known);
    assert.deepEqual([full.verdict.isAllowed, full.verdict.source], [false, "local"]);
    assert.equal(allowed([await away.attempt(BACK_OFF, "local")]), 1);
    assert.deepEqual(new Set(heard.map(({ source }) => source)), new Set(["local"]));
  } finally {
    redis.disconnect();
  }
});

Deno.test("a slot whose answer came too late goes where the local one goes", async () => {
  const gate = new Gate();
  const slow = scriptsWith(stores.redis, async (args, real) => {
    const reply = await real(...args);
    await gate.passed();
    return reply;
  });
  const log = stores.keys.limit("orders", "late");
  const hasty = new Limiter({ ...stores, redis: slow, redisTimeoutMs: 5 });
  const slot = await hasty.take(HOUR, "late");
  assert.equal(slot.verdict.source, "local");
  await eventually("Redis took it too", async () => await stores.redis.llen(log) === 1);
  await slot.giveBack();
  gate.open();
  await eventually("and has given it back", async () => await stores.redis.llen(log) === 0);
});

Deno.test("Redis is asked again soon after it is back", async () => {
  let nowMs = 0;
  let isAway = true;
  const flaky = scriptsWith(
    stores.redis,
    (args, real) => isAway ? Promise.reject(new Error("Connection is closed")) : real(...args),
  );
  const by = new Limiter({
    ...stores,
    redis: flaky,
    redisTimeoutMs: PATIENT_MS,
    now: () => nowMs,
  });
  const source = async () => (await by.take(HOUR, "returns")).verdict.source;
  assert.equal(await source(), "local");
  isAway = false;
  assert.equal(await source(), "local");
  nowMs += 1_000;
  assert.equal(await source(), "redis");
});
