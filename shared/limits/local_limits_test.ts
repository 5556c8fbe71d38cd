import assert from "node:assert/strict";
import fc from "fast-check";
import type { BackOff, Limit } from "./limit.ts";
import { LocalLimits } from "./local_limits.ts";

const LIMIT: Limit = { name: "orders", max: 10, windowMs: 3_600_000 };
const BACK_OFF: BackOff = {
  name: "login",
  freeAttempts: 3,
  firstDelayMs: 1_000,
  maxDelayMs: 8_000,
  forgetAfterMs: 60_000,
};

function clocked(maxSubjects?: number) {
  let nowMs = 1_000_000;
  const limits = new LocalLimits(() => nowMs, maxSubjects);
  return { limits, wait: (ms: number) => nowMs += ms, now: () => nowMs };
}

Deno.test("LocalLimits.take() lets no span of the window hold more than the quota", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const waits = fc.array(fc.integer({ min: 0, max: 1_200_000 }), { minLength: 20, maxLength: 100 });
  fc.assert(
    fc.property(waits, (pauses) => {
      const { limits, wait, now } = clocked();
      const taken: number[] = [];
      for (const pause of pauses) {
        wait(pause);
        const full = taken.filter((atMs) => atMs > now() - LIMIT.windowMs).length >= LIMIT.max;
        const { isAllowed, resetMs } = limits.take(LIMIT, "a").verdict;
        assert.equal(isAllowed, !full);
        assert.ok(resetMs > 0 && resetMs <= LIMIT.windowMs);
        if (isAllowed) taken.push(now());
      }
    }),
    { seed },
  );
});

Deno.test("LocalLimits.take() counts each subject and each limit for itself", () => {
  const { limits } = clocked();
  const one = { ...LIMIT, max: 1 };
  assert.ok(limits.take(one, "a").verdict.isAllowed);
  assert.ok(limits.take(one, "b").verdict.isAllowed);
  assert.ok(limits.take({ ...one, name: "other" }, "a").verdict.isAllowed);
  assert.ok(!limits.take(one, "a").verdict.isAllowed);
});

Deno.test("LocalLimits gives a slot back, and begins a log with what is known", async () => {
  const { limits } = clocked();
  const two = { ...LIMIT, max: 2 };
  limits.seed(two, "a", [1_000]);
  const slot = limits.take(two, "a");
  assert.deepEqual([slot.verdict.isAllowed, slot.verdict.remaining], [true, 0]);
  assert.ok(!limits.take(two, "a").verdict.isAllowed);
  await slot.giveBack();
  assert.ok(limits.take(two, "a").verdict.isAllowed);
  limits.seed(two, "a", []);
  assert.ok(!limits.take(two, "a").verdict.isAllowed, "a log that is there stays");
});

Deno.test("LocalLimits forgets who was not seen for longest when there are too many", () => {
  const { limits } = clocked(100);
  const one = { ...LIMIT, max: 1 };
  for (let n = 0; n < 1_000; n++) limits.take(one, `subject ${n}`);
  assert.equal(limits.subjects, 100);
  assert.ok(!limits.take(one, "subject 999").verdict.isAllowed);
  assert.ok(limits.take(one, "subject 0").verdict.isAllowed);
});

Deno.test("LocalLimits.attempt() doubles the wait after the free attempts, up to the bound", () => {
  const { limits, wait } = clocked();
  const delays: number[] = [];
  for (let n = 0; n < 8; n++) {
    const { isAllowed, resetMs } = limits.attempt(BACK_OFF, "a");
    assert.ok(isAllowed);
    delays.push(resetMs);
    if (resetMs > 0) assert.ok(!limits.attempt(BACK_OFF, "a").isAllowed, "too early");
    wait(resetMs);
  }
  assert.deepEqual(delays, [0, 0, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  wait(BACK_OFF.forgetAfterMs);
  assert.equal(limits.attempt(BACK_OFF, "a").resetMs, 0);
  limits.forget(BACK_OFF, "a");
  assert.equal(limits.attempt(BACK_OFF, "a").remaining, 2);
});
