/**
 * What phone apps of others send, as fixes of ours. Pure.
 *
 * OwnTracks: https://owntracks.org/booklet/tech/json (`_type` location: `tst` seconds, `acc` m,
 * `vel` km/h, `cog` degrees) and /tech/http (every type is posted to the same address; the answer
 * is a JSON list). OsmAnd and Traccar Client: https://www.traccar.org/osmand (query or form: `speed`
 * in knots, `timestamp` in seconds, milliseconds or ISO 8601; from version 9 JSON with m/s).
 */
import type { Fix } from "shared/availability/fix.ts";
import type { FieldProblem } from "shared/problem/problem.ts";
import { shownValue } from "shared/problem/zod_problem.ts";
import { type ParsedFix, parseFix } from "./parse_fix.ts";

const MPS_PER_KMH = 1 / 3.6;
/** One international knot: 1852 m in an hour. */
const MPS_PER_KNOT = 1852 / 3600;
/** Seconds are below this until the year 5138, milliseconds above it since 1973. */
const FIRST_MILLISECONDS = 1e11;

/** A member of a message: what its format calls it, what was sent, and what that is to us. */
interface Member {
  readonly name: string;
  readonly sent: unknown;
  readonly value: unknown;
  /** What it has to be, where our own words for that would not fit. */
  readonly bound?: string;
}

type Members = Readonly<
  Record<"lat" | "lon" | "accuracyM" | "headingDeg" | "speedMps" | "recordedAt", Member>
>;

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
    lat: member("lat", lat),
    lon: member("lon", lon),
    accuracyM: member("acc", acc, known),
    headingDeg: member("cog", cog, known),
    speedMps: member("vel", vel, (kmh) => scaled(known(kmh), MPS_PER_KMH)),
    recordedAt: {
      ...member("tst", tst, (at) => typeof at === "number" ? isoOf(at * 1000) : at),
      bound: "must be seconds since 1970",
    },
  });
}

/** Reads the query or form of OsmAnd and of Traccar Client before version 9. */
export function readOsmAnd(fields: URLSearchParams, nowMs: number): DeviceMessage {
  const text = (name: string) => fields.get(name) ?? undefined;
  const number = (name: string) => numberOf(text(name));
  const place = text("location");
  const [lat, lon] = place?.split(",").map(numberOf) ?? [number("lat"), number("lon")];
  if (lat === undefined && lon === undefined) return { kind: "heartbeat" };
  // The device itself says that it does not know where it is.
  if (["false", "0"].includes(text("valid") ?? "")) return { kind: "heartbeat" };
  const heading = number("bearing") === undefined ? "heading" : "bearing";
  const [latName, lonName] = place === undefined ? ["lat", "lon"] : ["location", "location"];
  return fixOf({
    lat: member(latName, text(latName), () => lat),
    lon: member(lonName, text(lonName), () => lon),
    accuracyM: member("accuracy", text("accuracy"), (sent) => known(numberOf(sent))),
    headingDeg: member(heading, text(heading), (sent) => known(numberOf(sent))),
    speedMps: member(
      "speed",
      text("speed"),
      (knots) => scaled(known(numberOf(knots)), MPS_PER_KNOT),
    ),
    recordedAt: {
      ...member("timestamp", text("timestamp"), (at) => timeOf(at, nowMs)),
      bound: "must be seconds or milliseconds since 1970, or ISO 8601",
    },
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
  const { timestamp } = location;
  return {
    deviceId,
    message: fixOf({
      lat: member("location.coords.latitude", latitude),
      lon: member("location.coords.longitude", longitude),
      accuracyM: member("location.coords.accuracy", accuracy, known),
      headingDeg: member("location.coords.heading", heading, known),
      speedMps: member("location.coords.speed", speed, known),
      recordedAt: { ...member("location.timestamp", timestamp), bound: "must be ISO 8601" },
    }),
  };
}

/** @param read what was sent as what it is to us. */
function member<Sent>(
  name: string,
  sent: Sent,
  read: (sent: Sent) => unknown = (same) => same,
): Member {
  return { name, sent, value: read(sent) };
}

function fixOf(members: Members): DeviceMessage {
  const given = Object.entries(members).flatMap(([field, { value }]) =>
    value === undefined ? [] : [[field, value]]
  );
  const parsed = parseFix(Object.fromEntries(given));
  if (parsed.ok) return { kind: "fix", parsed };
  const errors = parsed.errors.map((error) => inTheirWords(error, members));
  return { kind: "fix", parsed: { ok: false, errors } };
}

/** Who reads the refusal looks for what its app has sent, not for what we made of it. */
function inTheirWords(error: FieldProblem, members: Members): FieldProblem {
  const found = Object.entries(members).find(([field]) => field === error.field)?.[1];
  if (found === undefined) return error;
  const { name, sent, value } = found;
  const isOfAge = error.bound.endsWith("old");
  const bound = isOfAge ? error.bound : found.bound ?? error.bound;
  return {
    field: name,
    // Theirs is in knots or kilometres an hour.
    bound: error.field === "speedMps" && typeof value === "number" ? `${bound} m/s` : bound,
    ...(sent === undefined ? {} : { value: shownValue(sent) }),
  };
}

/** Apps say -1 for what they do not know. */
function known(value: unknown): unknown {
  return value === null || typeof value === "number" && value < 0 ? undefined : value;
}

function scaled(value: unknown, factor: number): unknown {
  return typeof value === "number" ? Math.round(value * factor * 100) / 100 : value;
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  return Number(text);
}

/** Without a time the fix is of now; text that is none is told as such. */
function timeOf(text: string | undefined, nowMs: number): string {
  if (text === undefined || text === "") return isoOf(nowMs);
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
