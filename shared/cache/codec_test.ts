import assert from "node:assert/strict";
import fc from "fast-check";
import { decode, encode } from "./codec.ts";

Deno.test("decode() gives back rows with dates, bytes and nothing, wherever they stand", () => {
  const row = {
    id: "1",
    at: new Date("2026-01-02T03:04:05.678Z"),
    hash: new Uint8Array([0, 255, 7]),
    note: null,
    items: [{ name: "Soup", at: new Date(0) }],
    "": { date: "2026-01-02T03:04:05.678Z" },
  };
  assert.deepEqual(decode(encode(row)), row);
});

Deno.test("decode() takes no text of a customer for a date or bytes", () => {
  // What Postgres can store has no NUL.
  const words = fc.string().filter((text) => !text.includes("\0"));
  const json = fc.dictionary(words, fc.oneof(words, fc.integer(), fc.array(words)));
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  fc.assert(
    fc.property(json, (value) => {
      const plain = { ...value };
      assert.deepEqual(decode(encode({ plain })), JSON.parse(JSON.stringify({ plain })));
    }),
    { seed },
  );
});
