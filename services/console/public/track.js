// @ts-check
/// <reference lib="dom" />
/** @import { TrackedOrder, TrackState } from "../track_types.ts" */
import { TrackConnection } from "./connection.js";
import { MapView } from "./map_view.js";
import { byId, renderLink, renderOrder } from "./panel.js";
import { distanceM, project } from "./projection.js";
import { distanceText, isOnBoard, isParcel, staleText, timeMs } from "./status_text.js";
import { buildStreetMap, decodeDrawableMap } from "./street_map.js";
import { applyFrame, EMPTY_TRACK, isTerminal, resumePoint } from "./track_state.js";

/**
 * The tracking page: one order, watched live. The address is `/t/<orderId>#<token>`; the token stays
 * in the fragment, which browsers send to no server.
 */

const TICK_MS = 1_000;

/** @type {TrackState} */
let state = EMPTY_TRACK;
/** Server's clock minus ours: times are told by the server, and phones are often wrong. */
let serverOffsetMs = 0;
let mapRequested = false;

const map = new MapView({
  element: byId("map"),
  base: /** @type {HTMLCanvasElement} */ (byId("map-base")),
  overlay: /** @type {HTMLCanvasElement} */ (byId("map-overlay")),
  padding: mapPadding,
  onMode: showMode,
  interactive: true,
});

start();

function start() {
  const orderId = decodeURIComponent(location.pathname.split("/").filter(Boolean)[1] ?? "");
  const token = readToken();
  if (orderId === "" || token === "") {
    return renderLink({ kind: "refused", reason: "incomplete" }, false);
  }
  const connection = new TrackConnection({
    orderId,
    token,
    baseUrl: location.href,
    resumePoint: () => resumePoint(state),
    onFrame: (frame) => {
      const before = state;
      const applied = applyFrame(state, frame);
      state = applied.state;
      if (state.order !== null && state !== before) showOrder(state.order, before);
      return applied.outcome;
    },
    onLink: (link) => renderLink(link, state.order !== null),
    onServerTime: (offsetMs) => {
      serverOffsetMs = offsetMs;
    },
    hasEnded: () => state.order !== null && isTerminal(state.order.status),
  });
  connection.retryNow();
  addEventListener("online", () => connection.wake());
  addEventListener("pageshow", (event) => {
    if ("persisted" in event && event.persisted === true) connection.wake();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") connection.wake();
  });
  // Another link pasted over this one changes only the fragment, and loads nothing by itself.
  addEventListener("hashchange", () => location.reload());
  byId("retry").addEventListener("click", () => connection.retryNow());
  byId("map-zoom-in").addEventListener("click", () => map.zoomBy(1));
  byId("map-zoom-out").addEventListener("click", () => map.zoomBy(-1));
  byId("map-recenter").addEventListener("click", () => map.setMode("fit"));
  byId("map-follow").addEventListener("click", () => {
    map.setMode(map.mode === "follow" ? "fit" : "follow");
  });
  setInterval(tick, TICK_MS);
}

function readToken() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return ""; // A broken escape: as incomplete as no token at all.
  }
}

/**
 * @param {TrackedOrder} order
 * @param {TrackState} before
 */
function showOrder(order, before) {
  renderOrder(state, order, serverNowMs());
  map.setScene({
    pickup: project(order.pickup),
    dropoff: project(order.dropoff),
    parcel: isParcel(order),
    phase: phaseOf(order),
    arrived: order.status === "delivered",
    vehicle: order.courier?.vehicle ?? null,
    stale: staleNote() !== null,
  });
  if (state.trail !== before.trail) map.setTrail(state.trail);
  if (!mapRequested) {
    mapRequested = true;
    loadStreets(order).catch((error) => {
      // Markers and status are worth showing without streets.
      console.warn("Tracking: no street map:", error instanceof Error ? error.message : error);
    });
  }
  describeMap(order);
  showStale(order);
  byId("map-follow").hidden = state.position === null || isTerminal(order.status);
}

/**
 * @param {TrackedOrder} order
 * @returns {"before" | "onBoard" | "goingBack" | "over"}
 */
function phaseOf({ status }) {
  if (isTerminal(status)) return "over";
  if (status === "failed_attempt" || status === "returning") return "goingBack";
  return isOnBoard(status) ? "onBoard" : "before";
}

function tick() {
  if (state.order === null) return;
  renderOrder(state, state.order, serverNowMs());
  showStale(state.order);
}

/** How old the position is, where that is worth a word. */
function staleNote() {
  const recordedMs = timeMs(state.position?.recordedAt);
  return recordedMs === null ? null : staleText(serverNowMs() - recordedMs);
}

let shownStale = false;

/** @param {TrackedOrder} order */
function showStale(order) {
  const note = isTerminal(order.status) ? null : staleNote();
  const chip = byId("map-stale");
  chip.hidden = note === null;
  if (note !== null) chip.textContent = note;
  if (shownStale !== (note !== null)) {
    shownStale = note !== null;
    map.setStale(shownStale);
  }
}

/**
 * The map in words, for those who do not see it.
 * @param {TrackedOrder} order
 */
function describeMap(order) {
  const away = state.position === null
    ? "No courier on the map yet."
    : `The courier is ${distanceText(distanceM(state.position, order.dropoff))} from the dropoff.`;
  byId("map-overlay").setAttribute("aria-label", isTerminal(order.status) ? "Map" : away);
}

/** @param {TrackedOrder} order */
async function loadStreets(order) {
  const regionId = order.regionId ?? await findRegionId(order);
  if (regionId === null) return;
  const value = await getJson(`/api/v1/map/${encodeURIComponent(regionId)}`);
  map.setStreets(buildStreetMap(decodeDrawableMap(value)));
}

/**
 * Where the track does not name the region, the one whose box holds the pickup.
 * @param {TrackedOrder} order
 * @returns {Promise<string | null>}
 */
async function findRegionId({ pickup }) {
  /** @type {{ items?: { id: string, bounds: Record<string, number> }[] }} */
  const { items = [] } = await getJson("/api/v1/regions");
  const region = items.find(({ bounds }) =>
    pickup.lat >= (bounds.south ?? Infinity) && pickup.lat <= (bounds.north ?? -Infinity) &&
    pickup.lon >= (bounds.west ?? Infinity) && pickup.lon <= (bounds.east ?? -Infinity)
  );
  return region?.id ?? null;
}

/** @param {string} path */
async function getJson(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`GET ${path} answered ${response.status}`);
  return await response.json();
}

/** @param {"fit" | "follow" | "free"} mode */
function showMode(mode) {
  byId("map-recenter").hidden = mode !== "free";
  byId("map-follow").setAttribute("aria-pressed", String(mode === "follow"));
}

/** Room for markers, and for what lies over the map: on phones bars above, the sheet below. */
function mapPadding() {
  const phone = byId("map").clientWidth < 640;
  return phone
    ? { topPx: 84, rightPx: 90, bottomPx: 64, leftPx: 48 }
    : { topPx: 96, rightPx: 112, bottomPx: 96, leftPx: 96 };
}

function serverNowMs() {
  return Date.now() + serverOffsetMs;
}
