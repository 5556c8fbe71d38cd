// @ts-check
/** @import { Courier, Frame, Place, Point, Position, TrackedOrder } from "../track_types.ts" */

/**
 * One message of the track to a frame; null where it is no frame at all. A frame of a type this page
 * does not know comes back as `unknown`, so that its number still counts.
 * @param {string} text
 * @returns {Frame | null}
 */
export function parseFrame(text) {
  const raw = asRecord(parseJson(text));
  if (raw === null || typeof raw.type !== "string" || typeof raw.seq !== "number") return null;
  if (typeof raw.epoch !== "string" && typeof raw.epoch !== "number") return null;
  const base = { epoch: String(raw.epoch), seq: raw.seq };
  const version = typeof raw.version === "number" ? { version: raw.version } : {};
  switch (raw.type) {
    case "snapshot":
    case "reset": {
      const order = readOrder(raw.order);
      if (order === null) return null;
      return { ...base, type: raw.type, order, position: readPosition(raw.position) };
    }
    case "status":
      if (typeof raw.status !== "string" || typeof raw.at !== "string") return null;
      return {
        ...base,
        type: "status",
        status: raw.status,
        at: raw.at,
        ...version,
        ...(typeof raw.estimatedDeliveryAt === "string"
          ? { estimatedDeliveryAt: raw.estimatedDeliveryAt }
          : {}),
      };
    case "courier":
      return { ...base, type: "courier", courier: readCourier(raw.courier), ...version };
    case "position": {
      const position = readPosition(raw.position);
      return position === null ? null : { ...base, type: "position", position };
    }
    case "resumed":
      return { ...base, type: "resumed" };
    default:
      return { ...base, type: "unknown" };
  }
}

/**
 * @param {string} text
 * @returns {unknown}
 */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // Not a frame; the caller treats it as such.
  }
}

/**
 * @param {unknown} value
 * @returns {Record<string, unknown> | null}
 */
function asRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? /** @type {Record<string, unknown>} */ (value)
    : null;
}

/**
 * @param {unknown} value
 * @returns {TrackedOrder | null}
 */
function readOrder(value) {
  const raw = asRecord(value);
  if (raw === null || typeof raw.id !== "string" || typeof raw.status !== "string") return null;
  const pickup = readPlace(raw.pickup);
  const dropoff = readPlace(raw.dropoff);
  if (pickup === null || dropoff === null) return null;
  /** @type {Record<string, string>} */
  const stateTimes = {};
  for (const [state, time] of Object.entries(asRecord(raw.stateTimes) ?? {})) {
    if (typeof time === "string") stateTimes[state] = time;
  }
  return {
    id: raw.id,
    status: raw.status,
    ...(typeof raw.version === "number" ? { version: raw.version } : {}),
    ...(typeof raw.kind === "string" ? { kind: raw.kind } : {}),
    ...(typeof raw.regionId === "string" ? { regionId: raw.regionId } : {}),
    stateTimes,
    pickup,
    dropoff,
    estimatedDeliveryAt: typeof raw.estimatedDeliveryAt === "string"
      ? raw.estimatedDeliveryAt
      : null,
    courier: readCourier(raw.courier),
  };
}

/**
 * @param {unknown} value
 * @returns {Point | null}
 */
function readPoint(value) {
  const raw = asRecord(value);
  if (raw === null || typeof raw.lat !== "number" || typeof raw.lon !== "number") return null;
  return { lat: raw.lat, lon: raw.lon };
}

/**
 * @param {unknown} value
 * @returns {Place | null}
 */
function readPlace(value) {
  const point = readPoint(value);
  const address = asRecord(value)?.address;
  if (point === null) return null;
  return typeof address === "string" && address !== "" ? { ...point, address } : point;
}

/**
 * @param {unknown} value
 * @returns {Courier | null}
 */
function readCourier(value) {
  const raw = asRecord(value);
  if (raw === null || typeof raw.name !== "string") return null;
  return { name: raw.name, vehicle: typeof raw.vehicle === "string" ? raw.vehicle : "" };
}

/**
 * @param {unknown} value
 * @returns {Position | null}
 */
function readPosition(value) {
  const raw = asRecord(value);
  const point = readPoint(value);
  if (raw === null || point === null || typeof raw.recordedAt !== "string") return null;
  return {
    ...point,
    recordedAt: raw.recordedAt,
    ...(typeof raw.headingDeg === "number" ? { headingDeg: raw.headingDeg } : {}),
    ...(typeof raw.speedMps === "number" ? { speedMps: raw.speedMps } : {}),
    ...(typeof raw.accuracyM === "number" ? { accuracyM: raw.accuracyM } : {}),
  };
}
