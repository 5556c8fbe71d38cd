// @ts-check
/** @import { Position, TrackedOrder } from "../track_types.ts" */
import { distanceM } from "./projection.js";

/**
 * All words about an order, as pure functions of the order and the time, so that they can be read
 * and tested in one place.
 */

const MINUTE_MS = 60_000;
/** So late the page still says "any minute"; after that it admits to be late. */
const GRACE_MS = 5 * MINUTE_MS;
/** Nearer than this a courier is called "there": a fix is some 10 m off, a door some 50 m away. */
const THERE_M = 90;
/** From this age on a position is called old: five reports have not come. */
export const STALE_AFTER_MS = 15_000;

const MARKETPLACE_STATES = [
  "placed",
  "confirmed",
  "preparing",
  "ready_for_pickup",
  "picked_up",
  "in_transit",
  "delivered",
];
const PARCEL_STATES = ["placed", "picked_up", "in_transit", "delivered"];
/** States outside of the straight way; each is shown only once it has happened. */
const DETOUR_STATES = ["failed_attempt", "returning", "returned", "cancelled", "failed", "expired"];

/** @type {Readonly<Record<string, string>>} */
const STEP_LABELS = {
  placed: "Ordered",
  confirmed: "Confirmed",
  preparing: "Preparing",
  ready_for_pickup: "Ready for pickup",
  picked_up: "Picked up",
  in_transit: "On the way",
  delivered: "Delivered",
  failed_attempt: "Handover not possible",
  returning: "On the way back",
  returned: "Returned",
  cancelled: "Cancelled",
  failed: "Delivery failed",
  expired: "No courier found",
};

/** @type {Readonly<Record<string, string>>} */
const VEHICLE_LABELS = {
  bicycle: "Bicycle",
  motorcycle: "Motorcycle",
  car: "Car",
  van: "Van",
  foot: "On foot",
};

/**
 * The word for a courier's vehicle; empty for one this page does not know.
 * @param {string} vehicle
 */
export function vehicleLabel(vehicle) {
  return VEHICLE_LABELS[vehicle] ?? "";
}

/**
 * A parcel has no merchant's states. The track does not always say the kind: an order that was
 * picked up without being confirmed is one too.
 * @param {TrackedOrder} order
 */
export function isParcel(order) {
  if (order.kind !== undefined) return order.kind === "parcel";
  return order.stateTimes.picked_up !== undefined && order.stateTimes.confirmed === undefined;
}

/**
 * True from the pickup to the end: the courier then carries the order to the customer.
 * @param {string} status
 */
export function isOnBoard(status) {
  return status === "picked_up" || status === "in_transit";
}

/**
 * What happens to the order, in one short sentence.
 * @param {TrackedOrder} order
 */
export function headline(order) {
  const parcel = isParcel(order);
  switch (order.status) {
    case "placed":
      if (parcel) return order.courier === null ? "Finding a courier" : "A courier is on the way";
      return "We have your order";
    case "confirmed":
      return "Your order is confirmed";
    case "preparing":
      return "Your order is being prepared";
    case "ready_for_pickup":
      return "Your order is ready";
    case "picked_up":
      return parcel ? "Your parcel is picked up" : "Your order is picked up";
    case "in_transit":
      return parcel ? "Your parcel is on its way" : "Your order is on its way";
    case "delivered":
      return "Delivered";
    case "cancelled":
      return "This order was cancelled";
    case "failed_attempt":
      return "We could not hand it over";
    case "returning":
      return "It is on its way back";
    case "returned":
      return "It was returned";
    case "failed":
      return "It could not be delivered";
    case "expired":
      return "No courier was free";
    default:
      return "Your order is in progress";
  }
}

/**
 * The sentence under the headline: who does what next.
 * @param {TrackedOrder} order
 * @param {Position | null} [position] where the courier is, if known
 */
export function detail(order, position = null) {
  const name = order.courier?.name ?? null;
  const stop = isOnBoard(order.status) ? order.dropoff : order.pickup;
  const isThere = name !== null && position !== null && distanceM(position, stop) < THERE_M;
  const parcel = isParcel(order);
  switch (order.status) {
    case "placed":
      if (!parcel) return "It is confirmed as soon as the kitchen or shop has seen it.";
      return name === null
        ? "You will see them here as soon as one has accepted."
        : `${name} is heading to the pickup.`;
    case "confirmed":
      return "They start on it shortly.";
    case "preparing":
      if (isThere) return `${name} is there and waits for it.`;
      return name === null
        ? "A courier is found while it is made."
        : `${name} is on the way to collect it.`;
    case "ready_for_pickup":
      if (isThere) return `${name} is there to collect it.`;
      return name === null ? "It waits for a courier." : `${name} is on the way to collect it.`;
    case "picked_up":
      return name === null ? "It sets off in a moment." : `${name} sets off to you in a moment.`;
    case "in_transit":
      if (isThere) return `${name} is almost at the door.`;
      return name === null
        ? "It is coming to you."
        : `${name} is coming to you${byVehicle(order)}.`;
    case "delivered":
      return name === null
        ? "It has been handed over. Enjoy."
        : `${name} has handed it over. Enjoy.`;
    case "failed_attempt":
      return "Nobody could take it. The courier decides what happens next.";
    case "returning":
      return "It goes back to where it was picked up.";
    case "returned":
      return "It is back where it was picked up. Nothing more happens here.";
    case "cancelled":
      return "Nothing more happens here. You do not need to do anything.";
    case "failed":
      return "Please ask the shop or person you ordered from.";
    case "expired":
      return "We looked for two hours. You can place the order again.";
    default:
      return "";
  }
}

/** @param {TrackedOrder} order */
function byVehicle(order) {
  switch (order.courier?.vehicle) {
    case "bicycle":
      return " by bicycle";
    case "motorcycle":
      return " by motorcycle";
    case "car":
      return " by car";
    case "van":
      return " by van";
    case "foot":
      return " on foot";
    default:
      return "";
  }
}

/**
 * The steps of an order for display: those reached with their time, then those to come. A detour
 * (cancelled, returned, ...) replaces what will no longer come.
 * @param {TrackedOrder} order
 * @returns {{ status: string, label: string, atMs: number | null,
 *   mark: "done" | "current" | "todo" | "bad" }[]}
 */
export function orderSteps(order) {
  const way = isParcel(order) ? PARCEL_STATES : MARKETPLACE_STATES;
  const present = way.indexOf(order.status);
  const detours = DETOUR_STATES
    .filter((state) => state === order.status || order.stateTimes[state] !== undefined);
  const last = way.length - 1;
  const steps = way
    .map((status, index) => ({ status, index, atMs: timeMs(order.stateTimes[status]) }))
    .filter(({ atMs }) => present >= 0 || atMs !== null)
    .map(({ status, index, atMs }) => ({
      status,
      label: STEP_LABELS[status] ?? status,
      atMs: present >= 0 && index > present ? null : atMs,
      mark: present < 0 || index < present || index === last && present === last
        ? /** @type {const} */ ("done")
        : index === present
        ? /** @type {const} */ ("current")
        : /** @type {const} */ ("todo"),
    }));
  return [
    ...steps,
    ...detours.map((status) => ({
      status,
      label: STEP_LABELS[status] ?? status,
      atMs: timeMs(order.stateTimes[status]),
      mark: status === "returning" && order.status === "returning"
        ? /** @type {const} */ ("current")
        : /** @type {const} */ ("bad"),
    })),
  ];
}

/**
 * ISO time to milliseconds; null for what is none.
 * @param {string | null | undefined} iso
 */
export function timeMs(iso) {
  if (iso === null || iso === undefined) return null;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? null : ms;
}

/**
 * Clock time in the reader's habit, e.g. "18:42" or "6:42 PM".
 * @param {number} atMs
 * @param {{ locale?: string | undefined, timeZone?: string | undefined }} [options]
 */
export function clockText(atMs, { locale, timeZone } = {}) {
  return new Intl.DateTimeFormat(locale, {
    timeStyle: "short",
    ...(timeZone === undefined ? {} : { timeZone }),
  }).format(atMs);
}

/**
 * A length of time in whole minutes, e.g. "1 min", "45 min", "1 h 05 min".
 * @param {number} durationMs
 */
export function durationText(durationMs) {
  const minutes = Math.max(1, Math.round(durationMs / MINUTE_MS));
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  const hours = Math.floor(minutes / 60);
  return rest === 0 ? `${hours} h` : `${hours} h ${String(rest).padStart(2, "0")} min`;
}

/**
 * What stands in the big line: when it comes, or when it came. Null where there is nothing to
 * promise (no estimate, or the order ended without a delivery).
 * @param {TrackedOrder} order
 * @param {number} nowMs on the server's clock
 * @param {{ locale?: string | undefined, timeZone?: string | undefined }} [options]
 * @returns {{ label: string, clock: string, note: string } | null}
 */
export function etaText(order, nowMs, options = {}) {
  if (order.status === "delivered") {
    const atMs = timeMs(order.stateTimes.delivered);
    const placedMs = timeMs(order.stateTimes.placed);
    if (atMs === null) return null;
    return {
      label: "Handed over at",
      clock: clockText(atMs, options),
      note: placedMs === null ? "" : `after ${durationText(atMs - placedMs)}`,
    };
  }
  const dueMs = timeMs(order.estimatedDeliveryAt);
  if (dueMs === null || DETOUR_STATES.includes(order.status)) return null;
  const leftMs = dueMs - nowMs;
  const clock = clockText(dueMs, options);
  if (leftMs >= MINUTE_MS / 2) {
    return { label: "Arrives about", clock, note: `in ${durationText(leftMs)}` };
  }
  if (leftMs > -GRACE_MS) return { label: "Arrives about", clock, note: "any minute now" };
  return { label: "Was expected at", clock, note: "running late" };
}

/**
 * How far something is, e.g. "80 m", "1.2 km", "14 km".
 * @param {number} lengthM
 */
export function distanceText(lengthM) {
  if (lengthM < 995) return `${Math.max(10, Math.round(lengthM / 10) * 10)} m`;
  if (lengthM < 9_950) return `${(lengthM / 1_000).toFixed(1)} km`;
  return `${Math.round(lengthM / 1_000)} km`;
}

/**
 * How old the last position is, once that is worth saying; null while it is fresh.
 * @param {number} ageMs
 */
export function staleText(ageMs) {
  if (ageMs <= STALE_AFTER_MS) return null;
  if (ageMs < MINUTE_MS) return `Position from ${Math.floor(ageMs / 1_000)} s ago`;
  return `Position from ${durationText(ageMs)} ago`;
}

/**
 * The short number of an order, to read out on the phone. Ids are UUIDv7: their beginning is the
 * time and nearly equal for neighbours, so the end is taken.
 * @param {string} id
 */
export function shortOrderNumber(id) {
  return id.replaceAll("-", "").slice(-6).toUpperCase();
}
