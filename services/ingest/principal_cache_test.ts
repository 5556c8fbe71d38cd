import assert from "node:assert/strict";
import type { Principal } from "shared/auth/principal.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { PrincipalCache } from "./principal_cache.ts";

const TOKEN = "t".repeat(43);
const HEADER = `Bearer ${TOKEN}`;
const OTHER = "o".repeat(43);
const COURIER: Principal = {
  accountId: "00000000-0000-7000-8000-000000000001",
  role: "courier",
  mode: "live",
  credential: { kind: "session", sessionId: "00000000-0000-7000-8000-000000000002" },
};

/** A cache over two tokens whose end the test decides on. */
function world(principal = COURIER) {
  const state = {
    nowMs: 0,
    exists: true,
    hasEnded: false,
    isFresh: true,
    fails: false,
    lookUps: 0,
  };
  const credentials = {
    find: (token: string) => {
      state.lookUps++;
      if (state.fails) return Promise.reject(new Error("away"));
      const isKnown = token === TOKEN || token === OTHER;
      return Promise.resolve(state.exists && isKnown ? principal : undefined);
    },
    hasEnded: () => state.hasEnded,
    revocations: { isFresh: () => state.isFresh },
  };
  return { state, cache: new PrincipalCache(credentials, { now: () => state.nowMs }) };
}

Deno.test("PrincipalCache.askSender() looks nobody up who was never known", () => {
  const { state, cache } = world();
  for (const header of [HEADER, TOKEN, `Basic ${TOKEN}`, ""]) {
    assert.equal(cache.peekSender(header), undefined);
    assert.equal(cache.askSender(header), undefined);
  }
  assert.equal(state.lookUps, 0);
});

Deno.test("PrincipalCache.askSender() looks up again what is too old to be relied on", async () => {
  const { state, cache } = world();
  await cache.find(TOKEN);
  assert.equal(cache.peekSender(HEADER), COURIER.accountId);
  state.nowMs = 30_000;
  assert.equal(cache.peekSender(HEADER), undefined);
  assert.equal(await cache.askSender(HEADER), COURIER.accountId);
  assert.equal(state.lookUps, 2);
  assert.equal(cache.peekSender(HEADER), COURIER.accountId);
});

Deno.test("PrincipalCache forgets a token that nobody has used for five minutes, when another is looked up", async () => {
  for (const [nowMs, isForgotten] of [[300_000, false], [300_001, true]] as const) {
    const { state, cache } = world();
    await cache.find(TOKEN);
    await cache.find(OTHER);
    state.nowMs = 200_000;
    await cache.find(TOKEN);
    state.nowMs = nowMs;
    await cache.find(TOKEN);
    assert.equal(cache.askSender(`Bearer ${OTHER}`) === undefined, isForgotten);
    assert.notEqual(cache.askSender(HEADER), undefined);
  }
});

Deno.test("PrincipalCache.askSender() finds nobody where the session is gone, and forgets it", async () => {
  const { state, cache } = world();
  await cache.find(TOKEN);
  state.nowMs = 4_000;
  state.isFresh = false;
  state.exists = false;
  assert.equal(cache.peekSender(HEADER), undefined);
  assert.equal(await cache.askSender(HEADER), undefined);
  assert.equal(cache.askSender(HEADER), undefined);
});

Deno.test("PrincipalCache.peekSender() knows nobody whose credential ended, or who may not send", async () => {
  const { state, cache } = world();
  await cache.find(TOKEN);
  state.hasEnded = true;
  assert.equal(cache.peekSender(HEADER), undefined);
  const merchant = world({ ...COURIER, role: "merchant" });
  await merchant.cache.find(TOKEN);
  assert.equal(merchant.cache.peekSender(HEADER), undefined);
  merchant.state.nowMs = 30_000;
  assert.equal(await merchant.cache.askSender(HEADER), undefined);
});

/** Until what goes on in the background has ended. */
async function settle(): Promise<void> {
  for (let n = 0; n < 10; n++) await Promise.resolve();
}

const PHONES = 1_000;
const PERIOD_MS = 3_000;
const STEP_MS = 100;

Deno.test("PrincipalCache looks up again those who came together spread over time, and no request waits", async () => {
  const seed = 20261121;
  console.log(`seed ${seed}`);
  const tokens = Array.from({ length: PHONES }, (_, phone) => `${phone}`.padStart(43, "t"));
  let nowMs = 0;
  let lookUps = 0;
  const credentials = {
    find: () => {
      lookUps++;
      return Promise.resolve(COURIER);
    },
    hasEnded: () => false,
    revocations: { isFresh: () => true },
  };
  const random = createSeededRandom(seed);
  const cache = new PrincipalCache(credentials, { now: () => nowMs, random });
  await Promise.all(tokens.map((token) => cache.find(token)));
  assert.equal(lookUps, PHONES);

  const perSecond: number[] = [];
  for (nowMs = STEP_MS; nowMs <= 60_000; nowMs += STEP_MS) {
    const before = lookUps;
    for (const [phone, token] of tokens.entries()) {
      if (phone * STEP_MS % PERIOD_MS !== nowMs % PERIOD_MS) continue;
      const sender = cache.peekSender(`Bearer ${token}`);
      assert.equal(sender, COURIER.accountId, `phone ${phone} had to wait at ${nowMs} ms`);
    }
    await settle();
    const second = Math.floor(nowMs / 1_000);
    perSecond[second] = (perSecond[second] ?? 0) + lookUps - before;
  }
  assert.ok(lookUps > 3 * PHONES, "everybody was looked up twice more in a minute");
  // The time that a first round takes is 12 s and a phone's period.
  const most = Math.max(...perSecond);
  assert.ok(most < PHONES / 8, `${most} of ${PHONES} were looked up in the same second`);
});

Deno.test("PrincipalCache looks up ahead once at a time, again after a failure, and believes no longer for it", async () => {
  const { state, cache } = world();
  await cache.find(TOKEN);
  state.nowMs = 27_000;
  state.fails = true;
  for (let request = 0; request < 5; request++) {
    assert.equal(cache.peekSender(HEADER), COURIER.accountId);
  }
  assert.equal(state.lookUps, 2);
  await settle();
  assert.equal(cache.peekSender(HEADER), COURIER.accountId, "an outage changes nothing yet");
  assert.equal(state.lookUps, 3);
  await settle();
  state.nowMs = 30_000;
  assert.equal(cache.peekSender(HEADER), undefined);
  await assert.rejects(cache.askSender(HEADER) ?? Promise.resolve());
});

Deno.test("PrincipalCache forgets at once who turns out to be gone when it is looked up ahead", async () => {
  const { state, cache } = world();
  await cache.find(TOKEN);
  state.nowMs = 27_000;
  state.exists = false;
  assert.equal(cache.peekSender(HEADER), COURIER.accountId);
  await settle();
  assert.equal(cache.peekSender(HEADER), undefined);
});

Deno.test("PrincipalCache looks up ahead so many at once, and the rest when they come again", async () => {
  let lookUps = 0;
  let nowMs = 0;
  const gate = Promise.withResolvers<void>();
  const credentials = {
    find: async () => {
      lookUps++;
      if (nowMs > 0) await gate.promise;
      return COURIER;
    },
    hasEnded: () => false,
    revocations: { isFresh: () => true },
  };
  const cache = new PrincipalCache(credentials, { now: () => nowMs });
  const tokens = Array.from({ length: 300 }, (_, phone) => `${phone}`.padStart(43, "t"));
  await Promise.all(tokens.map((token) => cache.find(token)));
  const peekAll = () => tokens.forEach((token) => void cache.peekSender(`Bearer ${token}`));
  nowMs = 27_000;
  peekAll();
  assert.equal(lookUps, 400);
  peekAll();
  assert.equal(lookUps, 400);
  gate.resolve();
  await settle();
  peekAll();
  assert.equal(lookUps, 500);
});
