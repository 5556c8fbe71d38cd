import assert from "node:assert/strict";
import { parseEnvelope } from "shared/events/envelope.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import type { Statement } from "shared/sql/template.ts";
import { queryable, type Tx } from "shared/sql/connect.ts";
import { appendEvents } from "./append.ts";
import { envelopesOf, eventLine, MAX_EVENTS_PER_CHANGE } from "./change_events.ts";

const KEY = uuidv7();

function attention(reason: string) {
  return {
    type: "order.attention_raised",
    data: { orderId: KEY, orderVersion: 1, reason },
  } as const;
}

Deno.test("envelopesOf() gives each event of a change as it was written, whatever its text holds", () => {
  const reasons = ["plain", 'a "quote" and a \\', "a line\nbreak\r\n", "\u2028 { } é 🚲", ""];
  const ids = reasons.map(() => uuidv7());
  const lines = reasons.map((reason, index) => eventLine(attention(reason), ids[index]));
  const occurredAt = new Date("2026-11-21T08:00:00.123Z");
  const shared = { region: 'r"1', key: KEY, occurredAt, trace: "a trace" };
  const events = envelopesOf(shared, lines.join("\n"));
  assert.deepEqual(events.map(({ id }) => id), ids);
  assert.deepEqual(
    events.map(({ json }) => parseEnvelope(json)),
    reasons.map((reason, index) => ({
      ...shared,
      ...attention(reason),
      id: ids[index],
      version: 1,
      occurredAt: "2026-11-21T08:00:00.123Z",
    })),
  );
});

Deno.test("appendEvents() refuses more events than a change has room for, and takes none at all", () => {
  const deferred: Statement<readonly object[]>[] = [];
  const run = () => Promise.reject(new Error("nothing is to be sent"));
  const tx: Tx = Object.assign(queryable({ run }, run), {
    defer: (given: Statement<readonly object[]>) => void deferred.push(given),
  });
  const order = { id: KEY, version: 1, region: "r", shard: 0 };
  const events = Array.from({ length: MAX_EVENTS_PER_CHANGE + 1 }, () => attention("many"));
  assert.throws(
    () => appendEvents(tx, order, events),
    /events of a change must be at most 100: they are 101/,
  );
  appendEvents(tx, order, []);
  assert.equal(deferred.length, 0);
  appendEvents(tx, order, events.slice(1));
  assert.equal(deferred.length, 1);
});
