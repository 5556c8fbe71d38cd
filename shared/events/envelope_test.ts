import assert from "node:assert/strict";
import fc from "fast-check";
import { envelope, EventFormatError, parseEnvelope, readPlainOuter } from "./envelope.ts";
import { EVENTS } from "./catalogue.ts";

const id = "0190f1c2-0000-7000-8000-000000000000";
const confirmed = {
  id,
  type: "order.confirmed",
  version: 1,
  region: "gothenburg",
  key: id,
  occurredAt: "2026-01-02T03:04:05.678Z",
  trace: null,
  data: { orderId: id, orderVersion: 2 },
};

Deno.test("parseEnvelope() reads an event and drops fields of a newer version", () => {
  const newer = { ...confirmed, data: { ...confirmed.data, addedLater: true } };
  assert.deepEqual(parseEnvelope(JSON.stringify(newer)), confirmed);
});

Deno.test("parseEnvelope() gives undefined for a type of a newer version", () => {
  assert.equal(
    parseEnvelope(JSON.stringify({ ...confirmed, type: "order.teleported" })),
    undefined,
  );
});

Deno.test("parseEnvelope() refuses what is not an event, naming what is wrong", () => {
  assert.throws(() => parseEnvelope("junk"), EventFormatError);
  assert.throws(() => parseEnvelope("{}"), EventFormatError);
  const wrong = { ...confirmed, data: { orderId: "x", orderVersion: 2 } };
  assert.throws(() => parseEnvelope(JSON.stringify(wrong)), /order\.confirmed: [\s\S]*orderId/);
});

Deno.test("EVENTS are past facts named topic.fact", () => {
  for (const type of Object.keys(EVENTS)) {
    assert.match(type, /^[a-z]+\.[a-z_]*(ed|made|withdrawn)$/, type);
  }
});

const SEED = 20_261_121;

Deno.test("readPlainOuter() takes nothing that the schema refuses, and reads it as the schema does", () => {
  console.log(`seed ${SEED}`);
  assert.ok(readPlainOuter(confirmed) !== undefined, "the usual form is taken");
  const ids = fc.oneof(fc.uuid(), fc.constantFrom(id, id.toUpperCase(), "", `${id}0`, null, 7));
  const times = fc.oneof(
    fc.date({ noInvalidDate: false }).map((date) => isNaN(date.getTime()) ? "" : date.toJSON()),
    fc.constantFrom("2026-02-30T03:04:05.678Z", "2026-01-02T24:04:05.678Z", "2026-01-02", 7),
  );
  const outer = fc.record({
    id: ids,
    key: ids,
    occurredAt: times,
    type: fc.constantFrom("order.confirmed", 7, null),
    version: fc.constantFrom(1, 2, 0, -1, 1.5, 1e300, "1", null),
    region: fc.constantFrom("r", "", 7),
    trace: fc.constantFrom(null, "t", 7),
    data: fc.constant(confirmed.data),
    addedLater: fc.constant(true),
  }, { requiredKeys: [] });
  const raws = fc.oneof(
    outer.map((fields) => ({ ...confirmed, ...fields })),
    outer,
    fc.constantFrom(null, 7, "text", []),
  );
  const property = fc.property(raws, (raw) => {
    const plain = readPlainOuter(raw);
    if (plain !== undefined) assert.deepEqual(plain, envelope.parse(raw));
  });
  fc.assert(property, { seed: SEED, numRuns: 5_000 });
});
