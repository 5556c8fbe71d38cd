import assert from "node:assert/strict";
import fc from "fast-check";
import { ackFrame, errorFrame, readFrame } from "./socket_frames.ts";

const SEED = 20_261_121;
const NOW_MS = Date.now();

Deno.test("readFrame() reads fixes, batches and heartbeats", () => {
  assert.deepEqual(readFrame(`["f",1,[${NOW_MS},57.7,11.9]]`), {
    kind: "fix",
    seq: 1,
    fixes: [{ lat: 57.7, lon: 11.9, recordedAtMs: NOW_MS }],
  });
  assert.deepEqual(readFrame(`["b",2,[[${NOW_MS},57.7,11.9,4.5,null,3],[${NOW_MS},0,0]]]`), {
    kind: "batch",
    seq: 2,
    fixes: [
      { lat: 57.7, lon: 11.9, accuracyM: 4.5, speedMps: 3, recordedAtMs: NOW_MS },
      { lat: 0, lon: 0, recordedAtMs: NOW_MS },
    ],
  });
  assert.deepEqual(readFrame('["h",3]'), { kind: "heartbeat", seq: 3, fixes: [] });
});

Deno.test("readFrame() says what is wrong, with the frame's number where it has one", () => {
  const fix = [NOW_MS, 57.7, 11.9];
  const cases: [unknown, number | null, RegExp][] = [
    [{}, null, /list/],
    [null, null, /list/],
    [["f"], null, /seq/],
    [["f", -1, fix], null, /seq/],
    [["f", 1.5, fix], null, /seq/],
    [["x", 1, fix], 1, /kind/],
    [["f", 1], 1, /3 to 6/],
    [["f", 1, [NOW_MS, 57.7]], 1, /3 to 6/],
    [["f", 1, [...fix, 1, 1, 1, 1]], 1, /3 to 6/],
    [["f", 1, [NOW_MS, 85.06, 11.9]], 1, /lat must be from -85\.05112878 to 85\.05112878/],
    [["f", 1, [NOW_MS, 57.7, 181]], 1, /lon/],
    [["f", 1, ["now", 57.7, 11.9]], 1, /recordedAtMs/],
    [["f", 1, [NOW_MS + 0.5, 57.7, 11.9]], 1, /recordedAtMs/],
    [["f", 1, [NOW_MS - 49 * 3_600_000, 57.7, 11.9]], 1, /48 hours/],
    [["f", 1, [...fix, -1]], 1, /accuracyM/],
    [["f", 1, [...fix, null, 361]], 1, /headingDeg/],
    [["f", 1, [...fix, null, null, "9"]], 1, /speedMps/],
    [["b", 1, []], 1, /1 to 100/],
    [["b", 1, Array.from({ length: 101 }, () => fix)], 1, /1 to 100/],
    [["b", 1, [fix, [1]]], 1, /fix 1/],
  ];
  for (const [frame, seq, words] of cases) {
    const read = readFrame(JSON.stringify(frame));
    assert.ok(read.kind === "bad", JSON.stringify(frame));
    assert.equal(read.seq, seq);
    assert.match(read.detail, words);
  }
  assert.equal(readFrame("[").kind, "bad");
});

Deno.test("readFrame() throws for no text at all", () => {
  console.log(`seed ${SEED}`);
  const text = fc.oneof(fc.string(), fc.json(), fc.array(fc.json()).map((all) => `[${all}]`));
  fc.assert(fc.property(text, (frame) => void readFrame(frame)), { seed: SEED, numRuns: 2_000 });
  assert.equal(readFrame("[".repeat(16_000)).kind, "bad");
});

Deno.test("ackFrame() and errorFrame() say no more than is needed", () => {
  const recorded = { codes: ["accepted"], clamped: 0, isDegraded: false } as const;
  assert.equal(ackFrame(7, recorded), '["a",7,["accepted"]]');
  assert.equal(
    ackFrame(8, { ...recorded, codes: ["limited"], retryAfterMs: 400 }),
    '["a",8,["limited"],{"retryAfterMs":400}]',
  );
  assert.equal(
    ackFrame(9, { ...recorded, isDegraded: true }),
    '["a",9,["accepted"],{"degraded":true}]',
  );
  assert.equal(errorFrame(null, "request.malformed"), '["e",null,"request.malformed"]');
  assert.equal(errorFrame(3, "request.invalid", "x"), '["e",3,"request.invalid","x"]');
});
