import assert from "node:assert/strict";
import fc from "fast-check";
import { parseFrame } from "./public/frames.js";
import {
  applyFrame,
  EMPTY_TRACK,
  isTerminal,
  MAX_TRAIL_POSITIONS,
  resumePoint,
} from "./public/track_state.js";
import type { Frame, FrameOutcome, Position, TrackedOrder, TrackState } from "./track_types.ts";

const ORDER: TrackedOrder = {
  id: "0192f3a4-7c1d-7e21-9b1a-4c2fd1b7c200",
  status: "picked_up",
  stateTimes: { placed: "2026-11-20T17:00:00Z" },
  pickup: { lat: 57.7, lon: 11.95 },
  dropoff: { lat: 57.69, lon: 11.98 },
  estimatedDeliveryAt: "2026-11-20T17:40:00Z",
  courier: { name: "Alva", vehicle: "bicycle" },
};

function positionFrame(seq: number, epoch = "1.a"): Frame {
  return { type: "position", epoch, seq, position: positionOf(seq) };
}

function positionOf(seq: number): Position {
  const recordedAt = new Date(Date.UTC(2026, 10, 20, 17, 0, seq * 3)).toISOString();
  return { lat: 57.7 + seq * 1e-4, lon: 11.95, recordedAt };
}

function snapshot(seq: number, epoch = "1.a"): Frame {
  return { type: "snapshot", epoch, seq, order: ORDER, position: null };
}

function run(frames: readonly Frame[], from: TrackState = EMPTY_TRACK) {
  let state = from;
  const outcomes: FrameOutcome[] = [];
  for (const frame of frames) {
    const applied = applyFrame(state, frame);
    state = applied.state;
    outcomes.push(applied.outcome);
  }
  return { state, outcomes };
}

Deno.test("applyFrame() starts at the snapshot's number and takes the next frames", () => {
  const { state, outcomes } = run([snapshot(7), positionFrame(8), positionFrame(9)]);
  assert.deepEqual(outcomes, ["applied", "applied", "applied"]);
  assert.equal(state.seq, 9);
  assert.deepEqual(state.position, positionOf(9));
  assert.deepEqual(state.trail, [positionOf(8), positionOf(9)]);
  assert.equal(resumePoint(state), "1.a:9");
});

Deno.test("applyFrame() ignores frames it has already seen", () => {
  const { state, outcomes } = run([snapshot(7), positionFrame(8), positionFrame(8)]);
  assert.deepEqual(outcomes, ["applied", "applied", "ignored"]);
  assert.equal(state.trail.length, 1);
});

Deno.test("applyFrame() reports a gap and shows nothing of the frame after it", () => {
  const before = run([snapshot(7), positionFrame(8)]).state;
  const { state, outcome } = applyFrame(before, positionFrame(10));
  assert.equal(outcome, "gap");
  assert.equal(state, before);
});

Deno.test("applyFrame() is lost when another epoch comes without a snapshot", () => {
  const before = run([snapshot(7)]).state;
  assert.equal(applyFrame(before, positionFrame(8, "2.b")).outcome, "lost");
  assert.equal(applyFrame(EMPTY_TRACK, positionFrame(1)).outcome, "lost");
});

Deno.test("applyFrame() goes on after resumed without moving its place", () => {
  const before = run([snapshot(7)]).state;
  const { state, outcomes } = run(
    [{ type: "resumed", epoch: "1.a", seq: 12 }, positionFrame(8)],
    before,
  );
  assert.deepEqual(outcomes, ["ignored", "applied"]);
  assert.equal(state.seq, 8);
});

Deno.test("applyFrame() keeps the trail over a reset with the same courier only", () => {
  const before = run([snapshot(7), positionFrame(8)]).state;
  const reset: Frame = {
    type: "reset",
    epoch: "2.b",
    seq: 1,
    order: ORDER,
    position: positionOf(9),
  };
  const same = applyFrame(before, reset).state;
  assert.deepEqual(same.trail, [positionOf(8), positionOf(9)]);
  assert.equal(resumePoint(same), "2.b:1");
  const courier = { name: "Bo", vehicle: "car" };
  const other = applyFrame(before, { ...reset, order: { ...ORDER, courier } }).state;
  assert.deepEqual(other.trail, [positionOf(9)]);
});

Deno.test("applyFrame() writes the time of a status, and takes a new estimate where there is one", () => {
  const at = "2026-11-20T17:30:00Z";
  const estimatedDeliveryAt = "2026-11-20T17:45:00Z";
  const { state } = run([
    snapshot(7),
    { type: "status", epoch: "1.a", seq: 8, at, status: "in_transit", estimatedDeliveryAt },
  ]);
  assert.equal(state.order?.status, "in_transit");
  assert.equal(state.order?.stateTimes.in_transit, at);
  assert.equal(state.order?.stateTimes.placed, ORDER.stateTimes.placed);
  assert.equal(state.order?.estimatedDeliveryAt, estimatedDeliveryAt);
});

Deno.test("applyFrame() counts but does not apply what the snapshot had seen already", () => {
  const order = { ...ORDER, status: "in_transit", version: 7 };
  const at = "2026-11-20T17:30:00Z";
  const { state, outcomes } = run([
    { type: "snapshot", epoch: "1.a", seq: 3, order, position: positionOf(3) },
    { type: "status", epoch: "1.a", seq: 4, at, status: "picked_up", version: 6 },
    { type: "courier", epoch: "1.a", seq: 5, courier: { name: "Bo", vehicle: "car" }, version: 5 },
    { type: "status", epoch: "1.a", seq: 6, at, status: "delivered", version: 8 },
    { type: "courier", epoch: "1.a", seq: 7, courier: null, version: 8 },
  ]);
  assert.deepEqual(outcomes, ["applied", "applied", "applied", "applied", "applied"]);
  assert.equal(state.seq, 7);
  assert.equal(state.order?.status, "delivered");
  assert.equal(state.order?.stateTimes.picked_up, undefined);
  assert.equal(state.order?.courier, null);
});

Deno.test("applyFrame() forgets where the courier was when another one takes over", () => {
  const courier = { name: "Bo", vehicle: "car" };
  const { state } = run([
    snapshot(7),
    positionFrame(8),
    { type: "courier", epoch: "1.a", seq: 9, courier },
  ]);
  assert.deepEqual(state.order?.courier, courier);
  assert.equal(state.position, null);
  assert.deepEqual(state.trail, []);
});

Deno.test("applyFrame() counts frames of types it does not know", () => {
  const { state, outcomes } = run([
    snapshot(7),
    { type: "unknown", epoch: "1.a", seq: 8 },
    positionFrame(9),
  ]);
  assert.deepEqual(outcomes, ["applied", "applied", "applied"]);
  assert.equal(state.seq, 9);
});

Deno.test("applyFrame() bounds the trail", () => {
  const frames = Array.from({ length: 100 }, (_, i) => positionFrame(i + 1));
  const { state } = run([snapshot(0), ...frames]);
  assert.equal(state.trail.length, MAX_TRAIL_POSITIONS);
  assert.deepEqual(state.trail.at(-1), positionOf(100));
});

Deno.test("applyFrame() ends with every frame once whatever is dropped, repeated or reopened", () => {
  const seed = 20261120;
  console.log(`seed ${seed}`);
  fc.assert(
    fc.property(
      fc.array(fc.record({ skip: fc.boolean(), back: fc.nat(3) }), { maxLength: 60 }),
      (steps) => {
        let state = run([snapshot(0)]).state;
        const applied: number[] = [];
        let next = 1;
        const deliver = (seq: number): void => {
          const before = state.seq;
          const result = applyFrame(state, positionFrame(seq));
          state = result.state;
          if (state.seq !== before) applied.push(state.seq);
          // As the connection does: open again from the last one seen.
          if (result.outcome === "gap") {
            for (let missed = state.seq + 1; missed <= seq; missed++) deliver(missed);
          }
        };
        for (const { skip, back } of steps) {
          if (!skip) deliver(next);
          deliver(Math.max(1, next - back));
          next++;
        }
        deliver(next);
        assert.deepEqual(applied, Array.from({ length: next }, (_, i) => i + 1));
      },
    ),
    { seed, numRuns: 200 },
  );
});

Deno.test("isTerminal() is true for the five ends only", () => {
  const ends = ["delivered", "cancelled", "returned", "failed", "expired"];
  assert.ok(ends.every(isTerminal));
  assert.ok(!["placed", "in_transit", "failed_attempt", "returning"].some(isTerminal));
});

Deno.test("parseFrame() reads a snapshot and leaves out what it does not need", () => {
  const frame = parseFrame(JSON.stringify({
    type: "snapshot",
    epoch: "1.a",
    seq: 3,
    order: { ...ORDER, merchantId: "m1", pickup: { ...ORDER.pickup, address: "" }, secret: 1 },
    position: { lat: 1, lon: 2, recordedAt: "2026-11-20T17:00:00Z", headingDeg: 90, extra: true },
  }));
  assert.deepEqual(frame, {
    type: "snapshot",
    epoch: "1.a",
    seq: 3,
    order: ORDER,
    position: { lat: 1, lon: 2, recordedAt: "2026-11-20T17:00:00Z", headingDeg: 90 },
  });
});

Deno.test("parseFrame() answers null for what is no frame, and unknown for a new type", () => {
  for (const text of ["", "ping", "null", "[]", '{"type":"position"}', '{"type":"x","seq":"1"}']) {
    assert.equal(parseFrame(text), null);
  }
  assert.equal(parseFrame('{"type":"position","epoch":"1.a","seq":1,"position":{"lat":1}}'), null);
  const eta = parseFrame('{"type":"eta","epoch":"1.a","seq":4}');
  assert.deepEqual(eta, { type: "unknown", epoch: "1.a", seq: 4 });
});
