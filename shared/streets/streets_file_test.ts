import assert from "node:assert/strict";
import fc from "fast-check";
import { STREET_CLASSES } from "shared/streets/street_way.ts";
import { decodeStreetsFile, encodeStreetsFile } from "shared/streets/streets_file.ts";

const unit = (maxUnits: number) =>
  fc.integer({ min: -maxUnits, max: maxUnits }).map((units) => units / 1e7);
const streets = fc.record({
  attribution: fc.constant("made up"),
  source: fc.constant("a test"),
  ways: fc.array(
    fc.record({
      streetClass: fc.constantFrom(...STREET_CLASSES),
      access: fc.integer({ min: 0, max: 255 }),
      maxSpeedKmh: fc.integer({ min: 0, max: 255 }),
      name: fc.string(),
      points: fc.array(fc.record({ lat: unit(9e8), lon: unit(18e8) }), { maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});

Deno.test("decodeStreetsFile() gives back what encodeStreetsFile() was given (property)", () => {
  fc.assert(fc.property(streets, (original) => {
    const stored: unknown = JSON.parse(JSON.stringify(encodeStreetsFile(original)));
    assert.deepEqual(
      JSON.parse(JSON.stringify(decodeStreetsFile(stored))),
      JSON.parse(JSON.stringify(original)),
    );
  }));
});

const GOOD = {
  format: "hexmile-streets",
  version: 1,
  attribution: "made up",
  source: "a test",
  degreesPerUnit: 1e-7,
  classes: ["residential"],
  names: [""],
  ways: { class: [0], access: [255], maxSpeedKmh: [50], name: [0], points: [2] },
  lat: [1, 1],
  lon: [2, 2],
};

Deno.test("decodeStreetsFile() names the field at fault", () => {
  const cases: [unknown, RegExp][] = [
    [null, /^file: /],
    [{ ...GOOD, version: 2 }, /^version: /],
    [{ ...GOOD, classes: ["canal"] }, /^classes\.0: /],
    [{ ...GOOD, lat: "1,1" }, /^lat: must be an array$/],
    [{ ...GOOD, lat: [1] }, /^lat: must have 2 entries: it has 1$/],
    [{ ...GOOD, lon: [1, 0.5] }, /^lon: must hold integers/],
    [{ ...GOOD, lon: [1, null] }, /^lon: must hold integers/],
    [{ ...GOOD, ways: { ...GOOD.ways, name: [1] } }, /^ways\.name: must hold integers in \[0, 0\]/],
    [{ ...GOOD, ways: { ...GOOD.ways, access: [] } }, /^ways\.access: must have 1 entries/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => decodeStreetsFile(value), { name: "TypeError", message });
  }
  assert.equal(decodeStreetsFile(GOOD).ways.length, 1);
});
