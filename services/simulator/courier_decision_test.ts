import assert from "node:assert/strict";
import { nextState, ORDER_STATES, type OrderAction } from "shared/orders/lifecycle.ts";
import type { Assignment } from "./api_shapes.ts";
import {
  type CourierPhase,
  type CourierSituation,
  decideCourierStep,
  decideOffer,
  decideRest,
  IDLE,
  isCarried,
} from "./courier_decision.ts";
import { createRandom } from "./random.ts";

const PICKUP = { lat: 57.7, lon: 11.95 };
const DROPOFF = { lat: 57.71, lon: 11.97 };
const SERVICE_MS = 60_000;

function assigned(
  status: Assignment["order"]["status"],
  { orderId = "o1", kind = "marketplace" as Assignment["order"]["kind"] } = {},
): Assignment {
  return { orderId, order: { kind, status, pickup: PICKUP, dropoff: DROPOFF } };
}

function decide(situation: Partial<CourierSituation>) {
  return decideCourierStep({
    phase: IDLE,
    assignments: [],
    arrived: true,
    nowMs: 0,
    serviceMs: SERVICE_MS,
    ...situation,
  });
}

Deno.test("decideCourierStep() waits without assignments", () => {
  assert.deepEqual(decide({}), { do: "wait", phase: IDLE });
});

Deno.test("decideCourierStep() sets out for the pickup of a new assignment, however unready", () => {
  for (const status of ["placed", "confirmed", "preparing", "ready_for_pickup"] as const) {
    assert.deepEqual(decide({ assignments: [assigned(status)] }), {
      do: "walk",
      phase: { kind: "to_pickup", orderId: "o1" },
      to: PICKUP,
    });
  }
});

Deno.test("decideCourierStep() waits at the pickup until the order is ready, then takes it", () => {
  const phase: CourierPhase = { kind: "to_pickup", orderId: "o1" };
  const there: CourierPhase = { kind: "at_pickup", orderId: "o1" };
  const cooking = { assignments: [assigned("preparing")], phase };
  assert.deepEqual(decide({ ...cooking, arrived: false }), { do: "wait", phase });
  assert.deepEqual(decide(cooking), { do: "wait", phase: there });
  assert.deepEqual(decide({ assignments: [assigned("ready_for_pickup")], phase: there }), {
    do: "report",
    phase: there,
    orderId: "o1",
    milestone: "picked-up",
  });
});

Deno.test("decideCourierStep() takes a parcel that nobody prepares", () => {
  const phase: CourierPhase = { kind: "to_pickup", orderId: "o1" };
  const step = decide({ assignments: [assigned("placed", { kind: "parcel" })], phase });
  assert.equal(step.do === "report" && step.milestone, "picked-up");
});

Deno.test("decideCourierStep() hands over for the service time and then reports the delivery", () => {
  const assignments = [assigned("in_transit")];
  const phase: CourierPhase = { kind: "at_dropoff", orderId: "o1", leaveAtMs: SERVICE_MS };
  assert.deepEqual(decide({ assignments, phase: { kind: "to_dropoff", orderId: "o1" } }), {
    do: "wait",
    phase,
    untilMs: SERVICE_MS,
  });
  const before = decide({ assignments, phase, nowMs: SERVICE_MS - 1 });
  assert.deepEqual(before, { do: "wait", phase, untilMs: SERVICE_MS });
  const after = decide({ assignments, phase, nowMs: SERVICE_MS });
  assert.deepEqual(after, { do: "report", phase, orderId: "o1", milestone: "delivered" });
});

Deno.test("decideCourierStep() resumes a carried order after a restart", () => {
  assert.deepEqual(decide({ assignments: [assigned("in_transit")] }), {
    do: "walk",
    phase: { kind: "to_dropoff", orderId: "o1" },
    to: DROPOFF,
  });
  const carry = decide({ assignments: [assigned("picked_up")] });
  assert.equal(carry.do === "report" && carry.milestone, "in-transit");
});

Deno.test("decideCourierStep() stops when the assignment ended or the order is over", () => {
  const phase: CourierPhase = { kind: "to_pickup", orderId: "o1" };
  for (
    const assignments of [[], [assigned("cancelled")], [assigned("placed", { orderId: "o2" })]]
  ) {
    assert.deepEqual(decide({ assignments, phase, arrived: false }), { do: "stop", phase: IDLE });
  }
});

Deno.test("decideCourierStep() begins with what is carried and finishes what it began", () => {
  const fresh = assigned("ready_for_pickup", { orderId: "fresh" });
  const carried = assigned("in_transit", { orderId: "carried" });
  const first = decide({ assignments: [fresh, carried] });
  assert.deepEqual(first.phase, { kind: "to_dropoff", orderId: "carried" });
  const begun: CourierPhase = { kind: "to_pickup", orderId: "fresh" };
  const goesOn = decide({ assignments: [carried, fresh], phase: begun, arrived: false });
  assert.deepEqual(goesOn, { do: "wait", phase: begun });
});

Deno.test("decideCourierStep() only waits while somebody else must decide", () => {
  for (const status of ["failed_attempt", "returning"] as const) {
    assert.equal(decide({ assignments: [assigned(status)] }).do, "wait");
  }
});

const ACTIONS: Record<string, OrderAction> = {
  "picked-up": "pick_up",
  "in-transit": "depart",
  "delivered": "deliver",
};
const MAX_STEPS = 20;

Deno.test("decideCourierStep() leads from every state and phase to the delivery", () => {
  const phases: CourierPhase[] = [
    IDLE,
    { kind: "to_pickup", orderId: "o1" },
    { kind: "at_pickup", orderId: "o1" },
    { kind: "to_dropoff", orderId: "o1" },
    { kind: "at_dropoff", orderId: "o1", leaveAtMs: 5_000 },
  ];
  const states = ["ready_for_pickup", "picked_up", "in_transit"] as const;
  for (const start of phases) {
    for (const from of states) {
      let phase = start;
      let nowMs = 0;
      let assignment = assigned(from);
      for (let steps = 0; assignment.order.status !== "delivered"; steps++) {
        assert.ok(steps < MAX_STEPS, `stuck from ${start.kind} with ${from} in ${phase.kind}`);
        const step = decide({ phase, assignments: [assignment], nowMs });
        phase = step.phase;
        if (step.do === "wait") nowMs = step.untilMs ?? nowMs;
        if (step.do !== "report") continue;
        const action = ACTIONS[step.milestone];
        assert.ok(action);
        const status = nextState("marketplace", assignment.order.status, action);
        assert.ok(status !== "reject", `${step.milestone} reported in ${assignment.order.status}`);
        assignment = assigned(status);
      }
      assert.equal(decide({ phase, assignments: [assignment] }).do, "stop");
    }
  }
});

Deno.test("isCarried() holds from the pickup to the delivery", () => {
  const carried = ORDER_STATES.filter((status) => isCarried(assigned(status)));
  assert.deepEqual(carried, ["picked_up", "in_transit"]);
});

Deno.test("decideOffer() accepts 92 %, rejects 5 % and ignores 3 %, after 1 to 4 s", () => {
  const random = createRandom(11, "offers");
  const draws = 20_000;
  const counts = { accept: 0, reject: 0, ignore: 0 };
  for (let i = 0; i < draws; i++) {
    const { decision, delayMs } = decideOffer(random);
    counts[decision]++;
    assert.ok(delayMs >= 1_000 && delayMs < 4_000);
  }
  assert.ok(Math.abs(counts.accept / draws - 0.92) < 0.01, JSON.stringify(counts));
  assert.ok(Math.abs(counts.reject / draws - 0.05) < 0.01, JSON.stringify(counts));
  assert.ok(Math.abs(counts.ignore / draws - 0.03) < 0.01, JSON.stringify(counts));
});

Deno.test("decideRest() rests for one to four minutes", () => {
  assert.deepEqual(decideRest(() => 0), { restMs: 60_000, thenAmble: true });
  assert.deepEqual(decideRest(() => 0.5), { restMs: 150_000, thenAmble: false });
});
