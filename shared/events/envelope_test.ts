import assert from "node:assert/strict";
import { EventFormatError, parseEnvelope } from "./envelope.ts";
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
