/** Tracks in the formats that other programs read. Pure: stretches of locations in, text out. */
import type { Location } from "./stores/location_store.ts";

/** A silence this long breaks a line: nobody knows the way in between. */
export const BREAK_MS = 5 * 60_000;

/** Cuts each list where nothing was heard for long. */
export function stretchesOf(parts: readonly (readonly Location[])[]): Location[][] {
  return parts.flatMap((part) => {
    const stretches: Location[][] = [];
    let lastMs = -Infinity;
    for (const location of part) {
      if (location.recordedAtMs - lastMs > BREAK_MS) stretches.push([]);
      stretches.at(-1)?.push(location);
      lastMs = location.recordedAtMs;
    }
    return stretches;
  });
}

interface TimedPoint {
  readonly lat: number;
  readonly lon: number;
  readonly atMs: number;
}

/**
 * GeoJSON (RFC 7946): a line for each stretch, with its times as `coordTimes`. A line over the
 * antimeridian is cut there (§3.1.9), into two features; a single place is a point.
 */
export function toGeoJson(stretches: readonly (readonly Location[])[]) {
  const lines = stretches.flatMap((stretch) =>
    cutAtAntimeridian(stretch.map(({ lat, lon, recordedAtMs }) => ({
      lat,
      lon,
      atMs: recordedAtMs,
    })))
  );
  return {
    type: "FeatureCollection" as const,
    features: lines.map((line) => ({
      type: "Feature" as const,
      geometry: geometryOf(line),
      properties: { coordTimes: line.map(({ atMs }) => isoOf(atMs)) },
    })),
  };
}

function geometryOf(line: readonly TimedPoint[]) {
  const [first, ...others] = line.map(({ lat, lon }) => [lon, lat]);
  if (first === undefined) throw new RangeError("Cannot draw a line: it must have a place");
  return others.length === 0
    ? { type: "Point" as const, coordinates: first }
    : { type: "LineString" as const, coordinates: [first, ...others] };
}

function cutAtAntimeridian(points: readonly TimedPoint[]): TimedPoint[][] {
  const [first, ...rest] = points;
  if (first === undefined) return [];
  const lines: TimedPoint[][] = [[first]];
  let before = first;
  for (const point of rest) {
    if (Math.abs(point.lon - before.lon) > 180) {
      const crossing = crossingOf(before, point);
      const side = before.lon > 0 ? 180 : -180;
      lines.at(-1)?.push({ ...crossing, lon: side });
      lines.push([{ ...crossing, lon: -side }]);
    }
    lines.at(-1)?.push(point);
    before = point;
  }
  return lines;
}

/** Where and when the short way between two places crosses 180 degrees. */
function crossingOf(a: TimedPoint, b: TimedPoint): Omit<TimedPoint, "lon"> {
  const toEdge = 180 - Math.abs(a.lon);
  const whole = toEdge + 180 - Math.abs(b.lon);
  const part = whole === 0 ? 0 : toEdge / whole;
  return { lat: a.lat + (b.lat - a.lat) * part, atMs: a.atMs + (b.atMs - a.atMs) * part };
}

/**
 * GPX 1.1 (https://www.topografix.com/GPX/1/1/gpx.xsd): one track, a segment for each stretch.
 *
 * @param name of the track; the ids of an order or courier, nobody's name.
 */
export function toGpx(name: string, stretches: readonly (readonly Location[])[]): string {
  const segments = stretches.map((stretch) =>
    ["    <trkseg>", ...stretch.map(trackPoint), "    </trkseg>"].join("\n")
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<gpx version="1.1" creator="Hexmile" xmlns="http://www.topografix.com/GPX/1/1">',
    "  <trk>",
    `    <name>${escapeXml(name)}</name>`,
    ...segments,
    "  </trk>",
    "</gpx>",
    "",
  ].join("\n");
}

function trackPoint({ lat, lon, recordedAtMs }: Location): string {
  // The schema's longitudes end before 180.
  const west = lon === 180 ? -180 : lon;
  return `      <trkpt lat="${lat.toFixed(7)}" lon="${west.toFixed(7)}">` +
    `<time>${isoOf(recordedAtMs)}</time></trkpt>`;
}

/** Text as XML may hold it. */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const COLUMNS = [
  "recordedAt",
  "lat",
  "lon",
  "accuracyM",
  "headingDeg",
  "speedMps",
  "kind",
  "carrying",
] as const;

/** CSV (RFC 4180) with a header. */
export function toCsv(locations: readonly Location[]): string {
  const rows = locations.map(({ recordedAtMs, ...location }) =>
    COLUMNS.map((column) =>
      csvCell(column === "recordedAt" ? isoOf(recordedAtMs) : location[column])
    )
  );
  return [COLUMNS, ...rows].map((cells) => `${cells.join(",")}\r\n`).join("");
}

/**
 * One cell. Text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV
 * Injection"), whatever it is doing here; a negative number is a number.
 */
export function csvCell(value: string | number | boolean | null): string {
  if (value === null) return "";
  if (typeof value !== "string") return String(value);
  const harmless = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function isoOf(atMs: number): string {
  return new Date(atMs).toISOString();
}
