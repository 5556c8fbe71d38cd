// @ts-check
/// <reference lib="dom" />
/** @import { LinkState, TrackedOrder, TrackState } from "../track_types.ts" */
import { iconElement, vehicleIcon } from "./icons.js";
import { distanceM } from "./projection.js";
import { isTerminal } from "./track_state.js";
import {
  clockText,
  detail,
  distanceText,
  etaText,
  headline,
  isOnBoard,
  orderSteps,
  shortOrderNumber,
  timeMs,
  vehicleLabel,
} from "./status_text.js";

/**
 * Writes the status panel. Everything goes through `textContent`: names and addresses are other
 * people's words. Elements are written only when they change, so that screen readers and selections
 * are left alone by the clock.
 */

const CONFETTI_COUNT = 12;

/** @type {Readonly<Record<LinkState["kind"], string>>} */
const LINK_LABELS = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  paused: "Not connected",
  ended: "Finished",
  refused: "Not available",
};

/** Words for a page that cannot show an order. */
const REFUSALS = {
  incomplete: {
    headline: "This link is incomplete",
    detail: "The part after the # is missing. Open the whole link from your order confirmation.",
  },
  invalid: {
    headline: "This link does not work",
    detail: "It may be misspelt or too old. Open it again from your order confirmation.",
  },
  expired: {
    headline: "This link has expired",
    detail: "Tracking ends some time after the delivery. Your receipt stays in your account.",
  },
};

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no element #${id}`);
  return element;
}

/**
 * @param {string} id
 * @param {string} text
 */
function write(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {string} id
 * @param {boolean} shown
 */
function show(id, shown) {
  byId(id).hidden = !shown;
}

let shownStatus = "";
let shownSteps = "";
let shownVehicle = "";

/**
 * The whole panel for an order.
 * @param {TrackState} state with an order
 * @param {TrackedOrder} order
 * @param {number} nowMs on the server's clock
 */
export function renderOrder(state, order, nowMs) {
  const eta = etaText(order, nowMs);
  byId("layout").dataset.view = "order";
  show("facts", true);
  show("retry", false);
  write("headline", headline(order));
  write("detail", detail(order, state.position));
  show("eta", eta !== null);
  if (eta !== null) {
    write("eta-label", eta.label);
    writeClock(eta.clock);
    write("eta-note", eta.note);
  }
  const dueMs = timeMs(order.estimatedDeliveryAt);
  byId("layout").dataset.late = String(
    dueMs !== null && dueMs < nowMs && !isTerminal(order.status),
  );
  renderCourier(state, order);
  renderSteps(order);
  write("order-number", shortOrderNumber(order.id));
  for (const stop of /** @type {const} */ (["pickup", "dropoff"])) {
    show(`${stop}-row`, order[stop].address !== undefined);
    write(stop, order[stop].address ?? "");
  }
  if (order.status !== shownStatus) {
    renderBadge(order.status, shownStatus !== "");
    const arrival = eta === null ? "" : ` ${eta.label} ${eta.clock}, ${eta.note}.`;
    write("announcer", `${headline(order)}. ${detail(order, state.position)}${arrival}`);
    shownStatus = order.status;
  }
  document.title = titleText(order, eta?.note ?? "");
}

/**
 * "18:42" as it is, "6:42 PM" with its tail set small.
 * @param {string} clock
 */
function writeClock(clock) {
  const element = byId("eta-clock");
  if (element.textContent === clock) return;
  const [, time = clock, tail = ""] = /^(.*\d)(\D*)$/u.exec(clock) ?? [];
  const small = document.createElement("small");
  small.textContent = tail;
  element.replaceChildren(time, ...(tail === "" ? [] : [small]));
}

/**
 * @param {TrackedOrder} order
 * @param {string} etaNote
 */
function titleText(order, etaNote) {
  const lead = isTerminal(order.status) || etaNote === "" ? "" : `${etaNote} \u00b7 `;
  return `${lead}${headline(order)} - Hexmile`;
}

/**
 * @param {TrackState} state
 * @param {TrackedOrder} order
 */
function renderCourier({ position }, order) {
  const { courier } = order;
  show("courier", courier !== null);
  if (courier === null) return;
  write("courier-name", courier.name);
  const away = position !== null && isOnBoard(order.status)
    ? `${distanceText(distanceM(position, order.dropoff))} away`
    : "";
  write("courier-note", [vehicleLabel(courier.vehicle), away].filter(Boolean).join(" \u00b7 "));
  if (courier.vehicle !== shownVehicle) {
    byId("courier-mark").replaceChildren(iconElement(vehicleIcon(courier.vehicle)));
    shownVehicle = courier.vehicle;
  }
}

/** @param {TrackedOrder} order */
function renderSteps(order) {
  const steps = orderSteps(order);
  const key = JSON.stringify(steps);
  if (key === shownSteps) return;
  shownSteps = key;
  byId("steps").replaceChildren(...steps.map(({ label, atMs, mark }) => {
    const item = document.createElement("li");
    item.className = "step";
    item.dataset.mark = mark;
    if (mark === "current") item.setAttribute("aria-current", "step");
    const name = document.createElement("span");
    name.className = "step-label";
    name.textContent = label;
    const time = document.createElement("time");
    time.className = "step-time";
    if (atMs !== null) {
      time.dateTime = new Date(atMs).toISOString();
      time.textContent = clockText(atMs);
    }
    item.append(name, time);
    return item;
  }));
}

/**
 * @param {string} status
 * @param {boolean} fresh true when it happened while someone watched: only then it is celebrated
 */
function renderBadge(status, fresh) {
  const badge = byId("badge");
  badge.hidden = !isTerminal(status);
  if (!isTerminal(status)) return;
  const good = status === "delivered";
  const festive = good && fresh && !matchMedia("(prefers-reduced-motion: reduce)").matches;
  badge.dataset.tone = good ? "good" : status === "returned" ? "plain" : "bad";
  badge.classList.toggle("is-fresh", festive);
  badge.replaceChildren(iconElement(good ? "check" : status === "returned" ? "box" : "cross"));
  if (festive) badge.append(...Array.from({ length: CONFETTI_COUNT }, (_, i) => confetto(i)));
}

/**
 * One of the small hexagons that drift off the badge: evenly round it, at two distances.
 * @param {number} index
 */
function confetto(index) {
  const element = document.createElement("i");
  const angle = (index + 0.5) / CONFETTI_COUNT * 2 * Math.PI;
  const reachPx = index % 2 === 0 ? 78 : 52;
  element.style.setProperty("--dx", `${(Math.cos(angle) * reachPx).toFixed(1)}px`);
  element.style.setProperty("--dy", `${(Math.sin(angle) * reachPx).toFixed(1)}px`);
  element.style.setProperty("--turn", `${index % 2 === 0 ? 90 : -60}deg`);
  return element;
}

/**
 * How the page stands to the server. Before the first snapshot this is all there is to show.
 * @param {LinkState} link
 * @param {boolean} hasOrder
 */
export function renderLink(link, hasOrder) {
  const label = byId("link-state");
  label.dataset.kind = link.kind;
  write("link-state", LINK_LABELS[link.kind]);
  show("retry", link.kind === "paused");
  if (hasOrder) {
    if (link.kind === "reconnecting" && link.attempt === 3) {
      write("announcer", "The connection is lost. Trying again.");
    }
    return;
  }
  if (link.kind === "refused") renderRefusal(link.reason);
  if (link.kind === "connecting" && link.attempt > 1) {
    write("headline", "Hexmile cannot be reached");
    write("detail", "Your order is not affected. This page keeps trying.");
  }
  if (link.kind === "paused") {
    write("headline", "Hexmile cannot be reached");
    write("detail", "Your order is not affected. Check your connection and try again.");
  }
}

/** @param {"incomplete" | "invalid" | "expired"} reason */
function renderRefusal(reason) {
  const words = REFUSALS[reason];
  byId("layout").dataset.view = "message";
  byId("badge").hidden = false;
  byId("badge").dataset.tone = "plain";
  byId("badge").replaceChildren(iconElement("cross"));
  write("headline", words.headline);
  write("detail", words.detail);
  write("announcer", `${words.headline}. ${words.detail}`);
  document.title = `${words.headline} - Hexmile`;
}
