import assert from "node:assert/strict";
import { ORDER_STATES } from "shared/orders/lifecycle.ts";
import { nextMerchantTask } from "./merchant_decision.ts";

const SINCE_MS = 1_700_000_000_000;
const KITCHEN = { preparationMinutes: 10, speed: 1, seed: 1 };

function task(status: typeof ORDER_STATES[number], kitchen = KITCHEN, id = "order-1") {
  return nextMerchantTask({ id, status, stateTimes: { [status]: SINCE_MS } }, kitchen, 0);
}

Deno.test("nextMerchantTask() confirms and begins within 1 to 3 s, whatever the speed", () => {
  for (let n = 0; n < 200; n++) {
    for (const [status, action] of [["placed", "confirm"], ["confirmed", "prepare"]] as const) {
      const next = task(status, { ...KITCHEN, speed: 100 }, `order-${n}`);
      assert.equal(next?.action, action);
      const afterMs = next.dueAtMs - SINCE_MS;
      assert.ok(afterMs >= 1_000 && afterMs < 3_000, `${afterMs} ms`);
    }
  }
});

Deno.test("nextMerchantTask() readies after the preparation time, 20 % more or less, by the speed", () => {
  const shares = Array.from({ length: 500 }, (_, n) => {
    const next = task("preparing", { ...KITCHEN, speed: 5 }, `order-${n}`);
    assert.equal(next?.action, "ready");
    return (next.dueAtMs - SINCE_MS) / (10 * 60_000 / 5);
  });
  assert.ok(shares.every((share) => share >= 0.8 && share < 1.2));
  assert.ok(Math.max(...shares) - Math.min(...shares) > 0.35, "orders differ");
});

Deno.test("nextMerchantTask() gives one order the same due time before and after a restart", () => {
  assert.deepEqual(task("preparing"), task("preparing"));
  assert.notDeepEqual(task("preparing"), task("preparing", { ...KITCHEN, seed: 2 }));
});

Deno.test("nextMerchantTask() counts from now where the order does not say since when", () => {
  const order = { id: "order-1", status: "placed", stateTimes: {} } as const;
  const next = nextMerchantTask(order, KITCHEN, SINCE_MS);
  assert.equal(next?.dueAtMs, task("placed")?.dueAtMs);
});

Deno.test("nextMerchantTask() has nothing to do once the order is ready or over", () => {
  const busy = ORDER_STATES.filter((status) => task(status) !== undefined);
  assert.deepEqual(busy, ["placed", "confirmed", "preparing"]);
});
