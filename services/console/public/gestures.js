// @ts-check
/// <reference lib="dom" />

/**
 * Turns pointers, wheel and keys over the map into pans and zooms. It knows nothing of the map: it
 * calls back with pixels. One finger or the mouse drags, two fingers pinch, the wheel zooms at the
 * cursor, a double tap zooms in; arrows pan, plus and minus zoom, 0 goes back to following.
 */

const KEY_PAN_PX = 80;
const WHEEL_ZOOM_PER_PX = 0.0022;
/** One notch of a coarse wheel must not fly across the city. */
const MAX_WHEEL_ZOOM = 0.6;
/** After letting go the map rolls on; its speed falls by 1/e in this time. */
const ROLL_DECAY_MS = 220;
const MIN_ROLL_PX_PER_MS = 0.04;
const DRAG_THRESHOLD_PX = 3;

/**
 * @typedef {object} GestureHandlers
 * @property {(dxPx: number, dyPx: number) => void} onPan
 * @property {(deltaZoom: number, anchor: { x: number, y: number }, smooth: boolean) => void} onZoom
 * @property {() => void} onReset
 * @property {() => boolean} mayRoll false where motion is to be reduced
 */

/**
 * Listens on `element` for as long as the page lives.
 * @param {HTMLElement} element
 * @param {GestureHandlers} handlers
 */
export function listenToGestures(element, handlers) {
  listenToPointers(element, handlers);
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    // Browsers report a trackpad pinch as a wheel with ctrlKey, in much smaller steps.
    const perPx = WHEEL_ZOOM_PER_PX * (event.ctrlKey ? 5 : 1) * (event.deltaMode === 1 ? 30 : 1);
    const delta = Math.max(-MAX_WHEEL_ZOOM, Math.min(MAX_WHEEL_ZOOM, -event.deltaY * perPx));
    handlers.onZoom(delta, placeOf(element, event), false);
  }, { passive: false });
  element.addEventListener("dblclick", (event) => {
    if (event.target instanceof Element && event.target.closest("button, a") !== null) return;
    handlers.onZoom(1, placeOf(element, event), true);
  });
  element.addEventListener("keydown", (event) => {
    if (event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    if (handleKey(event.key, element, handlers)) event.preventDefault();
  });
}

/**
 * @param {string} key
 * @param {HTMLElement} element
 * @param {GestureHandlers} handlers
 */
function handleKey(key, element, handlers) {
  const middle = { x: element.clientWidth / 2, y: element.clientHeight / 2 };
  switch (key) {
    case "ArrowLeft":
      handlers.onPan(KEY_PAN_PX, 0);
      return true;
    case "ArrowRight":
      handlers.onPan(-KEY_PAN_PX, 0);
      return true;
    case "ArrowUp":
      handlers.onPan(0, KEY_PAN_PX);
      return true;
    case "ArrowDown":
      handlers.onPan(0, -KEY_PAN_PX);
      return true;
    case "+":
    case "=":
      handlers.onZoom(0.75, middle, true);
      return true;
    case "-":
      handlers.onZoom(-0.75, middle, true);
      return true;
    case "0":
      handlers.onReset();
      return true;
    default:
      return false;
  }
}

/**
 * @param {HTMLElement} element
 * @param {GestureHandlers} handlers
 */
function listenToPointers(element, handlers) {
  /** @type {Map<number, { x: number, y: number }>} at most one entry per finger on the map */
  const pointers = new Map();
  const roll = createRoll(handlers);
  let dragging = false;
  let travelledPx = 0;

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (event.target instanceof Element && event.target.closest("button, a") !== null) return;
    roll.stop();
    pointers.set(event.pointerId, placeOf(element, event));
    travelledPx = pointers.size > 1 ? DRAG_THRESHOLD_PX : 0;
    dragging = pointers.size > 1;
    element.setPointerCapture(event.pointerId);
  });

  element.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const now = placeOf(element, event);
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const other = others[0];
    travelledPx += Math.hypot(now.x - before.x, now.y - before.y);
    pointers.set(event.pointerId, now);
    // A click with a shaky hand is no drag.
    if (!dragging && travelledPx < DRAG_THRESHOLD_PX) return;
    dragging = true;
    element.classList.add("is-dragged");
    if (other === undefined) {
      handlers.onPan(now.x - before.x, now.y - before.y);
      roll.note(now.x - before.x, now.y - before.y, event.timeStamp);
      return;
    }
    const wideBefore = Math.hypot(before.x - other.x, before.y - other.y);
    const wideNow = Math.hypot(now.x - other.x, now.y - other.y);
    handlers.onPan((now.x - before.x) / 2, (now.y - before.y) / 2);
    if (wideBefore > 0 && wideNow > 0) {
      const anchor = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
      handlers.onZoom(Math.log2(wideNow / wideBefore), anchor, false);
    }
  });

  const release = (/** @type {PointerEvent} */ event) => {
    if (!pointers.delete(event.pointerId) || pointers.size > 0) return;
    element.classList.remove("is-dragged");
    if (dragging && event.type === "pointerup") roll.start(event.timeStamp);
    dragging = false;
  };
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
}

/**
 * The map rolling on after a flick.
 * @param {GestureHandlers} handlers
 */
function createRoll({ onPan, mayRoll }) {
  let velocityX = 0, velocityY = 0;
  let lastMs = 0;
  let request = 0;

  /** @param {number} nowMs */
  const step = (nowMs) => {
    const elapsedMs = Math.min(50, Math.max(0, nowMs - lastMs));
    lastMs = nowMs;
    onPan(velocityX * elapsedMs, velocityY * elapsedMs);
    const decay = Math.exp(-elapsedMs / ROLL_DECAY_MS);
    velocityX *= decay;
    velocityY *= decay;
    if (Math.hypot(velocityX, velocityY) > MIN_ROLL_PX_PER_MS) {
      request = requestAnimationFrame(step);
    }
  };

  return {
    /** @type {(dx: number, dy: number, atMs: number) => void} */
    note(dx, dy, atMs) {
      const elapsedMs = Math.max(1, atMs - lastMs);
      const weight = elapsedMs > 100 ? 1 : 0.35;
      velocityX += (dx / elapsedMs - velocityX) * weight;
      velocityY += (dy / elapsedMs - velocityY) * weight;
      lastMs = atMs;
    },
    /** @type {(atMs: number) => void} */
    start(atMs) {
      // A finger that rested before it left wants the map to stay.
      if (!mayRoll() || atMs - lastMs > 60) return;
      lastMs = atMs;
      request = requestAnimationFrame(step);
    },
    stop() {
      cancelAnimationFrame(request);
      velocityX = 0;
      velocityY = 0;
    },
  };
}

/**
 * @param {HTMLElement} element
 * @param {MouseEvent} event
 */
function placeOf(element, event) {
  const box = element.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}
