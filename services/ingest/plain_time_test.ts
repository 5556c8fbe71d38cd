import assert from "node:assert/strict";
import fc from "fast-check";
import { plainTimeMs } from "./plain_time.ts";

const SEED = 20_261_121;
const read = (text: string) => plainTimeMs(text, 0, text.length);

Deno.test("plainTimeMs() reads every time as the platform does", () => {
  console.log(`seed ${SEED}`);
  const date = fc.date({
    min: new Date("1000-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59.999Z"),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(date, fc.integer({ min: 0, max: 3 }), (day, digits) => {
      const iso = day.toISOString();
      const text = digits === 0 ? `${iso.slice(0, 19)}Z` : `${iso.slice(0, 20 + digits)}Z`;
      assert.equal(read(text), Date.parse(text), text);
      assert.equal(plainTimeMs(`"${text}"`, 1, text.length + 1), Date.parse(text), text);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
});

Deno.test("plainTimeMs() never says anything else than the platform, whatever the text is", () => {
  console.log(`seed ${SEED}`);
  const plain = "2026-11-21T10:00:00.000Z";
  const spoiled = fc.tuple(
    fc.integer({ min: 0, max: plain.length - 1 }),
    fc.constantFrom(..."0123456789-:.TZz+ ", ""),
  ).map(([at, by]) => plain.slice(0, at) + by + plain.slice(at + 1));
  fc.assert(
    fc.property(fc.oneof(spoiled, fc.string()), (text) => {
      const ms = read(text);
      if (!Number.isNaN(ms)) assert.equal(ms, Date.parse(text), text);
    }),
    { seed: SEED, numRuns: 5_000 },
  );
});

Deno.test("plainTimeMs() leaves other forms, and days that are none, to the platform", () => {
  for (
    const text of [
      "",
      "2026-02-30T10:00:00Z",
      "2026-13-01T10:00:00Z",
      "2026-00-10T10:00:00Z",
      "2026-11-00T10:00:00Z",
      "2026-11-21T24:00:00Z",
      "2026-11-21T10:60:00Z",
      "2026-11-21T10:00:60Z",
      "2026-11-21T10:00:00.Z",
      "2026-11-21T10:00:00.0000Z",
      "2026-11-21T10:00:00+01:00",
      "2026-11-21 10:00:00Z",
      "2026-11-21",
      "0099-11-21T10:00:00Z",
    ]
  ) assert.equal(read(text), NaN, text);
});
