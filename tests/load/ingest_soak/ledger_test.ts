import assert from "node:assert/strict";
import { countMissing, countSet, SlotBits } from "./ledger.ts";
import { PERIOD_MS, Timetable } from "./timetable.ts";

Deno.test("countMissing() finds a fix that was acknowledged and never streamed, and no other", () => {
  const acknowledged = new SlotBits(3, 7);
  const streamed = new SlotBits(3, 7);
  for (const [phone, slot] of [[0, 0], [1, 6], [2, 3]] as const) {
    acknowledged.set(phone, slot);
    streamed.set(phone, slot);
  }
  streamed.set(2, 5);
  assert.equal(countMissing(acknowledged.bytes, streamed.bytes), 0);
  acknowledged.set(1, 2);
  acknowledged.set(1, 7);
  assert.equal(acknowledged.has(1, 7), false, "beyond the run");
  assert.equal(acknowledged.has(2, 0), false, "and not the next phone's");
  assert.equal(countMissing(acknowledged.bytes, streamed.bytes), 1);
  assert.equal(countSet(acknowledged.bytes), 4);
});

Deno.test("Timetable gives every phone one fix in each period and finds its slot again", () => {
  const count = 3_000;
  const timetable = new Timetable(count, 1_700_000_000_000, 5);
  let lastMs = 0;
  const seen = new Set<number>();
  for (let n = 0; n < count; n++) {
    const { phone, slot } = timetable.at(n + 2 * count);
    const recordedAtMs = timetable.recordedAtMs(phone, slot);
    assert.equal(slot, 2);
    assert.equal(timetable.slotOf(recordedAtMs), 2);
    assert.ok(recordedAtMs >= lastMs, "in the order of time");
    assert.ok(recordedAtMs - 1_700_000_000_000 < 3 * PERIOD_MS);
    lastMs = recordedAtMs;
    seen.add(phone);
  }
  assert.equal(seen.size, count);
});
