// @ts-check
/// <reference lib="dom" />
/** @import { Glide, MapView as View, Padding, Position, WorldPoint } from "../track_types.ts" */
/** @import { CameraMode } from "./camera.js" */
/** @import { StreetMap } from "./street_map.js" */
import { readMapTheme } from "./map_theme.js";
import { nextGoal, stepCamera } from "./camera.js";
import { listenToGestures } from "./gestures.js";
import { extendGlide, sampleGlide, startGlide } from "./glide.js";
import { clampZoom, panBy, project, pxPerM, zoomAround } from "./projection.js";
import { paintScene } from "./marker_painter.js";
import { paintStreets } from "./street_painter.js";

/**
 * The map: two canvases on top of each other. Streets are painted into a larger hidden picture that
 * is only moved while the camera pans, and painted anew when its edge or another zoom comes into
 * view; markers are painted each frame. A frame is asked for only while something moves, so that a
 * page left open costs nothing.
 */

/** Beyond this sharpness nobody sees a difference, but every pixel is paid for. */
const MAX_PIXEL_RATIO = 2.5;
/** The hidden picture reaches over the view by this share of its size on each side. */
const MARGIN_SHARE = 0.35;
/** While the zoom changes, the old picture is stretched for at most this long. */
const MAX_STRETCH_MS = 140;
const DEFAULT_ZOOM = 13;

/**
 * @typedef {object} MapScene
 * @property {WorldPoint} pickup
 * @property {WorldPoint} dropoff
 * @property {boolean} parcel
 * @property {"before" | "onBoard" | "goingBack" | "over"} phase
 * @property {boolean} arrived
 * @property {string | null} vehicle null without a courier
 * @property {boolean} stale
 */

export class MapView {
  #element;
  #base;
  #overlay;
  #padding;
  #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  #theme;
  /** @type {StreetMap | null} */
  #streets = null;
  /** @type {MapScene | null} */
  #scene = null;
  /** @type {Glide | null} */
  #glide = null;
  /** @type {readonly WorldPoint[]} */
  #trail = [];
  /** @type {View} */
  #view = { center: { x: 0, y: 0 }, zoom: DEFAULT_ZOOM, widthPx: 0, heightPx: 0 };
  #goal = this.#view;
  /** @type {CameraMode} */
  #mode = "fit";
  #refit = true;
  /** False until the first view is known: the first fit is no journey. */
  #placed = false;
  #frameRequest = 0;
  #lastFrameMs = 0;
  /** @type {{ canvas: HTMLCanvasElement, view: View, ratio: number, paintedMs: number } | null} */
  #picture = null;
  #pictureStale = true;

  /**
   * @param {{ element: HTMLElement, base: HTMLCanvasElement, overlay: HTMLCanvasElement,
   *   padding: () => Padding, onMode: (mode: CameraMode) => void, interactive: boolean }} options
   */
  constructor({ element, base, overlay, padding, onMode, interactive }) {
    this.#element = element;
    this.#base = base;
    this.#overlay = overlay;
    this.#padding = padding;
    this.#theme = readMapTheme(element);
    this.onMode = onMode;
    new ResizeObserver(() => this.#resize()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#theme = readMapTheme(element);
      this.#pictureStale = true;
      this.#ask();
    });
    if (interactive) {
      listenToGestures(element, {
        onPan: (dx, dy) => this.#moveFreely(panBy(this.#view, dx, dy)),
        onZoom: (delta, anchor, smooth) => this.#zoom(delta, anchor, smooth),
        onReset: () => this.setMode("fit"),
        mayRoll: () => !this.#reducedMotion.matches,
      });
    }
    this.#resize();
  }

  get mode() {
    return this.#mode;
  }

  /** @param {CameraMode} mode */
  setMode(mode) {
    this.#mode = mode;
    this.#refit = true;
    this.onMode(mode);
    this.#ask();
  }

  /** @param {StreetMap} streets */
  setStreets(streets) {
    this.#streets = streets;
    this.#pictureStale = true;
    this.#ask();
  }

  /** @param {MapScene} scene */
  setScene(scene) {
    const before = this.#scene;
    this.#scene = scene;
    if (before === null || before.phase !== scene.phase) this.#refit = true;
    this.#ask();
  }

  /** @param {boolean} stale true: the courier is drawn as not known for sure */
  setStale(stale) {
    if (this.#scene === null) return;
    this.#scene = { ...this.#scene, stale };
    this.#ask();
  }

  /**
   * The courier's track so far; the last position is where it is now. Null or empty: no courier.
   * @param {readonly Position[]} trail
   */
  setTrail(trail) {
    const last = trail[trail.length - 1];
    this.#trail = trail.map(project);
    const at = this.#trail[this.#trail.length - 1];
    if (last === undefined || at === undefined) {
      if (this.#glide !== null) this.#refit = true;
      this.#glide = null;
      return this.#ask();
    }
    const nowMs = performance.now();
    const headingDeg = last.headingDeg ?? null;
    if (this.#glide === null) {
      this.#glide = startGlide(at, headingDeg, nowMs);
      this.#refit = true;
    } else if (this.#reducedMotion.matches) {
      this.#glide = startGlide(at, headingDeg, nowMs);
    } else {
      this.#glide = extendGlide(this.#glide, at, { headingDeg, nowMs });
    }
    this.#ask();
  }

  /** @param {number} delta */
  zoomBy(delta) {
    this.#zoom(delta, { x: this.#view.widthPx / 2, y: this.#view.heightPx / 2 }, true);
  }

  /**
   * @param {number} delta
   * @param {{ x: number, y: number }} anchor
   * @param {boolean} smooth
   */
  #zoom(delta, anchor, smooth) {
    if (this.#mode === "follow" && this.#glide !== null) {
      // The courier stays in the middle, only nearer or farther.
      this.#goal = { ...this.#goal, zoom: clampZoom(this.#goal.zoom + delta) };
      return this.#ask();
    }
    if (!smooth || this.#reducedMotion.matches) {
      return this.#moveFreely(zoomAround(this.#view, this.#view.zoom + delta, anchor));
    }
    // From the goal, so that quick clicks add up.
    this.#goal = zoomAround(this.#goal, this.#goal.zoom + delta, anchor);
    this.#leaveAutomatic();
  }

  /** @param {View} view */
  #moveFreely(view) {
    this.#view = view;
    this.#goal = view;
    this.#leaveAutomatic();
  }

  #leaveAutomatic() {
    if (this.#mode !== "free") {
      this.#mode = "free";
      this.onMode("free");
    }
    this.#ask();
  }

  #resize() {
    const widthPx = this.#element.clientWidth;
    const heightPx = this.#element.clientHeight;
    if (widthPx === 0 || heightPx === 0) return;
    const ratio = pixelRatio();
    for (const canvas of [this.#base, this.#overlay]) {
      canvas.width = Math.round(widthPx * ratio);
      canvas.height = Math.round(heightPx * ratio);
    }
    this.#view = { ...this.#view, widthPx, heightPx };
    this.#goal = { ...this.#goal, widthPx, heightPx };
    this.#refit = true;
    this.#pictureStale = true;
    // At once: a resized canvas is empty, and an empty frame flickers.
    this.#frame(performance.now());
  }

  #ask() {
    if (this.#frameRequest !== 0) return;
    this.#frameRequest = requestAnimationFrame((nowMs) => {
      this.#frameRequest = 0;
      this.#frame(nowMs);
    });
  }

  /** @param {number} nowMs */
  #frame(nowMs) {
    if (this.#scene === null || this.#view.widthPx === 0) return;
    const elapsedMs = Math.min(100, nowMs - this.#lastFrameMs);
    this.#lastFrameMs = nowMs;
    const courier = this.#glide === null ? null : sampleGlide(this.#glide, nowMs);
    this.#goal = nextGoal(this.#goal, {
      mode: this.#mode,
      points: pointsToShow(this.#scene, courier),
      courier,
      padding: this.#padding(),
      force: this.#refit,
    });
    this.#refit = false;
    this.#view = !this.#placed || this.#reducedMotion.matches
      ? this.#goal
      : stepCamera(this.#view, this.#goal, elapsedMs);
    this.#placed = true;
    const stretched = this.#paintBase(nowMs);
    this.#paintOverlay(this.#scene, courier);
    if (courier?.moving || stretched || this.#view !== this.#goal) this.#ask();
  }

  /**
   * @param {MapScene} scene
   * @param {ReturnType<typeof sampleGlide> | null} courier
   */
  #paintOverlay(scene, courier) {
    const context = contextOf(this.#overlay);
    const ratio = pixelRatio();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const behind = courier === null
      ? []
      : this.#trail.slice(0, Math.max(0, this.#trail.length - courier.ahead));
    paintScene(context, {
      view: this.#view,
      theme: this.#theme.markers,
      scene: {
        pickup: scene.pickup,
        dropoff: scene.dropoff,
        parcel: scene.parcel,
        arrived: scene.arrived,
        showLink: scene.phase === "before",
        trail: courier === null || scene.phase === "over" ? [] : [...behind, courier],
        courier: courier === null || scene.vehicle === null || scene.phase === "over" ? null : {
          at: courier,
          headingDeg: courier.headingDeg,
          vehicle: scene.vehicle,
          stale: scene.stale,
        },
      },
    });
  }

  /**
   * Shows the streets. True when it stretched an old picture: a sharp one has to follow.
   * @param {number} nowMs
   */
  #paintBase(nowMs) {
    const picture = this.#picture;
    const sharp = picture !== null && !this.#pictureStale &&
      picture.view.zoom === this.#view.zoom &&
      covers(picture.view, this.#view);
    const mayStretch = picture !== null && !this.#pictureStale &&
      nowMs - picture.paintedMs < MAX_STRETCH_MS;
    if (!sharp && !mayStretch) this.#paintPicture(nowMs);
    this.#showPicture();
    return !sharp && mayStretch;
  }

  /** @param {number} nowMs */
  #paintPicture(nowMs) {
    const ratio = pixelRatio();
    const view = {
      ...this.#view,
      widthPx: Math.ceil(this.#view.widthPx * (1 + 2 * MARGIN_SHARE)),
      heightPx: Math.ceil(this.#view.heightPx * (1 + 2 * MARGIN_SHARE)),
    };
    const canvas = this.#picture?.canvas ?? document.createElement("canvas");
    const width = Math.round(view.widthPx * ratio);
    const height = Math.round(view.heightPx * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = contextOf(canvas);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    paintStreets(context, {
      streets: this.#streets,
      view,
      theme: this.#theme.streets,
      font: this.#theme.font,
    });
    this.#picture = { canvas, view, ratio, paintedMs: nowMs };
    this.#pictureStale = false;
  }

  #showPicture() {
    if (this.#picture === null) return;
    const { canvas, view, ratio } = this.#picture;
    const stretch = 2 ** (this.#view.zoom - view.zoom);
    const scale = pxPerM(this.#view.zoom);
    const x = (view.center.x - this.#view.center.x) * scale + this.#view.widthPx / 2 -
      view.widthPx * stretch / 2;
    const y = (view.center.y - this.#view.center.y) * scale + this.#view.heightPx / 2 -
      view.heightPx * stretch / 2;
    const context = contextOf(this.#base);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = this.#theme.streets.land;
    context.fillRect(0, 0, this.#base.width, this.#base.height);
    // On whole pixels, or every line would blur as the picture is moved.
    context.drawImage(
      canvas,
      Math.round(x * ratio),
      Math.round(y * ratio),
      canvas.width * stretch,
      canvas.height * stretch,
    );
  }
}

/**
 * What the camera keeps in view: the courier and where it goes next.
 * @param {MapScene} scene
 * @param {WorldPoint | null} courier
 */
function pointsToShow(scene, courier) {
  const at = courier === null || scene.phase === "over" ? [] : [courier];
  switch (scene.phase) {
    case "onBoard":
      return [...at, scene.dropoff];
    case "goingBack":
      return [...at, scene.pickup];
    case "over":
      return scene.arrived ? [scene.dropoff] : [scene.pickup, scene.dropoff];
    default:
      return [...at, scene.pickup, scene.dropoff];
  }
}

/**
 * True when all of `inner` lies within `outer`, both at the same zoom.
 * @param {View} outer
 * @param {View} inner
 */
function covers(outer, inner) {
  const scale = pxPerM(inner.zoom);
  return Math.abs(outer.center.x - inner.center.x) * scale <= (outer.widthPx - inner.widthPx) / 2 &&
    Math.abs(outer.center.y - inner.center.y) * scale <= (outer.heightPx - inner.heightPx) / 2;
}

function pixelRatio() {
  return Math.min(MAX_PIXEL_RATIO, devicePixelRatio);
}

/** @param {HTMLCanvasElement} canvas */
function contextOf(canvas) {
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("Cannot draw the map: the browser gives no 2D canvas");
  return context;
}
