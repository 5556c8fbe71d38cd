/**
 * The stored form of a city's streets: gzipped JSON, columns of integers.
 *
 * ```
 * { format: "hexmile-streets", version: 1, attribution, source,
 *   degreesPerUnit: 1e-7,
 *   classes: ["residential", ...], names: ["", "Kungsgatan", ...],
 *   ways: { class: [index], access: [bits], maxSpeedKmh: [..], name: [index], points: [count] },
 *   lat: [..], lon: [..] }
 * ```
 *
 * `lat` and `lon` hold every point of every way in order, in units, each as the difference from the
 * point before (across ways too; the first is absolute). OpenStreetMap stores 1e-7 degrees, so
 * nothing is rounded and two ways meet exactly where they met at the source.
 */
import { z } from "zod";
import type { Point } from "shared/geo/point.ts";
import { STREET_CLASSES, type StreetWay } from "shared/streets/street_way.ts";

const UNITS_PER_DEGREE = 1e7;
/** Round the Earth, in units. */
const MAX_STEP = 360 * UNITS_PER_DEGREE;
const MAX_WAYS = 5_000_000;
const MAX_POINTS = 50_000_000;

/** Columns are checked by `readColumn`: zod over some 300,000 numbers costs 10 times as much. */
const streetsFileSchema = z.object({
  format: z.literal("hexmile-streets"),
  version: z.literal(1),
  attribution: z.string().min(1),
  source: z.string().min(1),
  degreesPerUnit: z.literal(1e-7),
  classes: z.array(z.enum(STREET_CLASSES)).min(1),
  names: z.array(z.string()).min(1),
  ways: z.object({
    class: z.unknown(),
    access: z.unknown(),
    maxSpeedKmh: z.unknown(),
    name: z.unknown(),
    points: z.unknown(),
  }),
  lat: z.unknown(),
  lon: z.unknown(),
});

export interface StreetsFile {
  /** To be shown wherever the map is. */
  readonly attribution: string;
  /** Where and when the data was taken. */
  readonly source: string;
  readonly ways: readonly StreetWay[];
}

/** The JSON value of the file for `streets`; equal input gives equal output. */
export function encodeStreetsFile(streets: StreetsFile): unknown {
  const classes = tally(streets.ways.map((way) => way.streetClass));
  const names = tally(streets.ways.map((way) => way.name));
  const lat: number[] = [], lon: number[] = [];
  let lastLat = 0, lastLon = 0;
  for (const way of streets.ways) {
    for (const point of way.points) {
      const latUnits = Math.round(point.lat * UNITS_PER_DEGREE);
      const lonUnits = Math.round(point.lon * UNITS_PER_DEGREE);
      lat.push(latUnits - lastLat);
      lon.push(lonUnits - lastLon);
      lastLat = latUnits;
      lastLon = lonUnits;
    }
  }
  return {
    format: "hexmile-streets",
    version: 1,
    attribution: streets.attribution,
    source: streets.source,
    degreesPerUnit: 1e-7,
    classes: [...classes.keys()],
    names: [...names.keys()],
    ways: {
      class: streets.ways.map((way) => classes.get(way.streetClass)),
      access: streets.ways.map((way) => way.access),
      maxSpeedKmh: streets.ways.map((way) => way.maxSpeedKmh),
      name: streets.ways.map((way) => names.get(way.name)),
      points: streets.ways.map((way) => way.points.length),
    },
    lat,
    lon,
  };
}

/**
 * The streets of a parsed file.
 *
 * @throws TypeError with one sentence naming the field, when the value is not of the form above.
 */
export function decodeStreetsFile(value: unknown): StreetsFile {
  const parsed = streetsFileSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new TypeError(`${issue?.path.join(".") || "file"}: ${issue?.message ?? "malformed"}`);
  }
  const file = parsed.data;
  const pointCounts = readColumn("ways.points", file.ways.points, { max: MAX_POINTS });
  const wayCount = pointCounts.length;
  if (wayCount > MAX_WAYS) throw new TypeError(`ways: must be at most ${MAX_WAYS}: ${wayCount}`);
  const length = wayCount;
  const classes = readColumn("ways.class", file.ways.class, {
    max: file.classes.length - 1,
    length,
  });
  const access = readColumn("ways.access", file.ways.access, { max: 255, length });
  const speeds = readColumn("ways.maxSpeedKmh", file.ways.maxSpeedKmh, { max: 255, length });
  const names = readColumn("ways.name", file.ways.name, { max: file.names.length - 1, length });
  const points = decodePoints(file.lat, file.lon, sum(pointCounts));
  const ways: StreetWay[] = [];
  let first = 0;
  for (let way = 0; way < wayCount; way++) {
    const end = first + pointCounts[way]!;
    ways.push({
      streetClass: file.classes[classes[way]!]!,
      access: access[way]!,
      maxSpeedKmh: speeds[way]!,
      name: file.names[names[way]!]!,
      points: points.slice(first, end),
    });
    first = end;
  }
  return { attribution: file.attribution, source: file.source, ways };
}

function decodePoints(latColumn: unknown, lonColumn: unknown, count: number): Point[] {
  const bounds = { min: -MAX_STEP, max: MAX_STEP, length: count };
  const lat = readColumn("lat", latColumn, bounds);
  const lon = readColumn("lon", lonColumn, bounds);
  const points: Point[] = [];
  let latUnits = 0, lonUnits = 0;
  for (let i = 0; i < count; i++) {
    latUnits += lat[i]!;
    lonUnits += lon[i]!;
    points.push({ lat: latUnits / UNITS_PER_DEGREE, lon: lonUnits / UNITS_PER_DEGREE });
  }
  return points;
}

interface ColumnBounds {
  readonly min?: number;
  readonly max: number;
  readonly length?: number;
}

/** The value as integers within the bounds; whatever passes may be indexed without further checks. */
function readColumn(name: string, value: unknown, bounds: ColumnBounds): readonly number[] {
  if (!Array.isArray(value)) throw new TypeError(`${name}: must be an array`);
  const column: readonly unknown[] = value;
  if (bounds.length !== undefined && column.length !== bounds.length) {
    throw new TypeError(`${name}: must have ${bounds.length} entries: it has ${column.length}`);
  }
  const min = bounds.min ?? 0;
  if (!column.every((entry): entry is number => isIntegerWithin(entry, min, bounds.max))) {
    throw new TypeError(`${name}: must hold integers in [${min}, ${bounds.max}] only`);
  }
  return column;
}

function isIntegerWithin(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Each distinct value with its index in order of frequency (short numbers for common ones), then name. */
function tally(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const ordered = [...counts].sort(([a, countA], [b, countB]) =>
    countB - countA || (a < b ? -1 : 1)
  );
  return new Map(ordered.map(([value], index) => [value, index]));
}
