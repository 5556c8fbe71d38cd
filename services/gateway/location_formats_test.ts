import assert from "node:assert/strict";
import {
  BREAK_MS,
  csvCell,
  escapeXml,
  stretchesOf,
  toCsv,
  toGeoJson,
  toGpx,
} from "./location_formats.ts";
import type { Location } from "./stores/location_store.ts";

const START_MS = Date.UTC(2026, 2, 2, 12);

function at(seconds: number, lat: number, lon: number): Location {
  return {
    recordedAtMs: START_MS + seconds * 1_000,
    lat,
    lon,
    accuracyM: 5,
    headingDeg: null,
    speedMps: 5.4,
    kind: "usual",
    carrying: true,
    fixes: 3,
  };
}

Deno.test("stretchesOf() breaks where a courier was silent, and between couriers", () => {
  const breakS = BREAK_MS / 1_000;
  const part = [at(0, 1, 1), at(breakS, 1, 1), at(2 * breakS + 1, 1, 1)];
  assert.deepEqual(stretchesOf([part, [at(2 * breakS + 2, 2, 2)], []]).map((one) => one.length), [
    2,
    1,
    1,
  ]);
});

Deno.test("toGeoJson() writes longitude first, a point for one place, and nothing for none", () => {
  assert.deepEqual(toGeoJson([[at(0, 57.1, 11.2), at(9, 57.2, 11.3)], [at(99, 57.3, 11.4)]]), {
    type: "FeatureCollection",
    features: [{
      type: "Feature",
      geometry: { type: "LineString", coordinates: [[11.2, 57.1], [11.3, 57.2]] },
      properties: { coordTimes: ["2026-03-02T12:00:00.000Z", "2026-03-02T12:00:09.000Z"] },
    }, {
      type: "Feature",
      geometry: { type: "Point", coordinates: [11.4, 57.3] },
      properties: { coordTimes: ["2026-03-02T12:01:39.000Z"] },
    }],
  });
  assert.deepEqual(toGeoJson([]).features, []);
});

Deno.test("toGeoJson() cuts a line at the antimeridian, either way", () => {
  for (const side of [1, -1]) {
    const line = [at(0, -17, side * 179.9), at(40, -16, side * -179.7)];
    const { features } = toGeoJson([line]);
    const rounded = features.map(({ geometry }) =>
      geometry.coordinates.flat().map((degrees) => Math.round(degrees * 1e6) / 1e6)
    );
    assert.deepEqual(rounded, [
      [side * 179.9, -17, side * 180, -16.75],
      [side * -180, -16.75, side * -179.7, -16],
    ]);
    assert.equal(features[0]?.properties.coordTimes[1], features[1]?.properties.coordTimes[0]);
    assert.equal(features[1]?.properties.coordTimes[0], "2026-03-02T12:00:10.000Z");
  }
});

Deno.test("toGpx() writes plain decimals inside the schema's bounds, and escapes names", () => {
  const gpx = toGpx("a <b> & c", [[at(0, 1e-8, 180), at(1, -33.8, -0.5)]]);
  assert.match(gpx, /<name>a &lt;b&gt; &amp; c<\/name>/);
  assert.match(gpx, /<trkpt lat="0\.0000000" lon="-180\.0000000"><time>2026-03-02T12:00:00\.000Z</);
  assert.match(gpx, /lat="-33\.8000000" lon="-0\.5000000"/);
  assert.equal(escapeXml("&<>"), "&amp;&lt;&gt;");
});

Deno.test("toCsv() has a header, and a line for each location", () => {
  const csv = toCsv([at(0, -57.1, 11.2)]);
  assert.equal(
    csv,
    "recordedAt,lat,lon,accuracyM,headingDeg,speedMps,kind,carrying\r\n" +
      "2026-03-02T12:00:00.000Z,-57.1,11.2,5,,5.4,usual,true\r\n",
  );
});

Deno.test("csvCell() makes no formula of text, and keeps what it says", () => {
  assert.equal(csvCell('=HYPERLINK("x")'), `"'=HYPERLINK(""x"")"`);
  for (const first of ["+", "-", "@", "\t"]) assert.equal(csvCell(`${first}1`), `'${first}1`);
  assert.equal(csvCell("\r=1"), `"'\r=1"`);
  assert.equal(csvCell("a,b"), '"a,b"');
  assert.equal(csvCell("late"), "late");
  assert.equal(csvCell(-5.5), "-5.5");
  assert.equal(csvCell(null), "");
});
