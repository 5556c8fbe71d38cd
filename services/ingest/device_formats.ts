/**
 * What phone apps of others send, as fixes of ours. Pure.
 *
 * OwnTracks: https://owntracks.org/booklet/tech/json (`_type` location: `tst` seconds, `acc` m,
 * `vel` km/h, `cog` degrees) and /tech/http (every type is posted to the same address; the answer
 * is a JSON list). OsmAnd and Traccar Client: https://www.traccar.org/osmand (query or form: `speed`
 * in knots, `timestamp` in seconds, milliseconds or ISO 8601; from version 9 JSON with m/s).
 */
import type { Fix } from "shared/availability/fix.ts";
import { type ParsedFix, parseFix } from "./parse_fix.ts";

const MPS_PER_KMH = 1 / 3.6;
/** One international knot: 1852 m in an hour. */
const MPS_PER_KNOT = 1852 / 3600;
/** Seconds are below this until the year 5138, milliseconds above it since 1973. */
const FIRST_MILLISECONDS = 1e11;

/** A fix; a message without a place (the device is heard); or nothing that concerns us. */
export type DeviceMessage =
  | { readonly kind: "fix"; readonly parsed: ParsedFix }
  | { readonly kind: "heartbeat" }
  | { readonly kind: "other" };

/** Reads a message of the OwnTracks apps. */
export function readOwnTracks(message: unknown): DeviceMessage {
  if (!isRecord(message) || message["_type"] !== "location") return { kind: "other" };
  const { lat, lon, acc, vel, cog, tst } = message;
  return fixOf({
    lat,
    lon,
    accuracyM: known(acc),
    headingDeg: known(cog),
    speedMps: scaled(known(vel), MPS_PER_KMH),
    recordedAt: typeof tst === "number" ? isoOf(tst * 1000) : tst,
  });
}

/** Reads the query or form of OsmAnd and of Traccar Client before version 9. */
export function readOsmAnd(fields: URLSearchParams, nowMs: number): DeviceMessage {
  const number = (name: string) => numberOf(fields.get(name));
  const [lat, lon] = fields.get("location")?.split(",").map(numberOf) ??
    [number("lat"), number("lon")];
  if (lat === undefined && lon === undefined) return { kind: "heartbeat" };
  // The device itself says that it does not know where it is.
  if (["false", "0"].includes(fields.get("valid") ?? "")) return { kind: "heartbeat" };
  return fixOf({
    lat,
    lon,
    accuracyM: known(number("accuracy")),
    headingDeg: known(number("bearing") ?? number("heading")),
    speedMps: scaled(known(number("speed")), MPS_PER_KNOT),
    recordedAt: timeOf(fields.get("timestamp"), nowMs),
  });
}

/** Reads the JSON of Traccar Client from version 9 on; undefined for what is not its form. */
export function readTraccar(
  message: unknown,
): { readonly deviceId: string; readonly message: DeviceMessage } | undefined {
  if (!isRecord(message) || typeof message["device_id"] !== "string") return undefined;
  const deviceId = message["device_id"];
  const location = message["location"];
  if (!isRecord(location) || !isRecord(location["coords"])) {
    return { deviceId, message: { kind: "heartbeat" } };
  }
  const { latitude, longitude, accuracy, heading, speed } = location["coords"];
  return {
    deviceId,
    message: fixOf({
      lat: latitude,
      lon: longitude,
      accuracyM: known(accuracy),
      headingDeg: known(heading),
      speedMps: known(speed),
      recordedAt: location["timestamp"],
    }),
  };
}

function fixOf(body: Readonly<Record<string, unknown>>): DeviceMessage {
  const given = Object.entries(body).filter(([, value]) => value !== undefined);
  return { kind: "fix", parsed: parseFix(Object.fromEntries(given)) };
}

/** Apps say -1 for what they do not know. */
function known(value: unknown): unknown {
  return value === null || typeof value === "number" && value < 0 ? undefined : value;
}

function scaled(value: unknown, factor: number): unknown {
  return typeof value === "number" ? Math.round(value * factor * 100) / 100 : value;
}

function numberOf(text: string | null): number | undefined {
  if (text === null || text.trim() === "") return undefined;
  return Number(text);
}

/** Without a time the fix is of now; text that is none is told as such. */
function timeOf(text: string | null, nowMs: number): string {
  if (text === null || text === "") return isoOf(nowMs);
  const number = Number(text);
  if (!Number.isNaN(number)) return isoOf(number < FIRST_MILLISECONDS ? number * 1000 : number);
  // `yyyy-MM-dd HH:mm:ss` is UTC.
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text) ? `${text.replace(" ", "T")}Z` : text;
}

function isoOf(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? String(timeMs) : date.toISOString();
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The fixes of a message: none for a heartbeat. */
export function fixesOf(message: DeviceMessage): readonly Fix[] {
  return message.kind === "fix" && message.parsed.ok ? [message.parsed.fix] : [];
}
