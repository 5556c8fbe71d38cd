import { z } from "zod";
import type { LiveCredential, LiveParameter, ServiceRoute } from "./service_route.ts";

export const LOCATION_PATH = "/api/v1/courier/location";
export const LOCATIONS_PATH = "/api/v1/courier/locations";
export const POSITIONS_PATH = "/api/v1/courier/positions";
export const OWNTRACKS_PATH = "/api/v1/devices/owntracks";
export const OSMAND_PATH = "/api/v1/devices/osmand";

const JSON_TYPE = "application/json";
const BEARER: readonly LiveCredential[] = ["session", "apiKey"];
const COURIER = { tag: "positions", roles: ["courier"], scope: "positions:write" } as const;

/** Who may not, and what is refused for the courier or the service rather than for the one fix. */
const SENDER = ["auth.required", "auth.forbidden", "auth.scope_missing"] as const;
const RECORDING = [
  "request.malformed",
  "request.too_large",
  "request.invalid",
  "limit.exceeded",
  "ingest.overloaded",
] as const;
const OF_COURIER = ["courier.off_shift", "courier.not_found"] as const;

const QUERY: readonly LiveParameter[] = [
  query("id", "The key of the device", z.string()),
  query("lat", "Latitude in degrees, WGS 84; without it the device is only heard", z.number()),
  query("lon", "Longitude in degrees, WGS 84", z.number()),
  query("timestamp", "Seconds or milliseconds since 1970, or ISO 8601; now without it", z.string()),
  query("accuracy", "Accuracy in metres", z.number()),
  query("bearing", "Degrees, clockwise from north", z.number()),
  query("speed", "Speed in knots", z.number()),
];

function query(name: string, description: string, schema: z.ZodType): LiveParameter {
  return { name, in: "query", description, schema: schema.optional() };
}

const DEVICE_ANSWER = { description: "Taken, or nothing the device could do anything about" };

/** What ingest answers to. */
export const INGEST_ROUTES: readonly ServiceRoute[] = [
  {
    method: "POST",
    path: LOCATION_PATH,
    operationId: "sendPosition",
    summary: "Report one position of the courier",
    description: "Answered after it is stored. `accepted` is false where the position was not " +
      "kept; `reason` says why. `degraded`: stored, though Redis is away. 1 a second may be " +
      "sent, and 120 at once. With the key of an order's device it is the order that is there.",
    ...COURIER,
    credentials: BEARER,
    body: { [JSON_TYPE]: "Fix" },
    answers: { 200: { description: "What became of it", content: { [JSON_TYPE]: "FixAnswer" } } },
    problems: [...SENDER, ...RECORDING, ...OF_COURIER],
  },
  {
    method: "POST",
    path: LOCATIONS_PATH,
    operationId: "sendPositions",
    summary: "Report up to 100 positions of the courier",
    description: "In any order. `results` has one code for each position, in the order sent; " +
      "`malformed` ones are in `errors` and hold up no others.",
    ...COURIER,
    credentials: BEARER,
    body: { [JSON_TYPE]: "FixBatch" },
    answers: {
      200: { description: "What became of each", content: { [JSON_TYPE]: "FixBatchAnswer" } },
    },
    problems: [...SENDER, ...RECORDING, ...OF_COURIER],
  },
  {
    method: "GET",
    path: POSITIONS_PATH,
    operationId: "openPositionSocket",
    summary: "Open a WebSocket for positions and heartbeats",
    description: 'Frames are JSON lists. From the phone: `["f", seq, fix]`, ' +
      '`["b", seq, [fix, ...]]` with up to 100, and `["h", seq]`, a heartbeat; a fix is ' +
      "`[recordedAtMs, lat, lon, accuracyM, headingDeg, speedMps]`, unknown members null or left " +
      'out at the end. To the phone: `["a", seq, [code, ...], more]` with a `FixCode` for each ' +
      'fix, and `["e", seq, problem, detail]` for a frame that could not be taken. It closes with ' +
      "4401 when the credential ends.",
    ...COURIER,
    credentials: [...BEARER, "ticket"],
    parameters: [
      query("ticket", "A one-use ticket, where no header can be sent", z.string()),
    ],
    answers: { 101: { description: "The WebSocket is open" } },
    problems: [...SENDER, "ticket.invalid", "request.invalid"],
  },
  {
    method: "POST",
    path: OWNTRACKS_PATH,
    operationId: "sendOwnTracksMessage",
    summary: "Take a message of an OwnTracks app",
    description: "The app's HTTP mode: the key of the device is the password. Messages that are " +
      "no location are taken and ignored.",
    ...COURIER,
    credentials: ["deviceBasic", "apiKey"],
    body: { [JSON_TYPE]: "OwnTracksMessage" },
    answers: {
      200: { ...DEVICE_ANSWER, content: { [JSON_TYPE]: "OwnTracksAnswer" } },
    },
    problems: [...SENDER, ...RECORDING],
  },
  {
    method: "GET",
    path: OSMAND_PATH,
    operationId: "sendOsmAndPosition",
    summary: "Take a position of OsmAnd or of a Traccar Client",
    description: "Without a place the device is only heard.",
    ...COURIER,
    credentials: ["deviceId"],
    parameters: QUERY,
    answers: { 200: DEVICE_ANSWER },
    problems: [...SENDER, "request.invalid", "limit.exceeded", "ingest.overloaded"],
  },
  {
    method: "POST",
    path: OSMAND_PATH,
    operationId: "postOsmAndPosition",
    summary: "Take the same as a form or as JSON",
    description: "As forms do it up to version 8 of Traccar Client, and JSON from version 9 on. " +
      "The key is `id` or `device_id` of the body.",
    ...COURIER,
    credentials: ["deviceId"],
    parameters: QUERY,
    body: { "application/x-www-form-urlencoded": "OsmAndForm", [JSON_TYPE]: "TraccarMessage" },
    answers: { 200: DEVICE_ANSWER },
    problems: [...SENDER, ...RECORDING],
  },
];
