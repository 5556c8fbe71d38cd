import assert from "node:assert/strict";
import type { Principal } from "shared/auth/principal.ts";
import { PrincipalCache } from "./principal_cache.ts";

const TOKEN = "t".repeat(43);
const HEADER = `Bearer ${TOKEN}`;
const COURIER: Principal = {
  accountId: "00000000-0000-7000-8000-000000000001",
  role: "courier",
  mode: "live",
  credential: { kind: "session", sessionId: "00000000-0000-7000-8000-000000000002" },
};

/** A cache over one token whose end the test decides on. */
function world(principal = COURIER) {
  const state = { nowMs: 0, exists: true, hasEnded: false, isFresh: true, lookUps: 0 };
  const credentials = {
    find: (token: string) => {
      state.lookUps++;
      return Promise.resolve(state.exists && token === TOKEN ? principal : undefined);
    },
    hasEnded: () => state.hasEnded,
    revocations: { isFresh: () => state.isFresh },
  };
  return { state, cache: new PrincipalCache(credentials, () => state.nowMs) };
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
