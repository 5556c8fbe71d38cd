/**
 * A fix as the scripts read it: 22 bytes, little endian, so that Lua compares and stores it without
 * parsing text. It keeps 1e-7 degree (1 cm), 0.1 m of accuracy, 0.01 degree of heading and 0.01 m/s;
 * the stream keeps what the phone said.
 *
 * | at | bytes | what                                      |
 * | -- | ----- | ----------------------------------------- |
 * | 0  | 8     | recordedAt, float, ms                     |
 * | 8  | 4     | lat, signed, 1e-7 degree                  |
 * | 12 | 4     | lon, signed, 1e-7 degree                  |
 * | 16 | 2     | accuracy, 0.1 m, rounded up; 65535: none  |
 * | 18 | 2     | heading, 0.01 degree; 65535: none         |
 * | 20 | 2     | speed, 0.01 m/s; 65535: none              |
 */
import { MAX_INDEXABLE_LAT, type Point } from "shared/geo/point.ts";
import type { Fix } from "./fix.ts";

export const RECORD_BYTES = 22;
/** With the byte for what came of it. */
export const JUDGED_BYTES = RECORD_BYTES + 1;
const NONE = 0xffff;
const DEGREE = 1e7;
/** Rounded up, a place at the very edge would be beyond it, and GEOADD refuses that. */
const MAX_LAT = Math.floor(MAX_INDEXABLE_LAT * DEGREE);
const GEO_CELLS = 2 ** 26;

/** Writes a fix at a place of the view. */
export function writeRecord(view: DataView, offset: number, fix: Fix): void {
  view.setFloat64(offset, fix.recordedAtMs, true);
  const lat = Math.round(fix.lat * DEGREE);
  view.setInt32(offset + 8, Math.max(-MAX_LAT, Math.min(MAX_LAT, lat)), true);
  view.setInt32(offset + 12, Math.round(fix.lon * DEGREE), true);
  const { accuracyM, headingDeg, speedMps } = fix;
  // Up, so that what is worse than a bound stays worse; the sliver is for the error of floats.
  view.setUint16(
    offset + 16,
    accuracyM === undefined ? NONE : Math.min(NONE - 1, Math.ceil(accuracyM * 10 - 1e-6)),
    true,
  );
  view.setUint16(offset + 18, toHundredths(headingDeg), true);
  view.setUint16(offset + 20, toHundredths(speedMps), true);
}

function toHundredths(value: number | undefined): number {
  return value === undefined ? NONE : Math.min(NONE - 1, Math.round(value * 100));
}

/** Reads a fix; undefined where the place holds none. */
export function readRecord(buffer: Buffer, offset: number): Fix | undefined {
  const recordedAtMs = buffer.readDoubleLE(offset);
  if (recordedAtMs === 0) return undefined;
  const accuracy = buffer.readUInt16LE(offset + 16);
  const heading = buffer.readUInt16LE(offset + 18);
  const speed = buffer.readUInt16LE(offset + 20);
  return {
    lat: buffer.readInt32LE(offset + 8) / DEGREE,
    lon: buffer.readInt32LE(offset + 12) / DEGREE,
    ...(accuracy === NONE ? {} : { accuracyM: accuracy / 10 }),
    ...(heading === NONE ? {} : { headingDeg: heading / 100 }),
    ...(speed === NONE ? {} : { speedMps: speed / 100 }),
    recordedAtMs,
  };
}

/**
 * Where GEOADD has a place of a record, as its score in the set: 17 digits. Made here, because a
 * script that gives numbers to GEOADD spends more on writing and reading them than on the set.
 *
 * 26 bits of each, of the latitude the lower of each pair (geohash.c of Redis 7); the eastern edge has one more.
 */
export function geoScoreOf({ lat, lon }: Point): string {
  const units = Math.max(-MAX_LAT, Math.min(MAX_LAT, Math.round(lat * DEGREE)));
  const north = (units / DEGREE + MAX_INDEXABLE_LAT) / (2 * MAX_INDEXABLE_LAT) * GEO_CELLS;
  const east = (Math.round(lon * DEGREE) / DEGREE + 180) / 360 * GEO_CELLS;
  const high = spread(north / 65_536) + 2 * spread(east / 65_536);
  const low = spread(north & 0xffff) + 2 * spread(east & 0xffff);
  // Not `String`: V8 keeps what that makes for a while, in case the same number comes again.
  return (high * 2 ** 32 + low).toFixed(0).padStart(17, "0");
}

/** Sixteen bits, with a zero before each (Warren, Hacker's Delight, 7-2). */
function spread(bits: number): number {
  let spread = bits & 0xffff;
  spread = (spread | spread << 8) & 0x00ff00ff;
  spread = (spread | spread << 4) & 0x0f0f0f0f;
  spread = (spread | spread << 2) & 0x33333333;
  return (spread | spread << 1) & 0x55555555;
}

/** A fix as text for the stream: `[recordedAtMs,lat,lon]`, then accuracy, heading and speed. */
export function textOfFix(fix: Fix): string {
  const { recordedAtMs, lat, lon, accuracyM, headingDeg, speedMps } = fix;
  const place = `[${recordedAtMs.toFixed(0)},${lat},${lon}`;
  if (speedMps !== undefined) {
    return `${place},${accuracyM ?? null},${headingDeg ?? null},${speedMps}]`;
  }
  if (headingDeg !== undefined) return `${place},${accuracyM ?? null},${headingDeg}]`;
  return accuracyM === undefined ? `${place}]` : `${place},${accuracyM}]`;
}
