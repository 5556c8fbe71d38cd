import assert from "node:assert/strict";
import fc from "fast-check";
import {
  isCarried,
  isDispatchable,
  isTerminal,
  nextState,
  ORDER_ACTIONS,
  ORDER_KINDS,
  ORDER_STATES,
  type OrderAction,
  type OrderState,
} from "./lifecycle.ts";

function walk(kind: "marketplace" | "parcel", actions: OrderAction[]): OrderState | "reject" {
  let state: OrderState = "placed";
  for (const action of actions) {
    const next = nextState(kind, state, action);
    if (next === "reject") return "reject";
    state = next;
  }
  return state;
}

Deno.test("nextState() carries a marketplace order from placed to delivered", () => {
  const actions = ["confirm", "prepare", "make_ready", "pick_up", "depart", "deliver"] as const;
  assert.equal(walk("marketplace", [...actions]), "delivered");
});

Deno.test("nextState() carries a parcel without the merchant's states", () => {
  assert.equal(walk("parcel", ["pick_up", "depart", "deliver"]), "delivered");
  assert.equal(walk("parcel", ["confirm"]), "reject");
});

Deno.test("nextState() lets a failed delivery be tried again or brought back", () => {
  const failed = ["pick_up", "depart", "fail_attempt"] as const;
  assert.equal(walk("parcel", [...failed, "depart", "deliver"]), "delivered");
  assert.equal(walk("parcel", [...failed, "start_return", "complete_return"]), "returned");
});

Deno.test("nextState() never cancels or expires what the courier already carries", () => {
  for (const kind of ORDER_KINDS) {
    for (const state of ORDER_STATES.filter(isCarried)) {
      assert.equal(nextState(kind, state, "cancel"), "reject", state);
      assert.equal(nextState(kind, state, "expire"), "reject", state);
    }
  }
});

Deno.test("nextState() rejects everything once an order has ended", () => {
  for (const kind of ORDER_KINDS) {
    for (const state of ORDER_STATES.filter(isTerminal)) {
      for (const action of ORDER_ACTIONS) assert.equal(nextState(kind, state, action), "reject");
    }
  }
});

Deno.test("nextState() has no cycle but the retry of a failed attempt (property)", () => {
  const seed = 20261120;
  console.log(`seed ${seed}`);
  const action = fc.constantFrom(...ORDER_ACTIONS);
  fc.assert(
    fc.property(
      fc.constantFrom(...ORDER_KINDS),
      fc.array(action, { maxLength: 40 }),
      (kind, all) => {
        let state: OrderState = "placed";
        const seen = new Set<OrderState>([state]);
        for (const next of all) {
          const to = nextState(kind, state, next);
          if (to === "reject") continue;
          const isRetry: boolean = state === "failed_attempt" || to === "failed_attempt";
          assert.ok(!seen.has(to) || isRetry, `${kind}: ${state} -${next}-> ${to}`);
          seen.add(to);
          state = to;
        }
      },
    ),
    { seed, numRuns: 2000 },
  );
});

Deno.test("isDispatchable() waits for the merchant and ends at the pickup", () => {
  assert.equal(isDispatchable("marketplace", "placed"), false);
  assert.equal(isDispatchable("marketplace", "confirmed"), true);
  assert.equal(isDispatchable("marketplace", "picked_up"), false);
  assert.equal(isDispatchable("parcel", "placed"), true);
});
