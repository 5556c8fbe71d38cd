import { strictEqual } from "node:assert/strict";
import type { ParkedEvent } from "shared/streams/parked.ts";
import { ageText, parkedTable, parkedText, replayText, streamsTable } from "./streams_text.ts";

const NOW = new Date("2026-01-02T00:00:00.000Z");
const KEY = { consumer: "tracker", stream: "events:{g:0}", key: "k1" };
const EVENT: ParkedEvent = {
  ...KEY,
  id: "7",
  entryId: "5-0",
  originId: "5-0",
  fields: { id: "e1", event: '{"type":"order.placed"}' },
  cause: "Error: no such order\n    at handle",
  attempts: 5,
  parkedAt: new Date("2026-01-01T00:00:00.000Z"),
};

Deno.test("streamsTable() lists groups under their stream", () => {
  const groups = [
    { name: "matcher", pending: 2, lag: 0, oldestPendingMs: 61_000 },
    { name: "tracker", pending: 0, lag: 12, oldestPendingMs: undefined },
  ];
  strictEqual(
    streamsTable([{ stream: "events:{g:0}", length: 40, groups }, {
      stream: "x",
      length: 0,
      groups: [],
    }]),
    `stream        length  group       pending  lag  oldest pending
events:{g:0}  40      matcher     2        0    61 s
                      tracker     0        12   -
x             0       (no group)`,
  );
  strictEqual(streamsTable([]), "no streams");
});

Deno.test("parkedTable() lists keys with the id to show first", () => {
  const row = { ...KEY, count: 3, firstId: "7", oldestAt: EVENT.parkedAt };
  strictEqual(
    parkedTable([row], NOW),
    `first id  consumer  key  parked  since  stream
7         tracker   k1   3       24 h   events:{g:0}`,
  );
  strictEqual(parkedTable([], NOW), "nothing is parked");
});

Deno.test("parkedText() shows cause, entry, attempts and payload, also of junk", () => {
  strictEqual(
    parkedText({ ...EVENT, originId: "4-0", fields: { ...EVENT.fields, junk: "not json" } }),
    `parked id  7
consumer   tracker
stream     events:{g:0}
entry      5-0
replay of  4-0
key        k1
attempts   5
parked at  2026-01-01T00:00:00.000Z
cause      Error: no such order
               at handle
field id:
  e1
field event:
  {
    "type": "order.placed"
  }
field junk:
  not json`,
  );
});

Deno.test("replayText() is one sentence for every outcome", () => {
  strictEqual(replayText(KEY, { result: "handled", count: 2 }), "tracker k1: 2 handled");
  strictEqual(
    replayText(KEY, { result: "parked_again", first: EVENT }),
    "tracker k1: parked again from id 7 on: Error: no such order",
  );
  strictEqual(
    replayText(KEY, { result: "waiting", count: 2 }),
    "tracker k1: 2 are on the stream and not handled yet: is tracker running?",
  );
  strictEqual(
    replayText(KEY, { result: "blocked", block: { reason: "unread" } }),
    "Cannot replay tracker k1: tracker has not read all of events:{g:0}: is it running?",
  );
  strictEqual(
    replayText(KEY, { result: "blocked", block: { reason: "empty", parkedId: "7" } }),
    "Cannot replay tracker k1: 7 was removed from the stream before it was read: drop it",
  );
});

Deno.test("ageText() rounds down to a unit a person can use", () => {
  strictEqual(ageText(-5), "0 s");
  strictEqual(ageText(119_999), "119 s");
  strictEqual(ageText(120_000), "2 min");
  strictEqual(ageText(7_200_000), "2 h");
  strictEqual(ageText(172_800_000), "2 d");
});
